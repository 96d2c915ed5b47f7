"""A clip's picture: it keeps colours, and grey stays grey."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.camera.recording.thumbnail import jpeg
from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Frame
from agent.vault.clips.sidecar import MAX_THUMBNAIL_BYTES


def shown(luma: int, chroma: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Red, green, blue of the middle of a thumbnail of one colour, as a viewer opens it."""
    colours = None
    if chroma is not None:
        colours = np.empty((2, LUMA_HEIGHT // 2, LUMA_WIDTH // 2), np.uint8)
        colours[0], colours[1] = chroma
    made = jpeg(Frame(np.full((LUMA_HEIGHT, LUMA_WIDTH), luma, np.uint8), 0.0, colours))
    assert made is not None
    picture = cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (LUMA_HEIGHT, LUMA_WIDTH, 3)
    return np.asarray(picture[90, 160, ::-1], np.uint8)


@pytest.mark.parametrize(
    ("yuv", "rgb"),
    [  # the corners of the colour cube in BT.601, video range
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (255, 255, 255)),
        ((81, 90, 240), (255, 0, 0)),
        ((145, 54, 34), (0, 255, 0)),
        ((41, 240, 110), (0, 0, 255)),
    ],
)
def test_colours_are_those_of_the_scene_in_full_range(
    yuv: tuple[int, int, int], rgb: tuple[int, int, int]
) -> None:
    assert shown(yuv[0], yuv[1:]) == pytest.approx(np.array(rgb), abs=4)


@pytest.mark.parametrize(("luma", "grey"), [(0, 0), (16, 0), (125, 127), (235, 255), (255, 255)])
def test_without_colours_it_is_grey_in_full_range(luma: int, grey: int) -> None:
    assert shown(luma, None) == pytest.approx(np.array((grey,) * 3), abs=2)


def test_the_colours_lie_where_the_picture_is() -> None:
    """Left half red, right half blue, with the upper half dark: planes are not mixed up."""
    luma = np.full((LUMA_HEIGHT, LUMA_WIDTH), 120, np.uint8)
    luma[:90] = 40
    chroma = np.full((2, LUMA_HEIGHT // 2, LUMA_WIDTH // 2), 110, np.uint8)
    chroma[1, :, :80], chroma[0, :, 80:] = 200, 200
    made = jpeg(Frame(luma, 0.0, chroma))
    assert made is not None
    picture = cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    for row in (40, 140):
        (blue, _, red), (blue2, _, red2) = picture[row, 40].tolist(), picture[row, 280].tolist()
        assert red > blue + 40
        assert blue2 > red2 + 40
    assert picture[140].mean() > picture[40].mean() + 40


def test_the_busiest_picture_fits_into_a_sidecar() -> None:
    random = np.random.default_rng(1)
    luma = random.integers(16, 236, (LUMA_HEIGHT, LUMA_WIDTH)).astype(np.uint8)
    chroma = random.integers(16, 241, (2, LUMA_HEIGHT // 2, LUMA_WIDTH // 2)).astype(np.uint8)
    made = jpeg(Frame(luma, 0.0, chroma))
    assert made is not None
    assert len(made) <= MAX_THUMBNAIL_BYTES
