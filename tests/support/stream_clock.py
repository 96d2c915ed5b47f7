"""Live streams with a known truth: pictures, what a camera stamps on them, and when they come.

>>> stream = Stream(seconds=60, frames_per_second=12.5, rate=steady(0.84), jitter_seconds=1.0)
>>> errors([*stream.sent()]).start
0.7

Packets are delivered in order, as TCP does: one that is late holds up those behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from agent.camera.sources.timeline import Arrival, Timeline

EPOCH = 5_000.0  # our clock at the first picture
_BASE_SECONDS = 0.02  # that each packet takes at least
_TICKS = 90_000
_FRESH_SECONDS = 1e-4
HOLD_SECONDS = 1.3

Rate = Callable[[float], float]  # stamp seconds a second, by the seconds since the beginning


def steady(rate: float) -> Rate:
    """The same rate all the time."""
    return lambda _: rate


def changing(*rates: tuple[float, float]) -> Rate:
    """Pairs of the second from which a rate holds, and the rate."""
    return lambda seconds: [rate for begin, rate in rates if seconds >= begin][-1]


@dataclass(frozen=True)
class Sent:
    """One picture: its ``truth`` on our clock, and what arrives of it."""

    truth: float
    arrival: Arrival


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A camera that sends pictures. ``stalls`` are times (from, to) in which nothing arrives."""

    seconds: float = 60.0
    frames_per_second: float = 12.5
    rate: Rate = field(default=steady(1.0))
    jitter_seconds: float = 0.0
    stalls: Sequence[tuple[float, float]] = ()
    seed: int = 0
    piled_up_seconds: float = 0.0  # of pictures that come at once with the first we wait for
    batch: int = 1  # pictures that are sent together

    def sent(self) -> Iterator[Sent]:
        """All pictures in order."""
        random = Random(self.seed)
        moment, stamp, last = 0.0, random.uniform(0, 5e4), -1.0
        for number in range(round(self.seconds * self.frames_per_second)):
            ready = moment + (self.batch - 1 - number % self.batch) / self.frames_per_second
            arrival = ready + _BASE_SECONDS + random.random() * self.jitter_seconds
            for begin, end in (*self.stalls, (-1.0, self.piled_up_seconds)):
                if begin <= arrival < end:
                    arrival = end
            fresh = arrival > last + _FRESH_SECONDS and arrival != self.piled_up_seconds
            last = max(arrival, last)
            ticks = round(stamp * _TICKS) / _TICKS
            yield Sent(EPOCH + moment, Arrival(ticks, EPOCH + last, fresh))
            stamp += self.rate(moment) / self.frames_per_second
            moment += 1 / self.frames_per_second


def place_all(sent: Sequence[Sent]) -> list[float]:
    """The times that a timeline gives to all of ``sent``, the first ones held at first."""
    timeline = Timeline()
    held: list[Arrival] = []
    placed: list[float] = []
    fresh = [one.arrival.seconds for one in sent if one.arrival.fresh]
    for one in sent:
        if placed:
            placed.append(timeline.place(one.arrival))
            continue
        held.append(one.arrival)
        if len(held) > 3 and one.arrival.seconds >= fresh[0] + HOLD_SECONDS:
            placed = timeline.begin(held)
    return placed or timeline.begin(held)


@dataclass(frozen=True)
class Errors:
    """The largest errors of recorded time, of pictures from ``since`` seconds on."""

    start: float  # seconds between a picture's recorded and true time
    length: float  # share by which a clip of ``clip_seconds`` is too long or short
    step: float  # seconds between two pictures
    least_step: float


def errors(sent: Sequence[Sent], *, since: float = 0.0, clip_seconds: float = 12.0) -> Errors:
    """Place all of ``sent``, and compare with the truth."""
    placed = place_all(sent)
    wrong = [(one.truth, at - one.truth) for one, at in zip(sent, placed, strict=True)]
    late = [(truth, by) for truth, by in wrong if truth >= EPOCH + since]
    ends = iter(late)
    lengths, (end, end_by) = [0.0], next(ends)
    for begin, begin_by in late:
        while end < begin + clip_seconds:
            following = next(ends, None)
            if following is None:
                break
            end, end_by = following
        else:
            lengths.append(abs(end_by - begin_by) / (end - begin))
    steps = [after - before for before, after in pairwise(placed)]
    return Errors(max(abs(by) for _, by in late), max(lengths), max(steps), min(steps))
