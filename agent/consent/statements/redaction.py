"""Redactions: boxes of solid grey that may move.

A box has positions at given times and moves in a straight line between them. It stays at its first
position before it, and at its last one after it: an owner who forgets a position covers too much,
never too little. Only ``from_seconds`` and ``to_seconds`` let it begin or end.

A picture is on the screen until the next picture's time, so it is covered wherever the box is in
that time.
"""

from __future__ import annotations

import bisect
import itertools
import math
from typing import Annotated, NamedTuple, Self

import msgspec
from msgspec import Meta

from agent.consent.statements.base import Fraction, Part, Seconds

MAX_POSITIONS = 100  # of one box
MAX_REDACTIONS = 16  # of one clip
_SMALLEST_SIDE = 0.001  # of a box: a pixel or two of a large picture
_UNITS = 10_000  # positions are rounded to this part of the picture's width or height
_ERROR = 1e-6  # of such a unit, by floating point
_LAST_PICTURE_SECONDS = 1.0  # a trim's last picture may be shown so long after the trim's end


class Region(NamedTuple):
    """A rectangle, its edges as shares of the picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float


class BoxPosition(Part, frozen=True, array_like=True):
    """The place and size of a box at a time: ``[at_seconds, x, y, width, height]``.

    ``at_seconds`` counts from the recording's start; the rest are shares of the picture's
    width and height, from its upper left corner.
    """

    at_seconds: Seconds
    x: Fraction
    y: Fraction
    width: Fraction
    height: Fraction

    def __post_init__(self) -> None:
        if min(self.width, self.height) < _SMALLEST_SIDE:
            raise ValueError(f"a redacted box must be at least {_SMALLEST_SIDE:g} wide and high")
        if self.x + self.width > 1.000_001 or self.y + self.height > 1.000_001:
            raise ValueError("a redacted box must lie inside the picture")

    @classmethod
    def around(cls, at_seconds: float, region: Region) -> Self:
        """A box that covers ``region``, rounded outward to four digits, which take little room."""
        left, top = (math.floor(edge * _UNITS + _ERROR) / _UNITS for edge in region[:2])
        right, bottom = (min(1, math.ceil(edge * _UNITS - _ERROR) / _UNITS) for edge in region[2:])
        return cls(
            at_seconds=at_seconds,
            x=left,
            y=top,
            width=round(right - left, 4),
            height=round(bottom - top, 4),
        )

    @property
    def region(self) -> Region:
        """The edges of the box."""
        return Region(self.x, self.y, self.x + self.width, self.y + self.height)


class Redaction(Part, frozen=True, omit_defaults=True):
    """A box to cover with grey, its positions in order of time.

    It covers all pictures shown between ``from_seconds`` and ``to_seconds``, which count from the
    recording's start. Without one of them it begins with the first picture or ends with the last.
    """

    positions: Annotated[tuple[BoxPosition, ...], Meta(min_length=1, max_length=MAX_POSITIONS)]
    from_seconds: Seconds | None = None
    to_seconds: Seconds | None = None

    def __post_init__(self) -> None:
        times = [position.at_seconds for position in self.positions]
        if any(one >= next_one for one, next_one in itertools.pairwise(times)):
            raise ValueError("the positions of a redacted box must be in order of time")
        start, end = self.from_seconds, self.to_seconds
        if start is not None and end is not None and start >= end:
            raise ValueError("a redaction must end after it begins")

    @classmethod
    def still(cls, x: float, y: float, width: float, height: float) -> Self:
        """A box that stays where it is, in every picture."""
        return cls(positions=(BoxPosition(at_seconds=0, x=x, y=y, width=width, height=height),))

    def region(self, begin: float, end: float) -> Region | None:
        """The smallest rectangle around the box on a picture; None if it is not there.

        The picture is shown from ``begin`` until ``end``, in seconds from the recording's start.
        """
        end = max(begin, end)  # in a damaged clip the next picture may be an earlier one
        if self.from_seconds is not None and begin < self.from_seconds and end <= self.from_seconds:
            return None
        if self.to_seconds is not None and begin > self.to_seconds:
            return None
        return self._swept(begin, end)

    def within(self, begin: float, end: float) -> Redaction | None:
        """The redaction without its positions outside a trim; None if no picture needs it.

        In the trim's pictures it covers the same or slightly more: outside positions become one at
        each edge, the last of them grown by the motion while the last picture may be shown.
        """
        after = end + _LAST_PICTURE_SECONDS
        start, stop = self.from_seconds, self.to_seconds
        if (start is not None and start >= after) or (stop is not None and stop < begin):
            return None
        kept = [one for one in self.positions if begin < one.at_seconds < end]
        if self.positions[0].at_seconds <= begin:
            kept.insert(0, BoxPosition.around(begin, self._at(begin)))
        if self.positions[-1].at_seconds >= end:
            kept.append(BoxPosition.around(end, self._swept(end, after)))
        if len(self.positions) == 1:  # its time says nothing
            kept = [msgspec.structs.replace(self.positions[0], at_seconds=0)]
        return Redaction(
            positions=tuple(kept),
            from_seconds=start if start is not None and start > begin else None,
            to_seconds=stop if stop is not None and stop < after else None,
        )

    def _swept(self, begin: float, end: float) -> Region:
        """The rectangle around all places of the box from ``begin`` to ``end``.

        It moves in straight lines, so the two ends and the positions between them suffice.
        """
        passed = [one.region for one in self.positions if begin < one.at_seconds < end]
        lefts, tops, rights, bottoms = zip(self._at(begin), self._at(end), *passed, strict=True)
        return Region(min(lefts), min(tops), max(rights), max(bottoms))

    def _at(self, seconds: float) -> Region:
        """The box at a time: between two positions, or at the outermost."""
        after = bisect.bisect_right(self.positions, seconds, key=lambda one: one.at_seconds)
        if after in (0, len(self.positions)):
            return self.positions[min(after, len(self.positions) - 1)].region
        one, other = self.positions[after - 1 : after + 1]
        share = (seconds - one.at_seconds) / (other.at_seconds - one.at_seconds)
        edges = zip(one.region, other.region, strict=True)
        return Region(*(begin + (end - begin) * share for begin, end in edges))


Redactions = Annotated[tuple[Redaction, ...], Meta(max_length=MAX_REDACTIONS)]
