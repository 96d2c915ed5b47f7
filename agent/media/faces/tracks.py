"""Tracks: the same face in one searched picture after another.

Faces are joined by place, speed and size alone. It does little harm if two people who cross swap
their tracks: both stay covered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from agent.consent.statements import Region

MOST_GAP_SECONDS: Final = 2.0  # a face that is away for longer is another one
_SURE: Final = 0.35  # a face seen once counts from this score on, one seen twice with any
# How far a face may be from where it is expected, in its longer sides. A side is about 15 cm: a
# runner makes 20 a second, and somebody who walks starts or stops with 20 a second squared.
_STEP_SIDES: Final = 0.8
_SIDES_PER_SECOND: Final = 20.0  # since the only time it was seen, as its speed is not known
ACCELERATION_SIDES: Final = 20.0  # per second squared, once its speed is known
_MOST_GROWTH: Final = 2.0  # of its size between two finds
_MEMORY_SECONDS: Final = 0.5  # a speed is measured over so long


class Sighting(NamedTuple):
    """A face at a time, in seconds from the recording's start.

    All edges of ``region`` are in widths of the picture, so that both ways measure alike.
    """

    at_seconds: float
    region: Region
    score: float


class Track:
    """The sightings of one face, in order of time."""

    def __init__(self, first: Sighting) -> None:
        self.sightings = [first]

    @property
    def first(self) -> Sighting:
        """The earliest sighting."""
        return self.sightings[0]

    @property
    def last(self) -> Sighting:
        """The latest sighting."""
        return self.sightings[-1]

    @property
    def is_face(self) -> bool:
        """True unless it was seen only once, and dimly."""
        return len(self.sightings) > 1 or self.last.score >= _SURE

    @property
    def strength(self) -> float:
        """The weight of its pictures: the sum of their scores."""
        return sum(one.score for one in self.sightings)

    def expected(self, at_seconds: float) -> Region:
        """The place of the face at a time outside the track, if it keeps its speed."""
        one, sightings = self.last, self.sightings
        if at_seconds < self.first.at_seconds:
            one = self.first
        else:
            sightings = sightings[::-1]
        other = one
        for sighting in sightings:  # from ``one`` on
            if abs(sighting.at_seconds - one.at_seconds) > _MEMORY_SECONDS:
                break
            other = sighting
        if other is one:
            return one.region
        share = (at_seconds - one.at_seconds) / (one.at_seconds - other.at_seconds)
        (x, y), (from_x, from_y) = _centre(one.region), _centre(other.region)
        right, down = (x - from_x) * share, (y - from_y) * share
        left, top, east, bottom = one.region
        return Region(left + right, top + down, east + right, bottom + down)

    def distance(self, face: Sighting) -> float:
        """The distance of ``face`` from the expected place, 1 being the most; infinite beyond."""
        passed = face.at_seconds - self.last.at_seconds
        old, new = max(_sides(self.last.region)), max(_sides(face.region))
        if passed > MOST_GAP_SECONDS or not 1 / _MOST_GROWTH <= new / old <= _MOST_GROWTH:
            return math.inf
        far = math.dist(_centre(self.expected(face.at_seconds)), _centre(face.region))
        moved = ACCELERATION_SIDES / 2 * passed * (passed + _MEMORY_SECONDS)
        if len(self.sightings) == 1:
            moved = _SIDES_PER_SECOND * passed
        share = far / (max(old, new) * (_STEP_SIDES + moved))
        return share if share <= 1 else math.inf


class Tracker:
    """Joins sightings to tracks, picture by picture."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._ended: list[Track] = []

    def add(self, at_seconds: float, sightings: Sequence[Sighting]) -> None:
        """All faces of a picture, which is later than those before."""
        oldest = at_seconds - MOST_GAP_SECONDS
        self._ended += [one for one in self._tracks if one.last.at_seconds < oldest]
        self._tracks = [one for one in self._tracks if one.last.at_seconds >= oldest]
        pairs = sorted(
            (far, number, place)
            for number, track in enumerate(self._tracks)
            for place, face in enumerate(sightings)
            if (far := track.distance(face)) < math.inf
        )
        joined: dict[int, int] = {}  # the number of a sighting's track
        taken: set[int] = set()
        for _, number, place in pairs:
            if number not in taken and place not in joined:
                joined[place] = number
                taken.add(number)
        for place, face in enumerate(sightings):
            if place in joined:
                self._tracks[joined[place]].sightings.append(face)
            else:
                self._tracks.append(Track(face))

    def faces(self) -> list[Track]:
        """The tracks that are faces, the strongest first."""
        tracks = [one for one in (*self._ended, *self._tracks) if one.is_face]
        return sorted(tracks, key=lambda one: -one.strength)


def _centre(region: Region) -> tuple[float, float]:
    return (region.left + region.right) / 2, (region.top + region.bottom) / 2


def _sides(region: Region) -> tuple[float, float]:
    return region.right - region.left, region.bottom - region.top
