"""The costs of a process by the kernel's count: CPU, memory, and bytes for a disk.

Formats: proc_pid_stat(5), proc_pid_smaps(5) (``smaps_rollup``), proc_pid_io(5).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_UTIME, _CSTIME = 11, 15  # fields after the name: utime, stime, and those of waited-for children


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of the process, its threads and its ended children."""
    return parse_cpu_seconds(Path(f"/proc/{pid}/stat").read_text())


def parse_cpu_seconds(stat: str) -> float:
    """The same from the text of ``stat``; the name in it may hold blanks and brackets."""
    fields = stat.rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[_UTIME:_CSTIME]) / _TICKS_PER_SECOND


@dataclass(frozen=True)
class Memory:
    """Resident memory in megabytes (10^6 bytes); ``pss`` shares out what others map too."""

    rss: float
    pss: float


def memory(pid: int | str) -> Memory:
    """The memory that ``pid`` (or "self") has now."""
    return parse_memory(Path(f"/proc/{pid}/smaps_rollup").read_text())


def peak(pid: int | str) -> float:
    """The most resident memory that ``pid`` (or "self") ever had, in megabytes (10^6 bytes).

    Not from getrusage(2), which after exec still counts the program before.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["VmHWM"].split()[0]) * 1024 / 1e6


def parse_memory(rollup: str) -> Memory:
    """The same from the text of ``smaps_rollup``."""
    kilobytes = {}
    for line in rollup.splitlines()[1:]:
        name, value = line.split(":")
        kilobytes[name] = int(value.split()[0])
    return Memory(kilobytes["Rss"] * 1024 / 1e6, kilobytes["Pss"] * 1024 / 1e6)


@dataclass(frozen=True)
class Written:
    """Bytes so far: handed to any write call, and sent towards a disk (whole pages)."""

    handed: int
    stored: int

    def __sub__(self, before: Written) -> Written:
        return Written(self.handed - before.handed, self.stored - before.stored)


def written(pid: int | str) -> Written:
    """The bytes that ``pid`` (or "self") has written."""
    return parse_written(Path(f"/proc/{pid}/io").read_text())


def parse_written(counters: str) -> Written:
    """The same from the text of ``io``."""
    values = {name: int(value) for name, value in (x.split(": ") for x in counters.splitlines())}
    return Written(values["wchar"], values["write_bytes"])
