"""A straight line from a stream's stamps to the clock, measured by the packets' arrival.

A delay only adds: no packet comes before it was made. So the true times lie on the highest
line below all arrivals. :func:`line_below` finds it as S. B. Moon, P. Skelly and D. Towsley do
("Estimation and Removal of Clock Skew from Network Delay Measurements", INFOCOM 1999): of all
lines below, the one with the least sum of distances is the edge of the lower convex hull that
spans the mean stamp.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

SLOWEST, FASTEST = 1 / 4, 4.0  # seconds of the clock that a second of stamps may last
_BIN_SECONDS = 0.25  # of which the earliest packet counts
# From fit to fit, where there is little news: so many bins, and so many for each that is known.
_SETTLED_BINS, _SETTLED_SHARE = 4, 1 / 8
_WINDOWS_SECONDS = (60.0, 30.0, 15.0, 8.0, 4.0)
_SHORTEST_SECONDS = 2.0
_LEAST_SECONDS = 0.75  # in which the first packets tell of another pace than 1
# Points in a row that are late: two are more than one delay, four are another pace.
_LATE, _RECENT = 2, 4
# A line may be wrong by so much, and by so many times the usual delay, of which each point
# teaches a share: more while all lie on one line.
_LEAST_DOUBT_SECONDS, _DOUBT, _MOST_DOUBT_SECONDS = 0.06, 3.0, 1.0
_LEARN, _FORGET = 0.1, 0.05
_SAME_SHARE, _SAME_SECONDS = 1.2, 0.004  # the distance that a simpler line may have

Point = tuple[float, float]  # stamp and arrival, in seconds of either clock


@dataclass(frozen=True, slots=True)
class Line:
    """Clock ``seconds`` at ``stamp``; ``pace`` seconds of the clock to a second of stamps."""

    stamp: float
    seconds: float
    pace: float

    def at(self, stamp: float) -> float:
        """Clock seconds at ``stamp``."""
        return self.seconds + (stamp - self.stamp) * self.pace

    def distances(self, points: Sequence[Point]) -> list[float]:
        """Seconds by which each of ``points`` is late."""
        return [arrival - self.at(stamp) for stamp, arrival in points]


def line_below(points: Sequence[Point], pace: float | None = None) -> Line:
    """The highest line below ``points``, in ascending order of stamps; any ``pace`` if None."""
    if pace is None:
        pace = _best_pace(points)
    least = min(arrival - stamp * pace for stamp, arrival in points)
    stamp = points[-1][0]
    return Line(stamp, least + stamp * pace, pace)


def _best_pace(points: Sequence[Point]) -> float:
    hull: list[Point] = []
    for point in points:
        while len(hull) > 1 and _turns_right(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    mean = fmean(stamp for stamp, _ in points)
    for (stamp, arrival), (next_stamp, next_arrival) in pairwise(hull):
        if stamp <= mean <= next_stamp and next_stamp > stamp:
            pace = (next_arrival - arrival) / (next_stamp - stamp)
            return min(max(pace, SLOWEST), FASTEST)
    return 1.0


def _turns_right(first: Point, second: Point, third: Point) -> bool:
    """True if ``second`` is not below the line from ``first`` to ``third``."""
    return (second[0] - first[0]) * (third[1] - first[1]) <= (second[1] - first[1]) * (
        third[0] - first[0]
    )


class ArrivalLine:
    """Follows a live stream: the line on which its latest packets lie."""

    def __init__(self, stamp: float, arrival: float) -> None:
        self.line = Line(stamp, arrival, 1.0)
        self._points: deque[Point] = deque()  # the earliest of each bin
        self._bin_ends = arrival + _BIN_SECONDS
        self._best: Point = (stamp, arrival)  # of the open bin
        self._fresh = True
        self._usual_delay = 0.0
        self._is_settled = False  # all points lie on one line
        self._bins_left = 0  # until it is fitted again

    @property
    def doubt_seconds(self) -> float:
        """The error that the line may have, by the usual delay of the packets."""
        return min(_LEAST_DOUBT_SECONDS + _DOUBT * self._usual_delay, _MOST_DOUBT_SECONDS)

    def see(self, stamp: float, arrival: float, *, fresh: bool) -> None:
        """Take the next packet; stamps ascend.

        ``fresh``: the reader waited for it. What waited for the reader instead tells nothing
        of the camera's pace: a reader that is too slow would take its camera's clock for slow.
        """
        point = (stamp, arrival)
        if arrival >= self._bin_ends:
            self._close_bin()
            self._best, self._fresh = point, False
            late_bin = arrival >= self._bin_ends + _BIN_SECONDS
            self._bin_ends = (arrival if late_bin else self._bin_ends) + _BIN_SECONDS
        self._fresh = self._fresh or fresh
        late = arrival - self.line.at(stamp)
        if late < 0:
            self.line = Line(stamp, arrival, self.line.pace)
            self._is_settled = self._is_settled and late > -_LEAST_DOUBT_SECONDS
        if late <= self._best[1] - self.line.at(self._best[0]):
            self._best = point

    def settle(self) -> None:
        """Fit the line to the first packets, however few."""
        points = [*self._points, self._best]
        is_long = self._best[1] - points[0][1] >= _LEAST_SECONDS
        self.line = self._simplest(points) if is_long else line_below(points, 1.0)

    def _close_bin(self) -> None:
        if not self._fresh:
            return
        points = self._points
        points.append(self._best)
        while self._best[1] - points[0][1] > _WINDOWS_SECONDS[0]:
            points.popleft()
        self._bins_left -= 1
        if len(points) >= _RECENT and not (self._is_settled and self._bins_left > 0):
            self.line = self._fitted(list(points))
            self._bins_left = max(_SETTLED_BINS, round(_SETTLED_SHARE * len(points)))
        late = min(self.line.distances([points[-1], points[-min(_LATE, len(points))]]))
        if late > self.doubt_seconds:
            self.line = Line(self.line.stamp, self.line.seconds + late, self.line.pace)
            self._is_settled = False

    def _fitted(self, points: list[Point]) -> Line:
        """The line through the longest time that lies on one."""
        now = points[-1][1]
        shortest = max(sum(now - at < _SHORTEST_SECONDS for _, at in points), _RECENT)
        recent = points[-shortest:]
        delay = fmean(line_below(recent).distances(recent))
        if len(points) <= 2 * _RECENT:
            self._usual_delay = max(self._usual_delay, delay)
        share = _LEARN if delay > self._usual_delay else _FORGET
        self._usual_delay += (delay - self._usual_delay) * share
        for window in _WINDOWS_SECONDS:
            chosen = [point for point in points if now - point[1] <= window]
            if len(chosen) <= shortest:
                break
            line = self._simplest(chosen)
            late = line.distances(chosen)
            if max(fmean(late), min(late[-_RECENT:])) <= self.doubt_seconds:
                self._is_settled = len(chosen) == len(points)
                return line
        self._is_settled = False
        return self._simplest(recent)

    def _simplest(self, points: Sequence[Point]) -> Line:
        """The line below ``points``: at pace 1 or as before, unless another is clearly better."""
        best = line_below(points)
        allowed = fmean(best.distances(points)) * _SAME_SHARE + _SAME_SECONDS
        for pace in (1.0, self.line.pace):
            line = line_below(points, pace)
            if fmean(line.distances(points)) <= allowed:
                return line
        return best
