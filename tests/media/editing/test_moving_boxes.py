"""A red marker walks through the picture, a box follows it: no picture may show it."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import av
import msgspec
import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.consent.statements import Redaction
from tests.support.footage import picture, pictures, prepared

WIDTH, HEIGHT = 192, 128
SIZE = 0.15  # of the marker, as a share of the picture's width and height
INSET = 2  # pixels by which the drawn marker is smaller, for the recording smears its edge
UNIT = 90_000
STEADY = {rate: [number / rate for number in range(2 * rate)] for rate in (5, 12, 25, 60)}
UNSTEADY = [0, 0.04, 0.08, 0.5, 0.51, 0.9, 1.4, 1.41, 1.42, 1.9, 1.94, 1.98]
Codec = Literal["libx264", "libx265"]


def place(seconds: float) -> tuple[float, float]:
    """The marker's left and top: to the right for a second, then down and back."""
    if seconds <= 1:
        return 0.05 + 0.7 * seconds, 0.1
    return 0.75 - 0.5 * (seconds - 1), 0.1 + 0.5 * (seconds - 1)


def follower(end: float = 2, **limits: float) -> Redaction:
    """The box that is exactly where the marker is."""
    positions = [[at, *place(at), SIZE, SIZE] for at in (0, 1, end)]
    return msgspec.convert({"positions": positions, **limits}, Redaction)


def drawn(number: int, seconds: float, width: int, height: int) -> NDArray[np.uint8]:
    image = picture(number % 64, width=width, height=height) // 8 + 110
    left, top = place(seconds)
    image[
        round(top * height) + INSET : round((top + SIZE) * height) - INSET,
        round(left * width) + INSET : round((left + SIZE) * width) - INSET,
    ] = (255, 0, 0)
    return image


def film(
    times: Sequence[float],
    *,
    codec: Codec = "libx264",
    pix_fmt: str = "yuv420p",
    b_frames: int = 0,
    width: int = WIDTH,
    height: int = HEIGHT,
    late: float = 0.0,
) -> bytes:
    """A recording with a picture at each of ``times``, which shows the marker as it then was.

    ``late``: seconds after its picture's time at which the marker was drawn, as if the camera
    had stamped it too early.
    """
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(memory, mode="w", format="mp4", options=options) as container:
        chosen = {"preset": "ultrafast", "crf": "12", "bf": str(b_frames), "g": "8"}
        if codec == "libx265":
            chosen["x265-params"] = "log-level=none:keyint=8"
        stream = container.add_stream(codec, rate=30, options=chosen)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = Fraction(1, UNIT)
        for number, seconds in enumerate(times):
            image = drawn(number, seconds + late, width, height)
            frame = VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(seconds * UNIT), Fraction(1, UNIT)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return memory.getvalue()


def red(image: NDArray[np.uint8]) -> int:
    """Pixels that show the marker."""
    plain = image.astype(int)
    return int(np.count_nonzero(plain[..., 0] - plain[..., 1:].max(axis=2) > 70))


def marked(content: bytes) -> list[bool]:
    """True for each picture that shows the marker, even a corner of it."""
    return [red(image) > 0 for image in pictures(content)]


def test_the_marker_is_seen_without_a_box() -> None:
    assert marked(film(STEADY[12])) == [True] * 24
    assert min(map(red, pictures(film(STEADY[12])))) > 300


@pytest.mark.parametrize("times", [*STEADY.values(), UNSTEADY], ids=len)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_no_picture_shows_what_a_box_follows(times: Sequence[float], b_frames: int) -> None:
    content = prepared(film(times, b_frames=b_frames), None, follower())
    assert marked(content) == [False] * len(times)


@pytest.mark.parametrize("late", [0.05, 0.1, 0.199])
def test_a_picture_is_covered_for_as_long_as_it_is_shown(late: float) -> None:
    """The owner may have seen the marker on a picture at any time until the next one."""
    content = prepared(film(STEADY[5], late=late), None, follower(2.2))
    assert marked(content) == [False] * 10


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [
        ("libx264", "yuv420p", (HEIGHT, WIDTH)),
        ("libx264", "yuv420p", (190, 126)),
        ("libx264", "yuvj420p", (WIDTH, HEIGHT)),
        ("libx264", "yuv422p", (WIDTH, HEIGHT)),
        ("libx264", "yuv444p", (190, 126)),
        ("libx264", "yuv420p10le", (WIDTH, HEIGHT)),
        ("libx265", "yuv420p", (HEIGHT, WIDTH)),
        ("libx265", "yuv420p10le", (WIDTH, HEIGHT)),
    ],
)
def test_every_kind_of_picture_is_covered(
    codec: Codec, pix_fmt: str, size: tuple[int, int]
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV without {codec}")
    width, height = size
    content = prepared(
        film(STEADY[12], codec=codec, pix_fmt=pix_fmt, width=width, height=height),
        None,
        follower(),
    )
    assert marked(content) == [False] * 24
    assert pictures(content)[0].shape[:2] == (height, width)


@pytest.mark.parametrize("trim", [(0.0, 0.5), (0.33, 1.7), (0.99, 1.01), (1.5, 2.0)])
def test_a_trim_and_a_moving_box_do_not_depend_on_each_other(trim: tuple[float, float]) -> None:
    """Times of a box count from the recording's start, whatever leaves of it."""
    clip = film(STEADY[25], b_frames=2)
    shown = marked(prepared(clip, trim, follower()))
    assert shown == [False] * len([at for at in STEADY[25] if trim[0] <= at < trim[1]])
    kept = follower().within(*trim)
    assert kept is not None
    assert marked(prepared(clip, trim, kept)) == shown


def test_a_box_that_begins_and_ends_covers_no_other_picture() -> None:
    shown = marked(prepared(film(STEADY[25]), None, follower(from_seconds=0.4, to_seconds=1.2)))
    assert shown == [True] * 10 + [False] * 21 + [True] * 19


def test_several_boxes_cover_each_its_own() -> None:
    parts = [follower(to_seconds=0.5), follower(from_seconds=0.5, to_seconds=1.5)]
    parts += [follower(from_seconds=1.5), Redaction.still(0, 0.9, 1, 0.1)]
    shown = pictures(prepared(film(STEADY[12]), None, *parts))
    assert [red(image) for image in shown] == [0] * 24
    assert all(np.abs(image[118:].astype(int) - 130).mean() < 4 for image in shown)


@pytest.mark.parametrize("full_range", [False, True])
def test_outside_the_boxes_the_picture_is_as_it_was(full_range: bool) -> None:
    pix_fmt = "yuvj420p" if full_range else "yuv420p"
    clip = film(STEADY[12], pix_fmt=pix_fmt)
    before, after = pictures(clip), pictures(prepared(clip, None, follower()))
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        swept = follower().region(number / 12, (number + 1) / 12)
        assert swept is not None
        apart = np.abs(one.astype(int) - other.astype(int)).max(axis=2)
        rows = slice(max(0, int(swept.top * HEIGHT) - 8), int(swept.bottom * HEIGHT) + 8)
        columns = slice(max(0, int(swept.left * WIDTH) - 8), int(swept.right * WIDTH) + 8)
        apart[rows, columns] = 0
        assert apart.mean() < 8  # what encoding it again costs


@settings(max_examples=15, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 40), min_size=2, max_size=20),
    start=st.floats(0, 1.5),
    length=st.floats(0.3, 2),
)
def test_at_any_pace_and_in_any_trim_no_picture_shows_it(
    gaps: list[int], start: float, length: float
) -> None:
    times = [sum(gaps[:number]) / 50 for number in range(len(gaps))]
    times = [at for at in times if at < 2]
    inside = [at for at in times if start <= at < start + length]
    if not inside:
        return
    content = prepared(film(times, width=96, height=64), (start, start + length), follower())
    assert marked(content) == [False] * len(inside)


def test_the_number_of_processors_changes_no_byte() -> None:
    """An owner sees on their computer what the camera's sends."""
    mine = os.sched_getaffinity(0)
    if len(mine) < 2:
        pytest.skip("one processor")
    clip = film(STEADY[25], width=320, height=240)
    with_all = prepared(clip, None, follower())
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert prepared(clip, None, follower()) == with_all
    finally:
        os.sched_setaffinity(0, mine)
