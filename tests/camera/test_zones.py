"""The area of a polygon: rounded outward where it hides, by block centres where motion counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH, Polygon, PrivacyMask, motion_mask
from agent.errors import ConfigError

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
STAR = ((0.5, 0.0), (0.79, 0.9), (0.02, 0.35), (0.98, 0.35), (0.2, 0.9))
# All but a window, drawn in one go: in along a cut, round the window, and out again.
KEYHOLE = (
    *((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)),
    *((0.3, 0.3), (0.3, 0.7), (0.7, 0.7), (0.7, 0.3), (0.3, 0.3)),
)

shares = st.floats(0, 1)
polygons = st.lists(st.tuples(shares, shares), min_size=3, max_size=8)
sizes = st.tuples(st.integers(2, 90), st.integers(2, 120))  # height, width


def painted(
    polygon: list[tuple[float, float]] | tuple[tuple[float, float], ...], height: int, width: int
) -> NDArray[np.bool_]:
    plane = np.zeros((height, width), np.uint8)
    PrivacyMask([polygon]).paint(plane, 7)
    assert set(np.unique(plane)) <= {0, 7}
    found: NDArray[np.bool_] = plane == 7
    return found


@given(polygons, sizes, st.integers(0, 7), shares)
def test_every_pixel_that_an_outline_touches_is_painted(
    polygon: list[tuple[float, float]], size: tuple[int, int], edge: int, along: float
) -> None:
    height, width = size
    (x0, y0), (x1, y1) = (polygon[(edge + end) % len(polygon)] for end in (0, 1))
    x, y = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
    column, row = min(int(x * width), width - 1), min(int(y * height), height - 1)
    assert painted(polygon, height, width)[row, column]


@given(st.tuples(shares, shares), st.tuples(shares, shares), sizes)
def test_a_rectangle_is_painted_whole_and_at_most_two_pixels_beyond(
    one: tuple[float, float], other: tuple[float, float], size: tuple[int, int]
) -> None:
    height, width = size
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(one, other, strict=True))
    found = painted([(left, top), (right, top), (right, bottom), (left, bottom)], height, width)
    rows, columns = np.arange(height), np.arange(width)
    down = (rows + 1 > top * height) & (rows < bottom * height)
    across = (columns + 1 > left * width) & (columns < right * width)
    assert found[np.ix_(down, across)].all()
    near = (rows > top * height - 3) & (rows < bottom * height + 2)
    beside = (columns > left * width - 3) & (columns < right * width + 2)
    assert not found[~near].any()
    assert not found[:, ~beside].any()


def test_the_middle_of_an_outline_that_crosses_itself_is_hidden_too() -> None:
    assert painted(STAR, 180, 320)[90, 160]


def test_a_window_left_open_on_purpose_stays_open() -> None:
    found = painted(KEYHOLE, 180, 320)
    assert not found[60:120, 100:220].any()
    assert found[:50].all()


def test_each_plane_of_a_picture_is_painted_at_its_own_size_and_in_place() -> None:
    mask = PrivacyMask([LEFT_HALF])
    picture = np.zeros((180, 2, 320), np.uint8)
    plane = picture[:, 1]  # rows that do not lie one behind the other
    small = np.zeros((90, 160, 2), np.uint8)
    for _ in range(2):
        mask.blacken((plane, small[..., 0], small[..., 1]))
    assert (plane[:, :161] == 16).all()
    assert not plane[:, 163:].any()
    assert not picture[:, 0].any()
    assert (small[:, :81] == 128).all()
    assert not small[:, 83:].any()


def test_without_privacy_zones_nothing_is_painted() -> None:
    mask = PrivacyMask(())
    plane = np.zeros((4, 4), np.uint8)
    mask.paint(plane, 7)
    assert not mask
    assert not plane.any()


def test_without_zones_motion_counts_everywhere() -> None:
    assert motion_mask((), (), ()) is None
    assert motion_mask([WHOLE], (), ()) is None


def test_motion_counts_inside_include_and_outside_exclude_and_privacy() -> None:
    upper = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))
    corner = ((0.75, 0.75), (1.0, 0.75), (1.0, 1.0), (0.75, 1.0))
    mask = motion_mask([LEFT_HALF, corner], [upper], [((0, 0.9), (1, 0.9), (1, 1), (0, 1))])
    assert mask is not None
    assert mask.shape == (GRID_HEIGHT, GRID_WIDTH)
    expected = np.zeros((GRID_HEIGHT, GRID_WIDTH), np.uint8)
    expected[22:40, :40] = 255  # row 22 has its centre on the line, and the line is below it
    expected[34:40, 60:] = 255
    assert (mask == expected).all()


@given(polygons)
def test_a_block_counts_if_and_only_if_its_polygon_does_not_exclude_it(
    polygon: list[tuple[float, float]],
) -> None:
    def of(include: Sequence[Polygon], exclude: Sequence[Polygon]) -> NDArray[np.uint8]:
        try:
            mask = motion_mask(include, exclude, ())
        except ConfigError:
            return np.zeros((GRID_HEIGHT, GRID_WIDTH), np.uint8)
        return np.full((GRID_HEIGHT, GRID_WIDTH), 255, np.uint8) if mask is None else mask

    assert (of([polygon], ()) ^ of((), [polygon]) == 255).all()


@pytest.mark.parametrize(
    ("include", "exclude", "privacy"),
    [((), [WHOLE], ()), ((), (), [WHOLE]), ([LEFT_HALF], [LEFT_HALF], ())],
)
def test_zones_without_any_block_are_refused_with_key_and_advice(
    include: Sequence[Polygon], exclude: Sequence[Polygon], privacy: Sequence[Polygon]
) -> None:
    with pytest.raises(ConfigError, match=r"camera\.zones") as caught:
        motion_mask(include, exclude, privacy)
    assert "larger" in caught.value.advice
