"""A stream's own timestamps as seconds of our monotonic clock.

A camera's clock starts anywhere, drifts, jumps, wraps around, stands still or runs at another
rate than real time, and its packets arrive late. The times of a recording must be ours, near
the moment of capture, and never step back. So stamps only give the distance between pictures
over a second or two; where they lie on our clock, and how long their second lasts, is measured
by the arrival of the packets (:mod:`agent.camera.sources.arrival_line`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from agent.camera.sources.arrival_line import ArrivalLine

_SMALLEST_STEP = 0.001  # seconds between two packets at least
_LONGEST_STEP = 10.0  # between two stamps; more is no pace of pictures
# A stamp that would place its picture this long after its arrival is none of this picture.
_JUMP_SECONDS = 0.5
_EARLY_SECONDS = 0.1  # that a picture may be placed after its arrival
# Recorded time approaches measured time: gently while the measure is in doubt, else faster, at
# most at double and half speed. Much later, pictures were missing for that long.
_APPROACH_SECONDS, _SURE_SECONDS = 2.0, 0.5
_GENTLE_SHARE, _MOST_FASTER, _MOST_SLOWER = 0.01, 1.0, 0.5
_MISSING_SECONDS = 3.0
_WILD = 8.0  # times our clock's rate, or a part of it, that no camera's clock runs at
_WILD_SECONDS = 1.0  # that show it at least
_SMALLEST_STAMPS = 1e-9  # seconds that are no rounding
_USUAL_OF = 9  # steps between packets, of which the median is the usual one
_FIRST_STEP = 1 / 15


class Arrival(NamedTuple):
    """A packet's ``stamp`` in seconds of its stream, and its arrival on our clock.

    ``fresh``: the reader waited for it, see :class:`ArrivalLine`.
    """

    stamp: float | None
    seconds: float
    fresh: bool = True


class UsualStep:
    """The usual seconds between two packets: a median of the last ones, whatever one says."""

    def __init__(self) -> None:
        self._steps: deque[float] = deque(maxlen=_USUAL_OF)

    @property
    def seconds(self) -> float:
        """The median; of an even number the larger of both."""
        return sorted(self._steps)[len(self._steps) // 2] if self._steps else _FIRST_STEP

    def note(self, seconds: float) -> None:
        """Take the distance of two packets."""
        if 0 < seconds <= _LONGEST_STEP:
            self._steps.append(seconds)


class FileTimeline:
    """Places the packets of a file: its own clock, counted from ``epoch`` seconds of ours."""

    def __init__(self, epoch: float) -> None:
        self._usual = UsualStep()
        self._before: float | None = None
        self._seconds: float | None = None
        self._epoch = epoch

    @property
    def step_seconds(self) -> float:
        """The usual time between two packets."""
        return self._usual.seconds

    def place(self, stamp: float | None) -> float:
        """Clock seconds of the next packet; one that does not step on has the usual distance."""
        before, self._before = self._before, stamp
        step = 0.0 if stamp is None or before is None else stamp - before
        self._usual.note(step)
        if self._seconds is None:
            self._seconds = self._epoch
        else:
            self._seconds += step if step > 0 else self._usual.seconds
        return self._seconds


class Timeline:
    """Places the packets of a live stream, in the order they come, on the clock."""

    def __init__(self) -> None:
        self._usual = UsualStep()  # of stamps
        self._usual_placed = UsualStep()
        self._last_arrival: Arrival | None = None
        self._stamp = 0.0  # of the last packet, as if there had been no jumps
        self._last = float("-inf")
        self._unit = 1.0  # seconds of our clock, roughly, to one of a clock that is far off

    @property
    def pace(self) -> float:
        """Seconds that a second of the stream's own clock lasts."""
        return 1.0 if self._last_arrival is None else self._line.line.pace * self._unit

    @property
    def step_seconds(self) -> float:
        """The usual time between two packets."""
        return self._usual_placed.seconds

    def begin(self, arrivals: Sequence[Arrival]) -> list[float]:
        """Clock seconds of a stream's first packets: all that came until a pace can be told.

        Packets that piled up before the reader was there came earlier than it saw them, by as
        much as the stamps of those that it waited for tell.
        """
        pairs = [*pairwise(arrivals)]
        for before, after in pairs:
            self._note(before, after)
        steps = [0.0, *(self._step(*pair, jump=_LONGEST_STEP) for pair in pairs)]
        self._unit = _unit(arrivals, [*accumulate(steps)])
        steps = [step * self._unit for step in steps]
        self._line = ArrivalLine(0.0, arrivals[0].seconds)
        for arrival, stamp in zip(arrivals, accumulate(steps), strict=True):
            self._line.see(stamp, arrival.seconds, fresh=arrival.fresh)
        self._line.settle()
        self._last_arrival, self._stamp = arrivals[-1], 0.0
        placed = []
        for arrival, step in zip(arrivals, steps, strict=True):
            self._stamp += step
            placed.append(self._place(step, arrival.seconds))
        return placed

    def place(self, arrival: Arrival) -> float:
        """Clock seconds of the next packet."""
        before = self._last_arrival
        if before is None:
            return self.begin([arrival])[0]
        self._note(before, arrival)
        jump = (arrival.seconds + _JUMP_SECONDS - self._last) / self._line.line.pace
        step = self._step(before, arrival, jump=jump)
        self._stamp += step
        self._line.see(self._stamp, arrival.seconds, fresh=arrival.fresh)
        self._last_arrival = arrival
        return self._place(step, arrival.seconds)

    def _note(self, before: Arrival, after: Arrival) -> None:
        if before.stamp is not None and after.stamp is not None:
            self._usual.note(after.stamp - before.stamp)

    def _step(self, before: Arrival, after: Arrival, *, jump: float) -> float:
        """Seconds of the stream's clock between two packets; the usual ones after a ``jump``."""
        if before.stamp is None or after.stamp is None:
            return self._usual.seconds * self._unit
        step = (after.stamp - before.stamp) * self._unit
        return step if 0 < step <= jump else self._usual.seconds * self._unit

    def _place(self, step: float, arrival: float) -> float:
        measured = self._line.line.at(self._stamp)
        if self._last == float("-inf"):
            self._last = measured
            return measured
        step *= self._line.line.pace
        seconds = self._last + step
        off = measured - seconds
        seconds += off if off > _MISSING_SECONDS else step * self._correction(off)
        seconds = max(min(seconds, arrival + _EARLY_SECONDS), self._last + _SMALLEST_STEP)
        self._usual_placed.note(seconds - self._last)
        self._last = seconds
        return seconds

    def _correction(self, off: float) -> float:
        """The share by which time runs faster, ``off`` seconds before it is right."""
        gentle = min(abs(off) / _APPROACH_SECONDS, _GENTLE_SHARE)
        certain = max(abs(off) - self._line.doubt_seconds, 0.0) / _SURE_SECONDS
        share = gentle + certain
        return min(share, _MOST_FASTER) if off > 0 else -min(share, _MOST_SLOWER)


def _unit(arrivals: Sequence[Arrival], stamps: Sequence[float]) -> float:
    """The pace of a stream whose first packets tell of one beyond all bounds; else 1."""
    fresh = [number for number, arrival in enumerate(arrivals) if arrival.fresh]
    if len(fresh) < 2:
        return 1.0
    first, last = fresh[0], fresh[-1]
    stamped = stamps[last] - stamps[first]
    passed = arrivals[last].seconds - arrivals[first].seconds
    if (
        passed < _WILD_SECONDS
        or stamped < _SMALLEST_STAMPS
        or 1 / _WILD <= passed / stamped <= _WILD
    ):
        return 1.0
    return passed / stamped
