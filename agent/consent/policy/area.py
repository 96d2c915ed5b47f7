"""The area of a request: is it a valid polygon, how large is it, does it contain a point.

An area is a GeoJSON Polygon of one ring (RFC 7946, section 3.1.6), positions as (longitude,
latitude) in degrees, WGS 84. Edges are straight lines in longitude and latitude (section 3.1.1),
not geodesics.

Every polygon that passes :func:`check` must have one answer to each question. So positions are
rounded to a grid of 1e-9 degrees, a tenth of a millimetre, where predicates are exact in small
integers. The size is that of the ellipsoid's surface under these lines. Geodesics would bulge by
a hundred metres along an edge of a degree, and could give a thin strip almost any size.

A requester can post the most expensive polygon there is to a small device: no number is longer than
80 bits, and each answer takes hundredths of a second on a desktop. :class:`Survey` keeps answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from agent.config import SQUARE_METRES_PER_SQUARE_MILE
from agent.consent.statements import Polygon
from agent.errors import RequestRefused

MAX_SPAN_DEGREES = 1.0  # fifty times the width of the largest area in the default policy
MAX_LATITUDE_DEGREES = 85.0  # near the poles a degree of longitude is too short
_STEPS = 10**9  # of the grid in a degree
_SEMI_MAJOR_METRES = 6_378_137.0  # WGS 84
_ECCENTRICITY = math.sqrt((2 - 1 / 298.257223563) / 298.257223563)
# Gauss-Legendre: positions along an edge and their weights. Over a degree, three positions leave
# an error far below a square metre.
_PLACES = ((0.5 - math.sqrt(0.15), 5 / 18), (0.5, 8 / 18), (0.5 + math.sqrt(0.15), 5 / 18))

_Point = tuple[int, int]  # longitude and latitude, in steps of the grid
_Edge = tuple[_Point, _Point]


@dataclass(frozen=True, slots=True)
class Survey:
    """The size of a valid area, whose ``problem`` is empty, or the problem of an invalid one."""

    square_miles: float | None
    problem: str


def survey(polygon: Polygon) -> Survey:
    """The results of :func:`check` and :func:`square_miles`."""
    try:
        check(polygon)
    except RequestRefused as refused:
        return Survey(None, refused.message)
    return Survey(square_miles(polygon), "")


def square_miles(polygon: Polygon) -> float:
    """The size of ``polygon`` in square miles, whichever way its ring turns.

    The sum over the edges of the surface between each and the southernmost parallel.
    """
    ring = [(longitude / _STEPS, latitude / _STEPS) for longitude, latitude in _ring(polygon)]
    floor = _surface(min(latitude for _, latitude in ring))
    square_metres = 0.0
    for (west, south), (east, north) in pairwise(ring):
        heights = (
            weight * (_surface(south + (north - south) * place) - floor)
            for place, weight in _PLACES
        )
        square_metres += math.radians(east - west) * sum(heights)
    return abs(square_metres) / SQUARE_METRES_PER_SQUARE_MILE


def _surface(latitude: float) -> float:
    """The ellipsoid's surface from the equator to ``latitude``, in m² a radian of longitude.

    J. P. Snyder, "Map Projections: A Working Manual" (USGS 1395, 1987), equation 3-12.
    """
    e, sine = _ECCENTRICITY, math.sin(math.radians(latitude))
    shape = sine / (1 - (e * sine) ** 2) + math.atanh(e * sine) / e
    return _SEMI_MAJOR_METRES**2 * (1 - e * e) / 2 * shape


def contains(polygon: Polygon, latitude: float, longitude: float) -> bool:
    """True if the point, rounded to the grid, lies in ``polygon`` or on its edge.

    Counts the edges that a ray to the east crosses. An edge includes its southern end and excludes
    its northern one, so a corner counts once.
    """
    point = _on_grid((longitude, latitude))
    inside = False
    for start, end in pairwise(_ring(polygon)):
        side = _turn(start, end, point)
        if side == 0 and _within_box(start, end, point):
            return True
        rises = start[1] <= point[1] < end[1]
        falls = end[1] <= point[1] < start[1]
        if (rises and side > 0) or (falls and side < 0):
            inside = not inside
    return inside


def check(polygon: Polygon) -> None:
    """Raise :class:`RequestRefused` ``area-invalid`` unless ``polygon`` is valid.

    It must be one closed ring of at least three different grid points, none repeated, whose edges
    meet only at the corner between neighbours. It must not span a degree or reach a pole. A ring
    across the antimeridian spans nearly 360 degrees and is refused: RFC 7946, section 3.1.9 has
    such areas split in two, which a Polygon of one ring cannot be.
    """
    positions = polygon.coordinates[0]
    if not all(abs(number) <= 180 for position in positions for number in position):
        raise _invalid("a coordinate is not a finite number of degrees, 180 at most")
    if positions[0] != positions[-1]:
        raise _invalid("the ring is not closed")
    ring = _ring(polygon)
    corners = ring[:-1]
    if len(corners) < 3:
        raise _invalid("the ring has fewer than three corners")
    if len(set(corners)) != len(corners):
        raise _invalid("the ring passes a point twice")
    longitudes, latitudes = zip(*corners, strict=True)
    if max(abs(latitude) for latitude in latitudes) > MAX_LATITUDE_DEGREES * _STEPS:
        raise _invalid(f"the area reaches beyond {MAX_LATITUDE_DEGREES:.0f} degrees of latitude")
    if max(_span(longitudes), _span(latitudes)) >= MAX_SPAN_DEGREES * _STEPS:
        raise _invalid("the area spans a degree or more, or crosses the antimeridian")
    if _crosses_itself(list(pairwise(ring))):
        raise _invalid("the ring crosses or touches itself")


def _invalid(problem: str) -> RequestRefused:
    return RequestRefused("area-invalid", problem)


def _ring(polygon: Polygon) -> list[_Point]:
    """The ring on the grid. Neighbours that rounding makes equal become one corner.

    Programs that unite or split areas leave such neighbours. A point that was posted twice in a row
    stays, as a mistake.
    """
    positions = polygon.coordinates[0]
    points = [_on_grid(position) for position in positions]
    steps = zip(pairwise(positions), pairwise(points), strict=True)
    return points[:1] + [
        point for (before, position), (last, point) in steps if point != last or position == before
    ]


def _on_grid(position: tuple[float, float]) -> _Point:
    """The grid point nearest to ``position``, a longitude and a latitude in degrees."""
    longitude, latitude = position
    return round(longitude * _STEPS), round(latitude * _STEPS)


def _span(numbers: Sequence[int]) -> int:
    return max(numbers) - min(numbers)


def _turn(a: _Point, b: _Point, c: _Point) -> int:
    """1 if ``c`` lies left of the line from ``a`` to ``b``, -1 right of it, 0 on it."""
    product = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (product > 0) - (product < 0)


def _within_box(a: _Point, b: _Point, c: _Point) -> bool:
    """True if ``c`` lies in the box of ``a`` and ``b``; if on their line, between them."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _crosses_itself(edges: Sequence[_Edge]) -> bool:
    """True if two edges share more than the corner between neighbours."""
    return any(_meet(first, second) for first, second in combinations(edges, 2))


def _meet(first: _Edge, second: _Edge) -> bool:
    """True if two edges of a ring without repeated points meet where they must not."""
    if first[1] == second[0]:  # neighbours: they may share this corner alone
        return _folds_back(first[0], first[1], second[1])
    if second[1] == first[0]:
        return _folds_back(second[0], second[1], first[1])
    if not _boxes_touch(first, second):
        return False
    (a, b), (c, d) = first, second
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _within_box(*end) for turn, end in zip(turns, ends, strict=True))


def _folds_back(a: _Point, corner: _Point, b: _Point) -> bool:
    """True if the edge from ``corner`` to ``b`` runs back over the edge from ``a``."""
    is_straight = _turn(a, corner, b) == 0
    return is_straight and (_within_box(a, corner, b) or _within_box(corner, b, a))


def _boxes_touch(first: _Edge, second: _Edge) -> bool:
    """True if the boxes around two edges overlap: most pairs need no exact arithmetic."""
    return all(
        min(first[0][axis], first[1][axis]) <= max(second[0][axis], second[1][axis])
        and min(second[0][axis], second[1][axis]) <= max(first[0][axis], first[1][axis])
        for axis in (0, 1)
    )
