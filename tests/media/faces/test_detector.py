"""The real network on real faces. `make faces` fetches both."""

from __future__ import annotations

import io
import math
from functools import cache

import cv2
import numpy as np
import pytest

from agent.consent.statements import Region
from agent.media.faces.detector import Detector
from agent.media.faces.face import Face
from agent.media.faces.search import search
from tests.support.face_films import (
    FACE,
    HEAD,
    Image,
    astronaut,
    fetched,
    film,
    inside,
    model,
    pixels,
    uncovered,
)
from tests.support.footage import picture, pictures, prepared

WIDTH, HEIGHT = 640, 360


@cache
def detector() -> Detector:
    return Detector(model())


def found(image: Image) -> list[Face]:
    return detector().find(np.ascontiguousarray(image[..., ::-1]))


def background() -> Image:
    return picture(3, width=WIDTH, height=HEIGHT) // 4 + 90


def test_a_face_is_found_where_it_is() -> None:
    (face,) = found(astronaut())
    rows, columns = FACE
    truth = Region(columns.start / 512, rows.start / 512, columns.stop / 512, rows.stop / 512)
    assert inside(truth, face.region, slack=0.03)
    assert inside(face.region, truth, slack=0.03)
    assert face.score > 0.8


@pytest.mark.parametrize("size", [(33, 31), (1, 1), (500, 7), (640, 640)])
def test_a_picture_of_any_size_is_searched(size: tuple[int, int]) -> None:
    width, height = size
    for face in found(np.full((height, width, 3), 128, np.uint8)):
        assert inside(face.region, Region(0, 0, 1, 1))


def test_most_faces_of_the_labelled_set_are_found_and_no_other_picture() -> None:
    """Each 25 pixels wide, as the set has them, enlarged twice as a search does."""
    images = np.load(fetched("lfw_subset.npy"))  # 100 faces, then 100 pictures without one
    counts = []
    for part in (images[:50], images[100:150]):
        sheet = np.full((5 * 100, 10 * 100), 110, np.uint8)
        for number, image in enumerate(part):
            row, column = (number // 10 * 100 + 25), (number % 10 * 100 + 25)
            sheet[row : row + 50, column : column + 50] = cv2.resize(
                (image * 255).astype(np.uint8), (50, 50), interpolation=cv2.INTER_CUBIC
            )
        counts.append(len(found(np.repeat(sheet[..., None], 3, axis=2))))
    assert counts[0] >= 40
    assert counts[1] <= 2


def test_no_picture_of_a_real_face_that_moves_is_left_uncovered() -> None:
    """By the boxes of a search; afterwards the detector itself finds nothing any more."""
    times = [number / 10 for number in range(16)]
    clip = film((with_head(place(at)) for at in times), times)
    result = search(io.BytesIO(clip), detector())
    assert result.faces == 1
    assert uncovered(result.redactions, place, times) == []
    content = prepared(clip, None, *result.redactions)
    assert [face for image in pictures(content)[::8] for face in found(image)] == []


def place(seconds: float) -> Region:
    """The face, 40 pixels wide, on its way through the picture."""
    left = 0.1 + 0.2 * seconds
    top = 0.35 + 0.04 * math.sin(2 * math.pi * seconds)
    return Region(left, top, left + 40 / WIDTH, top + 53 / HEIGHT)


def with_head(face: Region) -> Image:
    """The portrait's head put where ``face`` says its face is."""
    image = background()
    rows, columns = pixels(face, WIDTH, HEIGHT)
    scale = (columns.stop - columns.start) / (FACE[1].stop - FACE[1].start)
    head = astronaut()[HEAD]
    size = round(head.shape[1] * scale), round(head.shape[0] * scale)
    small = cv2.resize(head, size, interpolation=cv2.INTER_AREA)
    top = rows.start - round((FACE[0].start - HEAD[0].start) * scale)
    left = columns.start - round((FACE[1].start - HEAD[1].start) * scale)
    image[top : top + size[1], left : left + size[0]] = small
    return image
