"""Lock that a running camera holds on the folder of the clips.

A killed process leaves its last state, ``recording`` perhaps, in the index. The kernel
releases its lock, so the lock tells if the camera is alive, and writes nothing. It also
keeps two cameras from using one vault.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import files
from agent.clock import Clock
from agent.errors import StorageFault
from agent.vault.database.index import Health

_TRIES = 20
_TRY_SECONDS = 0.1  # a reader that looks also holds the lock for a moment
_RUNNING = ("armed", "recording", "disk-full", "storage-failed", "no-frames")


@contextmanager
def at_work(state_dir: Path, *, clock: Clock) -> Iterator[None]:
    """Hold the lock for the block. Raises :class:`StorageFault` if another camera has it."""
    files.make_directory(_folder(state_dir))
    descriptor = _open(state_dir)
    try:
        for _ in range(_TRIES):
            if _lock(descriptor, fcntl.LOCK_EX):
                break
            clock.sleep(_TRY_SECONDS)
        else:
            raise StorageFault(
                f"{state_dir}: another clip-agent camera records there",
                advice="Stop it first, or give this one a state_dir of its own",
            )
        yield
    finally:
        os.close(descriptor)


def is_at_work(state_dir: Path) -> bool:
    """Tell if a living camera holds the lock."""
    folder = _folder(state_dir)
    with files.faults(folder):  # before Python 3.12 is_dir() raises for too long a name
        if not folder.is_dir():
            return False
    descriptor = _open(state_dir)
    try:
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def camera_state(health: Health | None, *, running: bool, restarts: bool = False) -> str:
    """The camera's state, judged by its last word and the lock.

    A process that ended for want of frames is started again in ten seconds; while
    ``restarts`` says so it still counts as ``no-frames``.
    """
    if health is None:
        return "never started"
    if running or (restarts and health.state == "no-frames"):
        return health.state
    return "not-running" if health.state in _RUNNING else health.state


def _folder(state_dir: Path) -> Path:
    return state_dir / "clips"


def _open(state_dir: Path) -> int:
    folder = _folder(state_dir)
    with files.faults(folder):
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
