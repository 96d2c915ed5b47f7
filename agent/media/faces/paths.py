"""Paths: where the box around a face is in each searched picture.

A box covers its face also between two searched pictures, by a margin, and for a moment before
the first sighting and after the last, since a face that enters is seen late.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.consent.statements import Region
from agent.media.faces.tracks import ACCELERATION_SIDES, Sighting, Track

_MARGIN_SIDES: Final = 0.4  # of the face's longer side, at each edge: hair, ears, an unsure find
# Between two sightings a face leaves the straight line by at most an eighth of its acceleration
# times the time squared.
_DRIFT_SIDES: Final = ACCELERATION_SIDES / 8  # for a second between them
_MOST_DRIFT_SIDES: Final = 2.5  # also around a face that was seen once, whose speed is not known
_LEAD_SECONDS: Final = 0.75
_SMALLEST_SIDE: Final = 0.002  # of a box, as share of the picture

Boxes = NDArray[np.float64]
"""N x 4: left, top, right, bottom, as shares of the picture."""


@dataclass(frozen=True, eq=False)
class Path:
    """A box at each searched picture from the one with the number ``begin`` on."""

    begin: int
    boxes: Boxes

    @property
    def end(self) -> int:
        """The number behind the last picture."""
        return self.begin + len(self.boxes)

    @cached_property
    def cost(self) -> float:
        """The area that is covered, in pictures."""
        left, top, right, bottom = self.boxes.T
        return float(((right - left) * (bottom - top)).sum())


def path_of(track: Track, times: Sequence[float], aspect: float) -> Path:
    """The path of the box around a face.

    ``times``: of all searched pictures, rising; ``aspect``: a picture's height in widths of it.
    """
    first, last = track.first.at_seconds, track.last.at_seconds
    begin = max(0, bisect.bisect_right(times, first - _LEAD_SECONDS) - 1)
    end = min(len(times) - 1, bisect.bisect_left(times, last + _LEAD_SECONDS))
    seen = {one.at_seconds: one.region for one in track.sightings}
    if begin < times.index(first):
        seen[times[begin]] = _expected(track, track.first, times[begin])
    if end > times.index(last):
        seen[times[end]] = _expected(track, track.last, times[end])
    moments = sorted(seen)
    edges = np.array([seen[at] for at in moments])
    drifts = np.minimum(_MOST_DRIFT_SIDES, _DRIFT_SIDES * np.diff(moments) ** 2)
    if first == last:
        drifts[:] = _MOST_DRIFT_SIDES
    within = np.array(times[begin : end + 1])
    regions = np.array([np.interp(within, moments, edge) for edge in edges.T]).T
    # A picture between two sightings gets the drift of its gap, a sighting that of the larger.
    after = np.searchsorted(moments, within, side="left")
    before = np.searchsorted(moments, within, side="right")
    padded = np.concatenate([[0.0], drifts, [0.0]])
    sides = _MARGIN_SIDES + np.maximum(padded[after], padded[before])
    return Path(begin, _grown(regions, sides, aspect))


def _expected(track: Track, seen: Sighting, at_seconds: float) -> Region:
    """The place at a time outside the track, together with the nearest sighting's."""
    one, other = seen.region, track.expected(at_seconds)
    return Region(*map(min, one[:2], other[:2]), *map(max, one[2:], other[2:]))


def _grown(regions: Boxes, sides: NDArray[np.float64], aspect: float) -> Boxes:
    """Regions in the unit of tracks, grown at each edge, as boxes inside the picture."""
    by = (sides * (regions[:, 2:] - regions[:, :2]).max(axis=1))[:, None]
    unit = np.array([1, aspect])
    begins = np.clip((regions[:, :2] - by) / unit, 0, 1 - _SMALLEST_SIDE)
    ends = np.clip((regions[:, 2:] + by) / unit, begins + _SMALLEST_SIDE, 1)
    return np.concatenate([begins, ends], axis=1)


def merged(one: Path, other: Path) -> Path:
    """A path of boxes around both; it passes from one to the other if they never meet."""
    begin, end = min(one.begin, other.begin), max(one.end, other.end)
    boxes = np.full((end - begin, 4), np.nan)
    for path in (one, other):
        part = boxes[path.begin - begin : path.end - begin]
        np.fmin(part[:, :2], path.boxes[:, :2], out=part[:, :2])
        np.fmax(part[:, 2:], path.boxes[:, 2:], out=part[:, 2:])
    first, second = sorted((one, other), key=lambda path: path.begin)
    if (gap := second.begin - first.end) > 0:
        at = first.end - begin
        boxes[at : at + gap] = np.linspace(first.boxes[-1], second.boxes[0], gap + 2)[1:-1]
    return Path(begin, boxes)
