"""A stream's own timestamps as seconds of our monotonic clock.

A camera's clock starts anywhere, drifts against ours, jumps when the camera
restarts, and its packets arrive late by whatever the network takes. A recording
wants none of that: its times must be ours and never step back.
"""

from __future__ import annotations

_SMALLEST_STEP = 0.001  # seconds between two packets at least
_JUMP_SECONDS = 5.0  # further off than this is a new beginning
# Packets can only be late. So an early one shows at once how far off we are, while lateness
# is believed slowly: by a millisecond a second, which is more than two quartzes drift apart.
_CATCH_UP, _FALL_BACK = 0.05, 0.001


class Timeline:
    """Places timestamps, in the order they come, on the clock.

    ``follow`` is for a live stream: the placement keeps to the time of arrival. A
    file keeps to where its first packet was placed.
    """

    def __init__(self, *, follow: bool) -> None:
        self._follow = follow
        self._offset: float | None = None
        self._last_stamp = 0.0
        self._last = float("-inf")

    def place(self, stamp: float | None, arrival: float) -> float:
        """Clock seconds of the packet stamped ``stamp`` that came at ``arrival``."""
        seconds = arrival  # the best guess for a live packet without a stamp
        if stamp is not None:
            seconds = stamp + self._adjusted(stamp, arrival)
            self._last_stamp = stamp
        self._last = max(seconds, self._last + _SMALLEST_STEP)
        return self._last

    def _adjusted(self, stamp: float, arrival: float) -> float:
        """What to add to ``stamp``."""
        if self._offset is None:
            self._offset = arrival - stamp
        elif self._follow:
            late = arrival - (stamp + self._offset)
            passed = max(stamp - self._last_stamp, 0.0)
            if abs(late) > _JUMP_SECONDS:
                self._offset = arrival - stamp
            else:
                self._offset += min(max(late, -_CATCH_UP * passed), _FALL_BACK * passed)
        return self._offset
