"""The sketch map: sizes, directions and places as they are, and no polygon that harms."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.statements import Polygon
from agent.owner.console.pieces import sketch
from agent.owner.console.pieces.sketch import Sketch
from tests.support import statements

NORTH = math.degrees(1_000 / 6_371_009.0)  # a kilometre in degrees
EAST = NORTH / math.cos(math.radians(42.0 + NORTH / 2))
SQUARE = statements.polygon(
    (-72.0, 42.0), (-72.0 + EAST, 42.0), (-72.0 + EAST, 42.0 + NORTH), (-72.0, 42.0 + NORTH)
)


def corners(drawn: Sketch) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (one.split(",") for one in drawn.outline.split())]


def drawn(polygon: Polygon, **places: sketch.LatLon) -> Sketch:
    found = sketch.draw(polygon, places)
    assert found is not None
    return found


def test_north_is_up_and_the_scale_is_that_of_the_drawing() -> None:
    found = drawn(SQUARE)
    (x0, y0), (x1, _), (_, y2), *_rest = corners(found)
    assert x1 > x0 and y2 < y0
    assert "1 km (0.62 mi) from west to east and 1 km" in found.said
    metres = float(re.findall(r"([\d.]+) m ", found.bar_text)[0])
    assert found.bar / metres == pytest.approx((x1 - x0) / 1_000, rel=0.01)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ((42.0 + NORTH / 2, -72.0 + EAST / 2), "front is in the area."),
        ((42.0 + NORTH * 1.5, -72.0 + EAST / 2), "outside, 1 km (0.62 mi) north of its middle"),
        ((42.0 + NORTH / 2, -72.0 + EAST * 1.5), "outside, 1 km (0.62 mi) east of"),
        ((42.0 - NORTH / 2, -72.0 - EAST / 2), "south-west of"),
    ],
)
def test_a_camera_is_placed_in_the_area_or_beside_it(place: sketch.LatLon, said: str) -> None:
    (spot,) = drawn(SQUARE, front=place).spots
    assert said in spot.said
    assert spot.drawn
    assert 0 < spot.x < 320 and 0 < spot.y < 240


def test_a_camera_far_from_the_area_is_told_and_does_not_shrink_it() -> None:
    far = drawn(SQUARE, far=(52.5, 13.4))
    (spot,) = far.spots
    assert not spot.drawn and "km" in spot.said
    assert far.outline == drawn(SQUARE).outline


def test_cameras_at_one_place_share_a_label_and_others_have_their_own() -> None:
    place = (42.0 + NORTH / 2, -72.0 + EAST / 2)
    spots = drawn(SQUARE, front=place, garden=place, gate=(42.0, -72.0), far=(52.5, 13.4)).spots
    assert [spot.label for spot in spots] == ["front, garden", "", "gate", ""]


@pytest.mark.parametrize(
    "ring",
    [
        [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)],
        [(0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)],
        [(-180.0, -90.0), (180.0, -90.0), (180.0, 90.0)],
        [(0.0, 89.0), (0.1, 89.0), (0.1, 89.1)],
        [(float("nan"), 0.0), (0.1, 0.0), (0.1, 0.1)],
    ],
)
def test_an_area_that_is_none_is_not_drawn(ring: list[tuple[float, float]]) -> None:
    polygon = Polygon(type="Polygon", coordinates=((*ring, ring[0]),))
    assert sketch.draw(polygon, {"front": (42.0, -72.0)}) is None


@given(
    middle=st.tuples(st.floats(-84, 84), st.floats(-179, 179)),
    size=st.floats(1e-8, 0.4),
    count=st.integers(3, 99),
    place=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
)
def test_every_area_is_drawn_within_its_frame(
    middle: tuple[float, float], size: float, count: int, place: tuple[float, float]
) -> None:
    ring = tuple(
        (
            middle[1] + size * math.cos(2 * math.pi * n / count),
            middle[0] + size * math.sin(2 * math.pi * n / count),
        )
        for n in range(count)
    )
    found = sketch.draw(Polygon(type="Polygon", coordinates=((*ring, ring[0]),)), {"front": place})
    if found is None:
        return
    spots = [(spot.x, spot.y) for spot in found.spots if spot.drawn]
    assert all(0 <= x <= 320 and 0 <= y <= 240 for x, y in [*corners(found), *spots])
    assert 0 < found.bar <= 80.1
