"""Bytes that a camera sent and we did not read yet.

A reader that is too slow sees the stamps of its packets fall behind the clock, just as if the
camera's clock were slow. The kernel's buffer tells them apart: it is empty, time and again,
only where the reader keeps up. FFmpeg shows no sockets, so they are found among the process's
own files (proc(5)), as those that opening the stream added. Each is kept as a duplicate: FFmpeg
may close its own at any time, and the number would be another file's.
"""

from __future__ import annotations

import fcntl
import os
import stat
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_FOLDER = Path("/proc/self/fd")
_NOTHING = bytes(4)  # an int of the kernel's


class Backlog:
    """The sockets of one stream: made before it is opened, then told when it is."""

    def __init__(self) -> None:
        self._before = frozenset(_sockets())
        self._ours: tuple[int, ...] = ()

    def opened(self) -> None:
        """Take the sockets that were opened since."""
        for number, _ in frozenset(_sockets()) - self._before:
            with suppress(OSError):  # closed meanwhile
                self._ours += (os.dup(number),)

    def waits(self) -> bool | None:
        """True if there is something to read; None if this cannot be told."""
        for number in self._ours:
            if fcntl.ioctl(number, termios.FIONREAD, _NOTHING) != _NOTHING:
                return True
        return False if self._ours else None

    def close(self) -> None:
        """Give up the sockets, with which the connection ends."""
        for number in self._ours:
            os.close(number)
        self._ours = ()


def _sockets() -> Iterator[tuple[int, int]]:
    """The process's sockets, as number and inode."""
    for link in _FOLDER.iterdir():
        with suppress(OSError):  # closed meanwhile
            about = os.fstat(int(link.name))
            if stat.S_ISSOCK(about.st_mode):
                yield int(link.name), about.st_ino
