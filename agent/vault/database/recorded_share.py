"""The share of an hour that was recorded: what status shows, and what retention goes by.

Hours are those of the monotonic clock, which nobody sets; clips of other boots are not in
them. Clips are given in the order of recording.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from agent.vault.database.rows import Clip

_HOUR = 3600.0
_ENDLESS_SHARE = 0.5


def hour_before(monotonic: float) -> float:
    """The beginning of the hour that ends at ``monotonic``."""
    return monotonic - _HOUR


class Recorded(NamedTuple):
    """The columns of a clip that retention goes by."""

    id: str
    boot_id: str
    monotonic_seconds: float
    duration_seconds: float
    bytes: int


def last_hour(clips: Iterable[Recorded | Clip], *, monotonic: float, boot_id: str) -> float:
    """The share, 0 to 1, of the hour before ``monotonic`` that finished clips hold."""
    begin = hour_before(monotonic)
    held = 0.0
    for clip in clips:
        if clip.boot_id == boot_id:
            ended = clip.monotonic_seconds + clip.duration_seconds
            held += max(0.0, min(ended, monotonic) - max(clip.monotonic_seconds, begin))
    return min(held / _HOUR, 1.0)


class Storm:
    """Judges clips one by one, in the order of recording."""

    def __init__(self) -> None:
        self._hour: deque[Clip | Recorded] = deque()
        self._held = 0.0

    def is_endless(self, clip: Clip | Recorded) -> bool:
        """True if more than half of the hour before the end of ``clip`` was recorded."""
        hour = self._hour
        if hour and hour[-1].boot_id != clip.boot_id:
            hour.clear()
            self._held = 0.0
        hour.append(clip)
        self._held += clip.duration_seconds
        ended = clip.monotonic_seconds + clip.duration_seconds
        while hour[0].monotonic_seconds < ended - _HOUR and len(hour) > 1:
            self._held -= hour.popleft().duration_seconds
        return self._held > _ENDLESS_SHARE * _HOUR
