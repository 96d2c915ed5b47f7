"""The share of an hour that was recorded: what status shows, and what retention goes by.

Hours are those of the monotonic clock, which nobody sets; clips of other boots are not in
them. Clips are given in the order of recording.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from agent.vault.database.rows import Clip

_HOUR = 3600.0
_ENDLESS_SHARE = 0.5


def last_hour(clips: Sequence[Clip], *, monotonic: float, boot_id: str) -> float:
    """The share, 0 to 1, of the hour before ``monotonic`` that finished clips hold."""
    begin = monotonic - _HOUR
    held = 0.0
    for clip in clips:
        if clip.boot_id == boot_id:
            ended = clip.monotonic_seconds + clip.duration_seconds
            held += max(0.0, min(ended, monotonic) - max(clip.monotonic_seconds, begin))
    return min(held / _HOUR, 1.0)


def endless(clips: Sequence[Clip]) -> set[str]:
    """Ids of the clips at whose end more than half of the hour before was recorded."""
    found: set[str] = set()
    hour: deque[Clip] = deque()
    held = 0.0
    for clip in clips:
        if hour and hour[-1].boot_id != clip.boot_id:
            hour.clear()
            held = 0.0
        hour.append(clip)
        held += clip.duration_seconds
        ended = clip.monotonic_seconds + clip.duration_seconds
        while hour[0].monotonic_seconds < ended - _HOUR and len(hour) > 1:
            held -= hour.popleft().duration_seconds
        if held > _ENDLESS_SHARE * _HOUR:
            found.add(clip.id)
    return found
