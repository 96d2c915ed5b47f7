"""Areas: one answer for every polygon, in agreement with independent computations."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.consent.policy import area
from agent.consent.statements import Polygon
from agent.errors import RequestRefused
from tests.consent.world import PLACE, polygon, square

LATITUDE, LONGITUDE = PLACE.latitude, PLACE.longitude
STEP = 1e-9  # degrees: what is closer together is one place
Point = tuple[float, float]


def around(*offsets: Point) -> Polygon:
    """A polygon with corners at these offsets from the place, in hundredths of a degree."""
    return polygon(*((LONGITUDE + x / 100, LATITUDE + y / 100) for x, y in offsets))


def refusal(outline: Polygon) -> str:
    with pytest.raises(RequestRefused) as caught:
        area.check(outline)
    assert caught.value.rule == "area-invalid"
    return caught.value.message


@st.composite
def stars(draw: st.DrawFn, reach: float = 0.4) -> Polygon:
    """Polygons whose corners all see their middle, so that no edge crosses another."""
    count = draw(st.integers(3, 12))
    latitude, longitude = draw(st.floats(-80, 80)), draw(st.floats(-179, 179))
    turns = [(number + draw(st.floats(0.1, 0.9))) / count * math.tau for number in range(count)]
    lengths = [draw(st.floats(0.1, 1)) * reach for _ in range(count)]
    corners = [
        (longitude + length * math.cos(turn), latitude + length * math.sin(turn))
        for turn, length in zip(turns, lengths, strict=True)
    ]
    assume(
        all(after - before < math.pi for before, after in pairwise([*turns, turns[0] + math.tau]))
    )
    return polygon(*(corners if draw(st.booleans()) else corners[::-1]))


def geodesic_square_miles(outline: Polygon) -> float:
    """The size by C. F. F. Karney's geodesics, between points so close that these are straight."""
    ring = Geodesic.WGS84.Polygon()
    for (west, south), (east, north) in pairwise(outline.coordinates[0]):
        width, height = east - west, north - south
        steps = max(32, math.ceil(math.hypot(width, height) / 0.02))
        for step in range(steps):
            ring.AddPoint(south + height * step / steps, west + width * step / steps)
    return float(abs(ring.Compute(False, True)[2])) / 2_589_988.110336


def winds_around(outline: Polygon, point: Point) -> bool:
    """True if the ring winds around ``point``, by adding up angles."""
    total = 0.0
    for before, after in pairwise(outline.coordinates[0]):
        first = math.atan2(before[1] - point[1], before[0] - point[0])
        second = math.atan2(after[1] - point[1], after[0] - point[0])
        total += math.remainder(second - first, math.tau)
    return abs(total) > math.pi


def distance_to_ring(outline: Polygon, point: Point) -> float:
    """Degrees from ``point`` to the nearest edge."""
    nearest = math.inf
    for (ax, ay), (bx, by) in pairwise(outline.coordinates[0]):
        length = (bx - ax) ** 2 + (by - ay) ** 2
        share = ((point[0] - ax) * (bx - ax) + (point[1] - ay) * (by - ay)) / length
        share = min(1.0, max(0.0, share))
        x, y = ax + share * (bx - ax), ay + share * (by - ay)
        nearest = min(nearest, math.hypot(point[0] - x, point[1] - y))
    return nearest


# Size


@settings(max_examples=40)
@given(stars())
def test_the_size_agrees_with_geodesics(outline: Polygon) -> None:
    area.check(outline)
    assert area.square_miles(outline) == pytest.approx(geodesic_square_miles(outline), rel=1e-4)


@settings(max_examples=40)
@given(stars(reach=0.01))
def test_the_size_of_a_neighbourhood_agrees_too(outline: Polygon) -> None:
    assert area.square_miles(outline) == pytest.approx(geodesic_square_miles(outline), rel=1e-5)


def test_a_square_of_half_a_mile() -> None:
    assert area.square_miles(square(0.5)) == pytest.approx(0.25, rel=0.002)


def test_a_ring_may_turn_either_way() -> None:
    outline = square(0.5)
    turned = Polygon(type="Polygon", coordinates=(outline.coordinates[0][::-1],))
    assert area.square_miles(turned) == pytest.approx(area.square_miles(outline))


def test_a_strip_with_one_edge_in_pieces_cannot_claim_another_size() -> None:
    """Geodesics would bulge 120 m from one long edge and not from the many short ones."""
    short = [(-73 + 0.98 * step / 95, 45.0) for step in range(96)]
    strip = polygon(*short, (-72.02, 45.0001), (-73.0, 45.0001))
    area.check(strip)
    assert area.square_miles(strip) == pytest.approx(geodesic_square_miles(strip), rel=0.01)


# Containment


@given(outline=stars(), x=st.floats(-0.5, 0.5), y=st.floats(-0.5, 0.5), corner=st.booleans())
def test_containment_agrees_with_the_winding_of_the_ring(
    outline: Polygon, x: float, y: float, corner: bool
) -> None:
    ring = outline.coordinates[0]
    west, south = min(p[0] for p in ring), min(p[1] for p in ring)
    # With ``corner`` the ray to the east passes exactly through a corner.
    point = (west + 0.4 + x, ring[0][1] if corner else south + 0.4 + y)
    assume(distance_to_ring(outline, point) > 1e-8)  # ten steps of the grid
    assert area.contains(outline, point[1], point[0]) == winds_around(outline, point)


@given(stars())
def test_corners_and_the_middles_of_straight_edges_are_inside(outline: Polygon) -> None:
    for longitude, latitude in outline.coordinates[0]:
        assert area.contains(outline, latitude, longitude)


def test_a_point_on_an_edge_is_inside() -> None:
    box = polygon((-73.0, 42.0), (-72.5, 42.0), (-72.5, 42.5), (-73.0, 42.5))
    assert area.contains(box, 42.0, -72.75)
    assert area.contains(box, 42.25, -73.0)
    assert not area.contains(box, 42.0 - STEP, -72.75)
    assert not area.contains(box, 42.25, -73.0 - STEP)


def test_a_point_in_the_gap_of_a_horseshoe_is_outside() -> None:
    horseshoe = around((-3, -3), (3, -3), (3, 3), (1, 3), (1, -1), (-1, -1), (-1, 3), (-3, 3))
    area.check(horseshoe)
    assert not area.contains(horseshoe, LATITUDE, LONGITUDE)
    assert area.contains(horseshoe, LATITUDE, LONGITUDE + 0.02)


def test_edges_are_straight_in_longitude_and_latitude() -> None:
    """RFC 7946, section 3.1.1: halfway along the edge, a geodesic would pass north of it."""
    wedge = polygon((-73.0, 60.0), (-72.1, 60.0), (-72.55, 60.5))
    assert area.contains(wedge, 60.0000001, -72.55)
    assert not area.contains(wedge, 59.9999999, -72.55)


# Validity


@given(stars())
def test_every_star_is_valid(outline: Polygon) -> None:
    area.check(outline)


def test_an_open_ring() -> None:
    ring = square(0.5).coordinates[0]
    assert "not closed" in refusal(Polygon(type="Polygon", coordinates=(ring[:-1],)))


def test_a_ring_of_two_corners() -> None:
    assert "three corners" in refusal(around((0, 0), (1, 1)))


@pytest.mark.parametrize(
    "offsets",
    [
        [(0, 0), (1, 0), (1, 0), (0, 1)],
        [(0, 0), (1, 0), (1, 1), (0, 0), (-1, -1), (-1, 0)],
    ],
    ids=["a corner twice in a row", "a figure of eight through a corner"],
)
def test_a_ring_that_passes_a_point_twice(offsets: list[Point]) -> None:
    assert "twice" in refusal(around(*offsets))


@pytest.mark.parametrize(
    "offsets",
    [
        [(0, 0), (2, 2), (2, 0), (0, 2)],
        [(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)],
        [(0, 0), (4, 0), (4, 2), (2, 0), (1, 0), (0, 2)],
        [(0, 0), (2, 0), (4, 0)],
        [(0, 0), (4, 0), (2, 0), (2, 2)],
        [(0, 0), (3, 0), (3, 3), (3, 1), (0, 3)],
        [(0, 0), (4, 0), (4, 4), (-1, 4), (-1, 2), (2, 2), (2, -1), (0, -1)],
    ],
    ids=[
        "bow tie",
        "a corner on an edge",
        "an edge along an edge",
        "no inside at all",
        "a spike back along its edge",
        "a spike at a corner",
        "a loop over itself",
    ],
)
def test_a_ring_that_crosses_or_touches_itself(offsets: list[Point]) -> None:
    whole = polygon(*((x / 16, y / 16) for x, y in offsets))  # sixteenths are exact
    assert "itself" in refusal(whole)
    turned = Polygon(type="Polygon", coordinates=(whole.coordinates[0][::-1],))
    assert "itself" in refusal(turned)


@given(stars(), st.integers(0, 11), st.integers(0, 11))
def test_a_star_with_two_corners_swapped_is_judged_as_the_float_sweep_says(
    outline: Polygon, first: int, second: int
) -> None:
    corners = list(outline.coordinates[0][:-1])
    first, second = first % len(corners), second % len(corners)
    corners[first], corners[second] = corners[second], corners[first]
    swapped = polygon(*corners)
    if crossing_by_parameters(swapped):
        assert "itself" in refusal(swapped)
    else:
        area.check(swapped)


def crossing_by_parameters(outline: Polygon) -> bool:
    """True if edges that are not neighbours cross, by solving for their intersection."""
    edges = list(pairwise(outline.coordinates[0]))
    for number, ((ax, ay), (bx, by)) in enumerate(edges):
        for other in range(number + 2, len(edges) - (number == 0)):
            (cx, cy), (dx, dy) = edges[other]
            scale = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
            assume(abs(scale) > 1e-9)
            t = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / scale
            u = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / scale
            assume(min(abs(t), abs(1 - t), abs(u), abs(1 - u)) > 1e-6)
            if 0 < t < 1 and 0 < u < 1:
                return True
    return False


def test_a_ring_across_the_antimeridian() -> None:
    assert "antimeridian" in refusal(polygon((179.9, 0), (-179.9, 0), (-179.9, 0.1), (179.9, 0.1)))


@pytest.mark.parametrize("side", [(1.0, 0.1), (0.1, 1.0)])
def test_a_ring_that_spans_a_degree(side: Point) -> None:
    east, north = side
    assert "degree" in refusal(polygon((0, 0), (east, 0), (east, north), (0, north)))


@pytest.mark.parametrize("latitude", [85.1, -85.1, 90.0])
def test_a_ring_at_a_pole(latitude: float) -> None:
    assert "latitude" in refusal(polygon((0, latitude), (0.1, latitude), (0.05, latitude - 0.1)))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_coordinate_that_is_not_finite(number: float) -> None:
    assert "finite" in refusal(polygon((0, 0), (0.1, number), (0.1, 0.1)))


def test_an_area_may_reach_the_last_longitude_and_not_beyond() -> None:
    area.check(polygon((179.5, 1.0), (180.0, 1.0), (180.0, 1.4)))
    assert "180 at most" in refusal(polygon((179.5, 1.0), (180.1, 1.0), (180.1, 1.4)))


def test_a_bow_tie_of_one_grid_step_is_refused() -> None:
    """A corner a tenth of a millimetre beyond the opposite edge, or right on it."""
    area.check(polygon((0, 0), (0.5, 0.5), (0.25, 0.25 + STEP), (0, 0.5)))
    for height in (0.25, 0.25 - STEP):
        assert "itself" in refusal(polygon((0, 0), (0.5, 0.5), (0.25, height), (0, 0.5)))


# The grid


@given(stars(), st.data())
def test_coordinates_finer_than_the_grid_are_rounded(outline: Polygon, data: st.DataObject) -> None:
    """Other people's programs write all seventeen digits of a float."""
    rounded = polygon(*((round(x, 9), round(y, 9)) for x, y in outline.coordinates[0][:-1]))
    offset = st.floats(-0.4e-9, 0.4e-9)
    finer = polygon(
        *((x + data.draw(offset), y + data.draw(offset)) for x, y in rounded.coordinates[0][:-1])
    )
    area.check(finer)
    assert area.square_miles(finer) == area.square_miles(rounded)
    for longitude, latitude in rounded.coordinates[0]:
        assert area.contains(finer, latitude, longitude)


def test_neighbours_on_one_grid_point_are_one_corner() -> None:
    """Programs that unite areas leave such corners behind; also where a ring ends."""
    plain = polygon((0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5))
    left = polygon((0, 0), (0.5, 0), (0.5, 1e-12), (0.5, 0.5), (0, 0.5), (0, 1e-11), (1e-12, 0))
    area.check(left)
    assert area.square_miles(left) == area.square_miles(plain)


def test_a_point_visited_twice_is_refused() -> None:
    outline = around((0, 0), (1, 0), (1, 1), (0, 0), (-1, -1), (-1, 0)).coordinates[0]
    almost = [*outline[:3], (outline[3][0], outline[3][1] + 1e-12), *outline[4:-1]]
    assert "twice" in refusal(polygon(*almost))


# Cost


def serpentine(size: float = 1.0) -> Polygon:
    """99 corners and edges of a degree whose boxes all overlap: as costly as it gets."""
    columns = [(number / 1000, 0.001 * (number % 7)) for number in range(49)]
    corners = [
        corner
        for number, (x, y) in enumerate(columns)
        for corner in ([(x, y), (x + 0.9, y + 0.95)][:: 1 if number % 2 == 0 else -1])
    ]
    return polygon(*((x * size, y * size) for x, y in (*corners, (0.96, -0.02))))


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, int], ...]]:
    """The points of which it was asked which way they turn, as that goes on."""
    asked: list[tuple[tuple[int, int], ...]] = []
    turn = area._turn

    def counted(*points: tuple[int, int]) -> int:
        asked.append(points)
        return turn(*points)

    monkeypatch.setattr(area, "_turn", counted)
    return asked


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-9, 1e-100, 1e-300, 5e-324])
def test_no_polygon_needs_large_integers(
    turns: list[tuple[tuple[int, int], ...]], size: float
) -> None:
    """Coordinates around 1e-300 once cost fractions of a thousand bits for each pair of edges.

    On the smallest Pi that would take many seconds for each of fifty posts.
    """
    outline = serpentine(size)
    area.survey(outline)
    area.contains(outline, LATITUDE, LONGITUDE)
    assert len(turns) < 4 * 100 * 99 / 2 + 100
    for point in {point for points in turns for point in points}:
        assert all(type(number) is int and abs(number) <= 180 * 10**9 for number in point)


def test_distant_edges_are_compared_by_their_boxes_only(
    turns: list[tuple[tuple[int, int], ...]],
) -> None:
    steps = [number / 99 * math.tau for number in range(99)]
    area.check(polygon(*((0.4 * math.cos(step), 0.4 * math.sin(step)) for step in steps)))
    assert len(turns) < 2 * 99


def test_the_smallest_triangle_has_an_orientation() -> None:
    assert area._turn((0, 0), (1, 0), (0, 1)) == 1
    assert area._turn((0, 0), (0, 1), (1, 0)) == -1
    assert area._turn((0, 0), (1, 1), (2, 2)) == 0


@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=3, max_size=3))
def test_orientation_is_exact(points: list[Point]) -> None:
    assert area._turn(*map(area._on_grid, points)) == exact_turn(*points)


@given(st.data())
def test_orientation_is_exact_next_to_a_line(data: st.DataObject) -> None:
    (ax, ay), (bx, by) = (
        data.draw(st.tuples(st.floats(-180, 180), st.floats(-85, 85))) for _ in range(2)
    )
    share = data.draw(st.floats(0, 1))
    near = (ax + (bx - ax) * share, ay + (by - ay) * share + data.draw(st.integers(0, 3)) * STEP)
    points = ((ax, ay), (bx, by), near)
    assert area._turn(*map(area._on_grid, points)) == exact_turn(*points)


def exact_turn(*points: Point) -> int:
    """The same of points rounded by decimal arithmetic, in fractions of a degree."""
    (ax, ay), (bx, by), (cx, cy) = (
        [Fraction(Decimal(number).quantize(Decimal("1e-9"))) for number in point]
        for point in points
    )
    product = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    return (product > 0) - (product < 0)


# Survey


def test_a_survey_agrees_with_check_and_size() -> None:
    outline = square(0.5)
    assert area.survey(outline) == area.Survey(area.square_miles(outline), "")
    bow_tie = around((0, 0), (2, 2), (2, 0), (0, 2))
    assert area.survey(bow_tie) == area.Survey(None, refusal(bow_tie))
