"""Pictures of every kind of camera end as the same small picture."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH
from agent.camera.sources.luma import frame_of, frame_of_planes, rows_of

FORMATS = ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"]
FORMATS += ["nv12", "yuv420p10le", "rgb24"]


def painted(
    name: str, luma: int, cb: int, cr: int, size: tuple[int, int] = (642, 362)
) -> av.VideoFrame:
    """One colour, given in video range, as a picture of format ``name``."""
    frame = av.VideoFrame(*size, "yuv420p")
    for plane, value in zip(frame.planes, (luma, cb, cr), strict=True):
        rows_of(plane)[:] = value
    frame.color_range = ColorRange.MPEG
    if name == "yuv420p":
        return frame
    full = name.startswith("yuvj")
    return frame.reformat(format=name, dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "colour", [(126, 128, 128), (81, 90, 240), (150, 100, 140), (16, 128, 128)]
)
def test_a_colour_is_the_same_from_every_format(name: str, colour: tuple[int, int, int]) -> None:
    frame = painted(name, *colour)
    assert frame.format.name == name
    small = frame_of(frame, 1.0)
    assert small.luma.shape == (LUMA_HEIGHT, LUMA_WIDTH)
    assert small.chroma is not None
    assert small.chroma.shape == (2, LUMA_HEIGHT // 2, LUMA_WIDTH // 2)
    found = (small.luma, small.chroma[0], small.chroma[1])
    for plane, value in zip(found, colour, strict=True):
        assert plane.dtype == np.uint8
        assert np.abs(plane.astype(int) - value).max() <= 2


def test_video_range_is_taken_as_it_is() -> None:
    frame = av.VideoFrame(640, 360, "yuv420p")
    for plane, value in zip(frame.planes, (7, 3, 250), strict=True):
        rows_of(plane)[:] = value
    small = frame_of(frame, 1.0)
    assert small.chroma is not None
    assert np.unique(small.luma).tolist() == [7]
    assert [np.unique(plane).tolist() for plane in small.chroma] == [[3], [250]]


def test_full_range_is_known_by_the_name_of_the_format_or_by_its_mark() -> None:
    for name, mark in (("yuvj420p", ColorRange.UNSPECIFIED), ("yuv420p", ColorRange.JPEG)):
        frame = av.VideoFrame(640, 360, name)
        for plane, value in zip(frame.planes, (255, 0, 128), strict=True):
            rows_of(plane)[:] = value
        frame.color_range = mark
        small = frame_of(frame, 1.0)
        assert small.chroma is not None
        assert np.unique(small.luma).tolist() == [235]
        assert [np.unique(plane).tolist() for plane in small.chroma] == [[16], [128]]


def test_full_range_that_must_be_converted_first_is_compressed_once() -> None:
    frame = painted("yuvj420p", 200, 128, 128).reformat(format="yuv420p10le")
    frame.color_range = ColorRange.JPEG
    ten_bits = np.frombuffer(memoryview(frame.planes[0]), np.uint16)[0] / 4
    small = frame_of(frame, 1.0)
    assert np.abs(small.luma.astype(int) - (16 + ten_bits * 219 / 255)).max() <= 1


@pytest.mark.parametrize("size", [(320, 180), (640, 480), (1920, 1080), (192, 108), (323, 181)])
def test_every_part_of_the_picture_is_at_its_place(size: tuple[int, int]) -> None:
    width, height = size
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane in frame.planes:
        rows = rows_of(plane)
        assert rows.shape == (plane.height, plane.width)
        rows[:], rows[rows.shape[0] // 2 :, rows.shape[1] // 2 :] = 40, 200
    small = frame_of(frame, 1.0)
    assert small.chroma is not None
    for plane in (small.luma, *small.chroma):
        bottom, right = plane.shape[0] // 2 + 2, plane.shape[1] // 2 + 2
        assert np.unique(plane[bottom:, right:]).tolist() == [200]
        assert np.unique(plane[: bottom - 4]).tolist() == [40]
        assert np.unique(plane[:, : right - 4]).tolist() == [40]


def test_a_small_picture_averages_the_large_one() -> None:
    board = np.indices((720, 1280)).sum(axis=0) % 2 * 100
    planes = (board.astype(np.uint8), board[::2, ::2].astype(np.uint8), np.zeros((1, 1), np.uint8))
    small = frame_of_planes(1.0, *planes)
    assert np.unique(small.luma).tolist() == [50]


def test_a_frame_keeps_its_time_and_outlives_the_picture_it_was_made_of() -> None:
    frame = av.VideoFrame(320, 180, "yuv420p")  # nothing to shrink: a careless copy would be none
    for plane in frame.planes:
        rows_of(plane)[:] = 90
    small = frame_of(frame, 1.0)
    rows_of(frame.planes[0])[:] = 200
    assert small.seconds == 1.0
    assert np.unique(small.luma).tolist() == [90]
