"""Rows about clips, and the limits of a clip that a letter can hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_RECORDING_SECONDS = 660.0  # the longest that can be configured, with its pre-roll
_SEALED_KEY = re.compile(r"[A-Za-z0-9+/]{1,8190}={0,2}")
_LAST_MOMENT = 253_402_300_799  # the end of the year 9999
_LONGEST_SOUND_SECONDS = 86_400.0
_MOST_BYTES = 2**53  # the largest count that a statement can hold


@dataclass(frozen=True, slots=True)
class Clip:
    """A finished clip; the columns are explained in ``camera.sql``."""

    id: str
    started_at: float
    duration_seconds: float
    monotonic_seconds: float
    boot_id: str
    clock_synced: bool
    bytes: int
    sha256: str
    sealed_key: str
    truncated: bool
    kept: bool = False

    @property
    def start_ms(self) -> int:
        """Wall time of the first frame in milliseconds since 1970, as statements hold it."""
        return max(0, int(self.started_at * 1000))

    @property
    def length_is_known(self) -> bool:
        """False for a recording that was cut off while the clock was set."""
        return not (self.truncated and self.duration_seconds == 0)

    @property
    def is_sound(self) -> bool:
        """True if a letter can hold it; ids and digests have their form already."""
        return bool(
            _SEALED_KEY.fullmatch(self.sealed_key)
            and abs(self.started_at) <= _LAST_MOMENT
            and 0 <= self.duration_seconds <= _LONGEST_SOUND_SECONDS
            and abs(self.monotonic_seconds) <= _LAST_MOMENT
            and 0 <= self.bytes <= _MOST_BYTES
        )


class ClipDigest(NamedTuple):
    """The id of a clip and the digest of its sealed file."""

    id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Totals:
    """All clips together: their number, size, the start of the oldest, and how many are kept."""

    count: int
    bytes: int
    oldest: float | None
    kept: int = 0
