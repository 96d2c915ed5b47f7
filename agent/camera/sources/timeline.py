"""A stream's own timestamps as seconds of our monotonic clock.

A camera's clock starts anywhere, drifts, jumps, wraps around or stands still, and its
packets arrive late. The times of a recording must be ours, near the time of arrival, and
never step back. So a stamp is trusted for the distance to its neighbours, as long as that
agrees with the arrival of the packets.
"""

from __future__ import annotations

_SMALLEST_STEP = 0.001  # seconds between two packets at least
# A packet cannot come before it was made. If one seems to, by more than the likely delay of
# the first packet, the camera's clock jumped; so it did if a packet seems to be this old.
_MOST_EARLY, _MOST_LATE = 0.5, 10.0
# An early packet shows our error at once. A delay counts once no packet was in time for a
# while. Both are corrected gradually: recorded time runs at most so much faster or slower.
_WINDOW_SECONDS = 5.0
_CORRECTION = 0.05


class Timeline:
    """Places timestamps, in the order they come, on the clock.

    ``follow`` is for a live stream: the placement keeps to the time of arrival. A
    file keeps to where its first packet was placed.
    """

    def __init__(self, *, follow: bool) -> None:
        self._follow = follow
        self._offset: float | None = None  # clock seconds at the stream's own 0
        self._last_stamp = 0.0
        self._last = float("-inf")
        self._window_ends = 0.0
        self._least_late = float("inf")  # in this window
        self._behind = 0.0  # the least delay of the last window, still to be corrected

    def place(self, stamp: float | None, arrival: float) -> float:
        """Clock seconds of the packet stamped ``stamp`` that came at ``arrival``."""
        seconds = arrival  # the best guess for a live packet without a stamp
        if stamp is not None:
            if self._offset is None or (self._follow and self._is_broken(stamp, arrival)):
                self._begin(stamp, arrival)
            elif self._follow:
                self._correct(stamp, arrival)
            seconds = stamp + (self._offset or 0.0)
            self._last_stamp = stamp
        self._last = max(seconds, self._last + _SMALLEST_STEP)
        return self._last

    def _is_broken(self, stamp: float, arrival: float) -> bool:
        """True if ``stamp`` does not follow the one before."""
        seconds = stamp + (self._offset or 0.0)
        is_plausible = arrival - _MOST_LATE <= seconds <= arrival + _MOST_EARLY
        return not is_plausible or stamp <= self._last_stamp or seconds <= self._last

    def _begin(self, stamp: float, arrival: float) -> None:
        self._offset = arrival - stamp
        self._window_ends = arrival + _WINDOW_SECONDS
        self._least_late, self._behind = float("inf"), 0.0

    def _correct(self, stamp: float, arrival: float) -> None:
        """Bring the offset nearer to where it belongs."""
        offset = self._offset or 0.0
        late = arrival - (stamp + offset)
        self._least_late = min(self._least_late, late)
        if arrival >= self._window_ends:
            self._behind = max(self._least_late, 0.0)
            self._window_ends, self._least_late = arrival + _WINDOW_SECONDS, float("inf")
        most = _CORRECTION * (stamp - self._last_stamp)
        if late < self._behind:  # this one came in time, or nearly so
            self._behind = max(late, 0.0)
        step = max(late, -most) if late < 0 else min(self._behind, most)
        self._behind -= max(step, 0.0)
        self._offset = offset + step
