"""Locks of the two processes: one of each kind runs on a state folder, and others can see it.

The kernel releases a lock when its process ends, however it ends, so a lock tells if a process
lives, and writes nothing. Each process has a file ``lock`` for itself alone: nobody else can
open it, so nobody else can keep the process from starting.

The camera also has a file ``alive`` for others to look at. It is made anew at each start and has
its lock before it has its name: whoever looks can neither take that lock nor disturb the camera.
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

_TRIES = 20
_TRY_SECONDS = 0.1  # a command that looks also holds the lock for a moment
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def camera_at_work(state_dir: Path, *, clock: Clock) -> Iterator[None]:
    """Be the camera for the block. Raises :class:`StorageFault` if there is another."""
    folder = state_dir / "camera"
    with _sole(folder, "camera", clock), _shown(folder / "alive"):
        yield


@contextmanager
def gateway_at_work(state_dir: Path, *, clock: Clock) -> Iterator[None]:
    """Be the gateway for the block. Raises :class:`StorageFault` if there is another."""
    with _sole(state_dir / "gateway", "gateway", clock):
        yield


def is_camera_at_work(state_dir: Path) -> bool:
    """Tell if a camera is alive; everybody who may read its folder can ask."""
    return _is_held(state_dir / "camera" / "alive")


def is_gateway_at_work(state_dir: Path) -> bool:
    """Tell if a gateway is alive; only its own user can ask."""
    return _is_held(state_dir / "gateway" / "lock")


@contextmanager
def _sole(folder: Path, name: str, clock: Clock) -> Iterator[None]:
    path = folder / "lock"
    with files.faults(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, files.PRIVATE_MODE)
    try:
        for _ in range(_TRIES):
            if _lock(descriptor, fcntl.LOCK_EX):
                break
            clock.sleep(_TRY_SECONDS)
        else:
            raise StorageFault(
                f"another clip-agent {name} runs on {folder.parent}",
                advice="Stop it first, or give this one a state_dir of its own",
            )
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _shown(path: Path) -> Iterator[None]:
    draft = path.with_name(f"{path.name}.new")
    files.remove(draft)
    with files.faults(path):
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, files.PRIVATE_MODE)
    try:
        with files.faults(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.fchmod(descriptor, files.FILE_MODE)
        files.rename(draft, path)
        yield
    finally:
        os.close(descriptor)


def _is_held(path: Path) -> bool:
    with files.faults(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
        except FileNotFoundError:
            return False
        try:
            return not _lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
