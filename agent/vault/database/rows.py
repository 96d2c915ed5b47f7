"""Rows of the index that the camera's process writes.

That process may have been taken over. Rows that our camera would never write are
ignored; ``is_sound`` defines which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_RECORDING_SECONDS = 660.0  # the longest that can be configured, with its pre-roll
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SEALED_KEY = re.compile(r"[A-Za-z0-9+/]{1,8190}={0,2}")
_STATE = re.compile(r"[a-z0-9 -]{1,20}")
_ENCODER = re.compile(r"[a-z0-9_. ()]{0,40}")
_LAST_MOMENT = 253_402_300_799  # the end of the year 9999
_LONGEST_SOUND_SECONDS = 86_400.0
_MOST_BYTES = 2**53  # the largest count that a statement can hold


def clamp_count(number: float, *, most: int = _MOST_BYTES) -> int:
    """``number`` of a row within the range of a count."""
    return int(min(max(number, 0), most))


def clamp_time(seconds: float) -> float:
    """``seconds`` of a row within the range of a calendar."""
    return min(max(seconds, -_LAST_MOMENT), _LAST_MOMENT)


@dataclass(frozen=True, slots=True)
class Clip:
    """A finished clip; the columns are explained in ``schema.sql``."""

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

    @property
    def ended_at(self) -> float:
        """Wall time of the last frame."""
        return self.started_at + self.duration_seconds

    @property
    def length_is_known(self) -> bool:
        """False for a recording that was cut off while the clock was set."""
        return not (self.truncated and self.duration_seconds == 0)

    @property
    def is_sound(self) -> bool:
        """True if a letter can hold it."""
        return bool(
            ClipDigest(self.id, self.sha256).is_sound
            and _SEALED_KEY.fullmatch(self.sealed_key)
            and abs(self.started_at) <= _LAST_MOMENT
            and 0 <= self.duration_seconds <= _LONGEST_SOUND_SECONDS
            and abs(self.monotonic_seconds) <= _LAST_MOMENT
            and 0 <= self.bytes <= _MOST_BYTES
        )


class ClipDigest(NamedTuple):
    """The id of a clip and the digest of its sealed file."""

    id: str
    sha256: str

    @property
    def is_sound(self) -> bool:
        """True if a match set can hold it."""
        return bool(_ID.fullmatch(self.id) and _DIGEST.fullmatch(self.sha256))


@dataclass(frozen=True, slots=True)
class Totals:
    """All clips together: their number, size, and the start of the oldest."""

    count: int
    bytes: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """The state that a process last wrote."""

    part: str
    at: float
    state: str
    detail: str
    last_motion_at: float | None
    encoder: str = ""

    @property
    def is_sound(self) -> bool:
        """True for a few words and plausible times.

        Anything longer would let the process without a network speak through the gateway.
        """
        motion = self.last_motion_at
        return bool(
            _STATE.fullmatch(self.state)
            and _ENCODER.fullmatch(self.encoder)
            and abs(self.at) <= _LAST_MOMENT
            and (motion is None or abs(motion) <= _LAST_MOMENT)
        )
