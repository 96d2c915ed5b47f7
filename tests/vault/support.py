"""A vault on a real disk, with a clock that tests move, and ways to end a process badly."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyrage

from agent.vault.clips.seal import CHUNK_BYTES
from agent.vault.clips.store import Clip, ClipDraft, ClipStore
from agent.vault.clips.unseal import open_stream
from agent.vault.database import gateway, index
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.index import Index
from tests.support.clock import SimulatedClock

OWNER = pyrage.x25519.Identity.generate()
RECOVERY = pyrage.x25519.Identity.generate()
RECIPIENTS = (str(OWNER.to_public()), str(RECOVERY.to_public()))


def pattern(length: int) -> bytes:
    """Bytes of which no two chunks are alike."""
    blocks = (f"plaintext block {number:08d} ".encode() for number in itertools.count())
    return b"".join(itertools.islice(blocks, length // 25 + 1))[:length]


class Vault:
    """A state folder, opened as the camera opens it."""

    def __init__(self, state_dir: Path, clock: SimulatedClock | None = None) -> None:
        self.state_dir = state_dir
        self.clock = clock or SimulatedClock()
        self.index = Index.open(index.path_of(state_dir))
        numbers = itertools.count(1)
        self.store = ClipStore(
            state_dir,
            self.index,
            recipients=RECIPIENTS,
            clock=self.clock,
            random=lambda size: next(numbers).to_bytes(size, "big"),
        )

    def begin(self) -> ClipDraft:
        """A clip that starts now."""
        return self.store.create(
            started_at=self.clock.now(),
            monotonic_seconds=self.clock.monotonic(),
            codec="h264",
            width=640,
            height=360,
        )

    def record(self, plain: bytes = b"moof", seconds: float = 10.0) -> Clip:
        """A finished clip."""
        draft = self.begin()
        draft.write(plain)
        self.clock.advance(seconds)
        return draft.finish(duration_seconds=seconds)

    def plain(self, clip_id: str, identity: Any = OWNER, *, truncated: bool = False) -> bytes:
        """Plaintext of a clip, as far as it opens."""
        with (
            self.store.open_sealed(clip_id) as sealed,
            open_stream(sealed, str(identity), truncated=truncated) as plain,
        ):
            return plain.read()

    @cached_property
    def database(self) -> GatewayDatabase:
        """The gateway's, beside it."""
        return GatewayDatabase.open(gateway.path_of(self.state_dir))

    def close(self) -> None:
        self.index.close()


def as_recorded(index: Index) -> list[Clip]:
    """All clips in the order of recording."""
    return [clip for one in index.as_recorded() if (clip := index.clip(one.id)) is not None]


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder for tests of many examples: real files, on a file system that syncs at once."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def clip_files(state_dir: Path) -> dict[str, int]:
    """Every file below ``clips/``: its path there, and its size."""
    root = state_dir / "camera" / "clips"
    return {
        str(path.relative_to(root)): path.stat().st_size
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def stock_age(sealed: Path, identity: Any, folder: Path) -> tuple[bytes, int]:
    """Output of Debian's ``age -d -i identity``, and its exit status."""
    age = shutil.which("age")
    assert age is not None, "Debian's age must be installed: apt-get install age"
    key = folder / "identity.txt"
    key.write_text(f"# a comment, as age-keygen writes them\n{identity}\n")
    done = subprocess.run([age, "-d", "-i", key, sealed], capture_output=True, check=False)
    return done.stdout, done.returncode


def whole(plain: bytes) -> bytes:
    """``plain`` up to its last whole chunk."""
    return plain[: len(plain) // CHUNK_BYTES * CHUNK_BYTES]


def watch_steps(on_step: Callable[[str], None], connection: sqlite3.Connection | None) -> None:
    """Have ``on_step`` called before each step on disk. Changes this process for good: fork first.

    A step is told as ``sync NAME``, ``create NAME``, ``rename NAME``, ``remove NAME``,
    ``mkdir NAME`` or ``commit``.
    """
    fsync, open_, mkdir = os.fsync, os.open, Path.mkdir
    replace, unlink, rmdir = Path.replace, Path.unlink, Path.rmdir

    def watched_fsync(fd: Any) -> None:
        on_step(f"sync {Path(f'/proc/self/fd/{fd}').readlink().name}")
        fsync(fd)

    def watched_open(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            on_step(f"create {Path(path).name}")
        return open_(path, flags, *rest, **named)

    def watched_mkdir(path: Path, *rest: Any, **named: Any) -> None:
        on_step(f"mkdir {path.name}")
        mkdir(path, *rest, **named)

    def watched_replace(path: Path, target: Any) -> Path:
        on_step(f"rename {path.name}")
        return replace(path, target)

    def watched_unlink(path: Path, *rest: Any, **named: Any) -> None:
        if path.exists():
            on_step(f"remove {path.name}")
        unlink(path, *rest, **named)

    def watched_rmdir(path: Path) -> None:
        if not any(path.iterdir()):
            on_step(f"remove {path.name}")
        rmdir(path)

    os.fsync, os.open = watched_fsync, watched_open
    patched: Any = Path
    patched.mkdir, patched.replace, patched.unlink = watched_mkdir, watched_replace, watched_unlink
    patched.rmdir = watched_rmdir
    if connection is not None:
        connection.set_trace_callback(lambda sql: on_step("commit") if sql == "COMMIT" else None)


def in_child(action: Callable[[], None]) -> int:
    """Run ``action`` in a forked process; 0, or the number of the signal that ended it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0, "the child failed: see stderr"
    return os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0


def kill_before_step(number: int, state_dir: Path, action: Callable[[Vault], None]) -> bool:
    """Run ``action`` on a vault in a process that is killed before its n-th step on disk.

    False if it came to its end before.
    """

    def child() -> None:
        vault = Vault(state_dir)
        left = number

        def count(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        watch_steps(count, vault.index.connection)
        action(vault)

    return in_child(child) == signal.SIGKILL


def steps_of(state_dir: Path, action: Callable[[Vault], None]) -> list[str]:
    """The steps on disk that ``action`` takes, in their order."""
    log = state_dir.parent / "steps.txt"

    def child() -> None:
        vault = Vault(state_dir)
        steps: list[str] = []
        watch_steps(steps.append, vault.index.connection)
        action(vault)
        log.write_text("\n".join(steps))

    assert in_child(child) == 0
    return [step for step in log.read_text().splitlines() if "steps.txt" not in step]
