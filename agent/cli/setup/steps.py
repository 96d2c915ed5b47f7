"""Steps of the setup: each file that it writes is named, and one that is right is left alone."""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent import files
from agent.errors import EnvironmentFault


@dataclass(frozen=True)
class Steps:
    """Writes files, or only says so (``dry_run``)."""

    dry_run: bool

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def folder(self, path: Path, *, mode: int = files.DIRECTORY_MODE) -> None:
        """Make a folder that the group of the folder above may read."""
        if path.is_dir():
            return
        self.say(f"{'would make' if self.dry_run else 'makes':12} {path}/")
        if not self.dry_run:
            files.make_directory(path, mode=mode)
            _hand_over(path, -1)

    def write(
        self,
        path: Path,
        data: bytes,
        *,
        mode: int = files.FILE_MODE,
        like: Path | None = None,
        user: str | None = None,
    ) -> bool:
        """Write ``path`` unless it holds ``data``; True if it was, or would be, written.

        The file goes to ``user`` or to the owner of ``like``, else it keeps that of the file
        before; its group is that of its folder. Only root can give files away.
        """
        with files.faults(path):
            before = path.read_bytes() if path.exists() else None
        if before == data:
            return False
        verb = "makes" if before is None else "changes"
        self.say(f"{f'would {verb[:-1]}' if self.dry_run else verb:12} {path}")
        if not self.dry_run:
            owner = _owner(path, like, user)
            files.make_directory(path.parent)
            files.replace(path, data, mode=mode)
            _hand_over(path, owner)
        return True

    def remove(self, path: Path) -> bool:
        """Remove a file; True if it was, or would be, there."""
        if not files.exists(path):
            return False
        self.say(f"{'would remove' if self.dry_run else 'removes':12} {path}")
        if not self.dry_run:
            files.remove(path)
        return True


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only setup that works on ``folder``; EnvironmentFault if there is another.

    A terminal that is closed, or a request to stop, ends the block as Ctrl-C does: in order.
    """
    with files.faults(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EnvironmentFault(
                "another `clip-agent setup` is at work here",
                advice="Finish or stop that one first",
            ) from error
        before = {one: signal.signal(one, _stop) for one in (signal.SIGHUP, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    finally:
        os.close(descriptor)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _owner(path: Path, like: Path | None, user: str | None) -> int:
    """The number of the user whom a file shall belong to, -1 for ourselves."""
    with suppress(KeyError):
        if user is not None:
            return pwd.getpwnam(user).pw_uid
    with files.faults(path):
        model = next((one for one in (like, path) if one is not None and one.exists()), None)
        return -1 if model is None else model.stat().st_uid


def _hand_over(path: Path, owner: int) -> None:
    if os.geteuid() == 0:
        with files.faults(path):
            os.chown(path, owner, path.parent.stat().st_gid)
