"""Code that is dropped from memory, and comes back."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from agent.host import memory

AREA = (
    "7f00{0}000-7f00{0}800 {1} 00001000 fe:00 1234 {2}\nRss: 4 kB\nAnonymous: {3} kB\nSwap: 0 kB\n"
)


def test_only_unchanged_code_of_files_is_dropped() -> None:
    smaps = "".join(
        AREA.format(*fields)
        for fields in (
            (1, "r-xp", "/usr/lib/libav codec.so", 0),
            (2, "rw-p", "/usr/lib/libavcodec.so", 0),
            (3, "r--p", "/usr/lib/libavcodec.so", 0),
            (4, "r-xp", "/usr/lib/patched.so", 4),
            (5, "r-xp", "[vdso]", 0),
            (6, "rwxp", "", 0),
            (7, "r-xp", "/usr/lib/libcv.so (deleted)", 0),
        )
    )
    assert [begin >> 12 & 0xF for begin, _ in memory._code(smaps)] == [1, 3, 7]
    assert next(iter(memory._code(smaps))) == (0x7F001000, 0x7F001800)


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
def test_code_that_was_dropped_goes_on_when_it_is_used_again() -> None:
    before = _resident_code()
    memory.give_memory_back()
    assert _resident_code() < before
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c44298fc1c14")


def _resident_code() -> int:
    """Kilobytes of code that are mapped."""
    total, is_code = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and ":" not in words[0]:
            is_code = words[1] == "r-xp"
        elif is_code and words[0] == "Rss:":
            total += int(words[1])
    return total
