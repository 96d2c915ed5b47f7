"""A clip that players turn leaves turned, and its boxes cover what the owner saw."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.consent.statements import Redaction, Region
from agent.media.rotation import coded_region, read_rotation, write_matrix
from tests.support.footage import numbers, pictures, prepared, record

CLIP = record(2, width=320, height=180)


def turned(clip: bytes, matrix: list[int]) -> bytes:
    """``clip`` with another matrix in its track's header."""
    at = clip.index(b"tkhd") + 4 + 40
    numbers = b"".join((one & 0xFFFFFFFF).to_bytes(4, "big") for one in matrix)
    return clip[:at] + numbers + clip[at + 36 :]


def rotation_by_ffmpeg(content: bytes) -> int:
    with av.open(io.BytesIO(content), "r") as container:
        return next(container.decode(video=0)).rotation


def shown(content: bytes, rotation: int) -> list[NDArray[np.uint8]]:
    """The pictures as a player shows them."""
    return [np.rot90(image, -rotation) for image in pictures(content)]


@pytest.mark.parametrize("rotation", [0, 1, 2, 3])
@pytest.mark.parametrize("trim", [None, (0.35, 1.8)])
@pytest.mark.parametrize("codec", [None, "redacted"])
def test_a_turned_clip_leaves_turned(
    rotation: int, trim: tuple[float, float] | None, codec: str | None
) -> None:
    clip = turned(CLIP, write_matrix(rotation, 320, 180))
    boxes = [Redaction.still(0.5, 0.5, 0.2, 0.1)] if codec else []
    content = prepared(clip, trim, *boxes)
    assert read_rotation(clip) == read_rotation(content) == rotation
    assert rotation_by_ffmpeg(clip) == rotation_by_ffmpeg(content)
    assert len(numbers(content)) == (20 if trim is None else 14)


@pytest.mark.parametrize("rotation", [0, 1, 2, 3])
def test_a_box_covers_what_it_covers_in_the_turned_picture(rotation: int) -> None:
    clip = turned(CLIP, write_matrix(rotation, 320, 180))
    content = prepared(clip, None, Redaction.still(0.6, 0.1, 0.3, 0.2))
    for before, after in zip(shown(clip, rotation), shown(content, rotation), strict=True):
        height, width, _ = after.shape
        rows, columns = (
            slice(int(0.1 * height), int(0.3 * height)),
            slice(int(0.6 * width), int(0.9 * width)),
        )
        assert np.abs(after[rows, columns].astype(int) - 128).max() < 24
        apart = np.abs(after.astype(int) - before).mean(axis=2)
        apart[rows.start - 8 : rows.stop + 8, columns.start - 8 : columns.stop + 8] = 0
        assert apart.mean() < 8


@pytest.mark.parametrize(
    "matrix",
    [
        [0x8000, 0, 0, 0, 0x8000, 0, 0, 0, 0x40000000],
        [-0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000],
        [0x10000, 0x8000, 0, 0, 0x10000, 0, 0, 0, 0x40000000],
        [0] * 9,
    ],
    ids=["smaller", "mirrored", "slanted", "nothing"],
)
def test_a_matrix_that_could_hide_something_does_not_leave(matrix: list[int]) -> None:
    content = prepared(turned(CLIP, matrix))
    assert content == prepared(CLIP)


@given(st.binary(max_size=300))
def test_a_header_of_any_bytes_has_a_rotation(noise: bytes) -> None:
    assert read_rotation(noise) in range(4)
    head = CLIP[: CLIP.index(b"tkhd") + 4]
    assert read_rotation(head + noise) in range(4)


SIDES = st.floats(0, 1)


@given(SIDES, SIDES, SIDES, SIDES)
def test_four_quarter_turns_end_where_they_began(a: float, b: float, c: float, d: float) -> None:
    region = Region(min(a, b), min(c, d), max(a, b), max(c, d))
    there = region
    for _ in range(4):
        there = coded_region(there, 1)
    assert tuple(there) == pytest.approx(tuple(region))
    both = coded_region(coded_region(region, 1), 3)
    assert tuple(both) == pytest.approx(tuple(region))
    assert tuple(coded_region(coded_region(region, 1), 1)) == pytest.approx(
        tuple(coded_region(region, 2))
    )
