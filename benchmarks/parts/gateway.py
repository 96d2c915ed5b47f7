"""The gateway while it waits: resident memory, and bytes on their way to the disk in an hour.

The real command beside a real broker, with a clip in its catalog. For the hour its clock runs
sixty times as fast: the letters of each hour come in a minute. Its memory is that of a gateway
that has released nothing yet: the video library comes with the first release, and stays.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from agent.cli import main as cli
from agent.clock import SystemClock
from agent.gateway import app
from benchmarks import procfs
from benchmarks.figures import Figure
from benchmarks.rig import Workshop
from tests.soak.power_cut import Evening, evening

TITLE = "the gateway while it waits"
SECONDS = 90
_SPEED = 60.0
_HOUR_SECONDS = 3_600.0
_SETTLE_SECONDS = 15.0  # the first letters are out, and subscriptions were renewed
_MEGABYTES = 45


class FastClock(SystemClock):
    """The machine's clocks, sixty times as fast since the start of the process."""

    def __init__(self, synced_marker: Path | None) -> None:
        super().__init__(synced_marker)
        self._wall, self._monotonic = time.time(), time.monotonic()

    def now(self) -> float:
        """See :class:`agent.clock.Clock`."""
        return self._wall + _SPEED * (time.monotonic() - self._monotonic)

    def monotonic(self) -> float:
        """See :class:`agent.clock.Clock`."""
        return self._monotonic + _SPEED * (time.monotonic() - self._monotonic)


def measure(workshop: Workshop) -> list[Figure]:
    """The real command by the clock, then with a fast one."""
    with evening(workshop.subfolder()) as one:
        time.sleep(_SETTLE_SECONDS)
        memory = procfs.memory(one.pid)
    with evening(workshop.subfolder(), command=("-m", "benchmarks.parts.gateway")) as one:
        time.sleep(_SETTLE_SECONDS)
        written, changed = _in_an_hour(one)
    return [
        Figure("resident, idle", memory.rss, "MB", _MEGABYTES, f"PSS {memory.pss:.0f}"),
        Figure("written in an idle hour, sixty times as fast", written, "bytes", 0),
        Figure("files changed in it", changed, "", 0),
    ]


def _in_an_hour(one: Evening) -> tuple[int, int]:
    """Bytes that the process sent towards a disk, and files of its folders that changed."""
    before, stamps = procfs.written(one.pid), _stamps(one.house.config.state_dir)
    time.sleep(_HOUR_SECONDS / _SPEED)
    after = _stamps(one.house.config.state_dir)
    written = (procfs.written(one.pid) - before).stored
    return written, len(after.items() ^ stamps.items())


def _stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


if __name__ == "__main__":  # the real command with the fast clock
    vars(app)["SystemClock"] = FastClock
    sys.exit(cli.main(sys.argv[1:]))
