"""The plain copy of a clip that its owner looks at: private, and removed however that ends.

It lies in a temporary folder that this process holds locked. A folder that nobody locks is
left of a run that was killed; the next owner's command removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

_PREFIX = "clip-agent-preview-"
_ENDINGS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A private folder that is removed at the end, also at ctrl-C or a closed terminal."""
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    path, lock = _locked_folder()
    try:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, _leave)
        yield path
    finally:
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        shutil.rmtree(path)
        os.close(lock)
        for number, handler in before.items():
            signal.signal(number, handler)


def sweep() -> None:
    """Remove the folders of runs that were killed."""
    for path in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):  # of another user, or in use
            os.close(_lock(path))
            shutil.rmtree(path)


def _locked_folder() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with contextlib.suppress(OSError):  # another command may have swept it in between
            lock = _lock(path)
            if path.exists():
                return path, lock
            os.close(lock)


def _lock(path: Path) -> int:
    """A descriptor that holds the folder locked; OSError if another process does, or none may."""
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(lock).st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to somebody else")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
