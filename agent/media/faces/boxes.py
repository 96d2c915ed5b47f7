"""Boxes around tracked faces, in the form of an approval's ``redact``.

A clip takes few boxes and a decision few positions. So faces near each other share a box where
there are too many, and a position is left out where a straight line will do. Both only make boxes
larger: each still covers its faces in every picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.consent.statements import (
    MAX_POSITIONS,
    MAX_REDACTIONS,
    BoxPosition,
    Redaction,
    Region,
)
from agent.media.faces.paths import Path, merged, path_of
from agent.media.faces.tracks import Track

MOST_POSITIONS: Final = 120  # of all boxes of a clip: three such clips fit into a decision
_TOLERANCE: Final = 0.1  # of a box's width or height: how far from a line a position may be


def propose(tracks: Sequence[Track], times: Sequence[float], aspect: float) -> list[Redaction]:
    """At most MAX_REDACTIONS boxes that cover the faces of ``tracks``, in order of time.

    ``times``: of all searched pictures, rising, in whole milliseconds; ``aspect``: a picture's
    height in widths of it, the unit of tracks.
    """
    paths = _few([path_of(track, times, aspect) for track in tracks])
    paths.sort(key=lambda path: path.begin)
    tolerance, moments = _TOLERANCE, np.array(times)
    while True:
        numbers = [_bends(path, moments, tolerance) for path in paths]
        counts = [len(one) for one in numbers]
        if sum(counts) <= MOST_POSITIONS and max(counts, default=0) <= MAX_POSITIONS:
            return [_redaction(*each, moments) for each in zip(paths, numbers, strict=True)]
        tolerance *= 2


def _few(paths: list[Path]) -> list[Path]:
    """The paths; where there are too many, those that lie nearest to each other are merged."""
    costs = {
        frozenset((one, other)): _extra(paths[one], paths[other])
        for one, other in itertools.combinations(range(len(paths)), 2)
    }
    left = dict(enumerate(paths))
    for new in range(len(paths), 2 * len(paths) - MAX_REDACTIONS):
        nearest = min(costs, key=costs.__getitem__)
        path = merged(*map(left.pop, nearest))
        costs = {pair: extra for pair, extra in costs.items() if not pair & nearest}
        costs |= {frozenset((number, new)): _extra(one, path) for number, one in left.items()}
        left[new] = path
    return list(left.values())


def _extra(one: Path, other: Path) -> float:
    """Area that one box for both covers, and neither of two does, over the time."""
    return merged(one, other).cost - one.cost - other.cost


def _bends(path: Path, times: NDArray[np.float64], tolerance: float) -> list[int]:
    """Numbers of the boxes that become positions: the ends, and those off the straight line.

    By Ramer, Douglas and Peucker (1972).
    """
    last = len(path.boxes) - 1
    kept, waiting = {0, last}, [(0, last)]
    sizes = np.tile(path.boxes[:, 2:] - path.boxes[:, :2], 2)
    while waiting and len(kept) <= MAX_POSITIONS:  # more are of no use
        begin, end = waiting.pop()
        if end - begin < 2:
            continue
        shares = _shares(path, times, begin, end)
        one, other = path.boxes[[begin, end]]
        between = slice(begin + 1, end)
        off = np.abs(path.boxes[between] - (one + shares * (other - one))) / sizes[between]
        worst = int(off.max(axis=1).argmax())
        if off[worst].max() > tolerance:
            number = begin + 1 + worst
            kept.add(number)
            waiting += [(begin, number), (number, end)]
    return sorted(kept)


def _shares(path: Path, times: NDArray[np.float64], begin: int, end: int) -> NDArray[np.float64]:
    """Shares of the time from one number to the other, of those between, as a column."""
    span = times[path.begin + begin : path.begin + end + 1]
    shares: NDArray[np.float64] = (span[1:-1, None] - span[0]) / (span[-1] - span[0])
    return shares


def _redaction(path: Path, numbers: Sequence[int], times: NDArray[np.float64]) -> Redaction:
    """The path with positions at these numbers, grown to cover the boxes between them."""
    # How far a box reaches to the left, up, right and down; 1 is the picture's edge.
    needed = np.abs([1, 1, 0, 0] - path.boxes)
    reach = needed[list(numbers)]
    for place, (begin, end) in enumerate(itertools.pairwise(numbers)):
        shares = _shares(path, times, begin, end)
        for edge in range(4):
            raised = _raised(needed[begin : end + 1, edge], shares[:, 0])
            reach[place : place + 2, edge] = np.maximum(reach[place : place + 2, edge], raised)
    edges = np.abs([1, 1, 0, 0] - reach)
    first, last = path.begin, path.end - 1
    return Redaction(
        positions=tuple(
            BoxPosition.around(float(times[first + number]), Region(*map(float, one)))
            for number, one in zip(numbers, edges, strict=True)
        ),
        from_seconds=float(times[first]) if first > 0 else None,
        to_seconds=float(times[last]) if last < len(times) - 1 else None,
    )


def _raised(needed: NDArray[np.float64], shares: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of a line that is nowhere below ``needed`` and nowhere above 1.

    ``shares``: how far on the way those between the first and the last of ``needed`` are.
    """
    begin, end = float(needed[0]), float(needed[-1])
    if not shares.size:
        return begin, end
    short = max(0.0, float((needed[1:-1] - (begin + (end - begin) * shares)).max()))
    begin, end = min(1.0, begin + short), min(1.0, end + short)
    for share, value in zip(map(float, shares), map(float, needed[1:-1]), strict=True):
        lacking = value - (begin + (end - begin) * share)
        if lacking > 0 and begin < 1:  # the end is at the picture's edge
            begin = min(1.0, begin + lacking / (1 - share))
        elif lacking > 0:
            end = min(1.0, end + lacking / share)
    return begin, end
