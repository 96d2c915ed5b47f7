"""Clocks: wall time and its quality, and monotonic time.

A Raspberry Pi has no battery clock: after a boot it has an old date until NTP answers.
So code that judges an expiry asks :meth:`Clock.synced` first and waits while it is False.
Commands pass a :class:`SystemClock` to their parts, tests their own clock.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

# A wall time before this release existed is an unset clock, whatever a marker file says.
EARLIEST_PLAUSIBLE_SECONDS = 1_704_067_200.0  # 2024-01-01T00:00:00Z


class Clock(Protocol):
    """The time source of every part."""

    def now(self) -> float:
        """Wall time in Unix seconds; may be wrong while not :meth:`synced`."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment of this boot; never steps."""

    def synced(self) -> bool:
        """True if :meth:`now` may be used to judge an expiry."""

    def boot_id(self) -> str:
        """The id of this boot; monotonic times compare only within one boot."""

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of monotonic time."""


class SystemClock:
    """The machine's clocks.

    ``synced_marker`` is the file that the time service creates once it has set
    the clock (systemd-timesyncd: ``/run/systemd/timesync/synchronized``).
    ``None`` says that the clock is always right, as on a machine with a battery
    clock or with a time service that leaves no marker.
    """

    _BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

    def __init__(self, synced_marker: Path | None) -> None:
        self._synced_marker = synced_marker

    def now(self) -> float:
        """See :class:`Clock`."""
        return time.time()

    def monotonic(self) -> float:
        """See :class:`Clock`."""
        return time.monotonic()

    def synced(self) -> bool:
        """See :class:`Clock`."""
        if time.time() < EARLIEST_PLAUSIBLE_SECONDS:
            return False
        return self._synced_marker is None or self._synced_marker.exists()

    def boot_id(self) -> str:
        """See :class:`Clock`."""
        return self._BOOT_ID.read_text().strip()

    def sleep(self, seconds: float) -> None:
        """See :class:`Clock`."""
        time.sleep(seconds)
