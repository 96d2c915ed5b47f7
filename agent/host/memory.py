"""Resident memory of a daemon, without what only its start or a release needs.

Loading the camera's libraries maps some 45 MB of their code, as the kernel maps more around each
touched page (fault-around), and those that prepare a release some 25 MB. The running daemon needs
less than half of it. These pages come from files, so they can be dropped, and the kernel maps them
again on use.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock

_MAPPINGS = Path("/proc/self/smaps")  # proc_pid_smaps(5)
_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)$")
_QUIET_SECONDS = 5.0  # to load all, to connect and to repeat the letters, or to begin an upload
_CODE = ("r-xp", "r--p")  # code, and the constants beside it


@dataclass
class MemoryReturn:
    """Calls ``act`` some seconds after the start, and after each rise of a count of large work."""

    clock: Clock
    act: Callable[[], None]

    def __post_init__(self) -> None:
        self._count = 0
        self._due = self.clock.monotonic() + _QUIET_SECONDS

    def look(self, count: int) -> None:
        """See if it is due; to be called now and then."""
        now = self.clock.monotonic()
        if count > self._count:
            self._count, self._due = count, now + _QUIET_SECONDS
        elif now >= self._due:
            self._due = math.inf
            self.act()


def give_memory_back() -> None:
    """Return freed memory to the system, and unmap the code of all libraries until it is used.

    Does nothing where that is denied.
    """
    libc = ctypes.CDLL(None)
    with suppress(AttributeError):  # not glibc
        libc.malloc_trim(0)
    with suppress(OSError):
        advise = libc.madvise
        advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for begin, end in _code(_MAPPINGS.read_text()):
            advise(begin, end - begin, mmap.MADV_DONTNEED)


def _code(smaps: str) -> Iterator[tuple[int, int]]:
    """Begin and end of the code that is mapped from files and was not changed in memory."""
    area = None
    for line in smaps.splitlines():
        if head := _HEAD.match(line):
            is_code = head[3] in _CODE and head[4].startswith("/")
            area = (int(head[1], 16), int(head[2], 16)) if is_code else None
        elif area and line.split() == ["Anonymous:", "0", "kB"]:
            yield area
