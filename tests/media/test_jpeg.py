"""Pictures of a camera that may have been taken over: only our own plain kind is shown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.recording import thumbnail
from agent.camera.source import Frame
from agent.errors import ClipDamaged
from agent.media import jpeg
from tests.support import pictures

PLAIN = pictures.jpeg(noisy=True)


def encoded(*options: int, size: tuple[int, int] = (180, 320)) -> bytes:
    made, data = cv2.imencode(".jpg", np.full(size, 90, np.uint8), list(options))
    assert made
    return data.tobytes()


def with_size(width: int, height: int) -> bytes:
    """The plain picture, whose frame header claims another size."""
    at = PLAIN.index(b"\xff\xc0")
    claimed = height.to_bytes(2) + width.to_bytes(2)
    return PLAIN[: at + 5] + claimed + PLAIN[at + 9 :]


def inserted(segment: bytes) -> bytes:
    return PLAIN[:2] + segment + PLAIN[2:]


@pytest.mark.parametrize("width", [1, 16, 320, 1_920])
def test_a_picture_of_our_kind_is_taken_and_its_size_told(width: int) -> None:
    assert jpeg.check(pictures.jpeg(width=width, height=180, noisy=True)) == (width, 180)


def test_the_cameras_own_thumbnails_are_taken_in_colour_and_grey() -> None:
    luma = np.random.default_rng(1).integers(16, 235, (180, 320)).astype(np.uint8)
    chroma = np.full((2, 90, 160), 128, np.uint8)
    for frame in (Frame(luma, 1.0), Frame(luma, 1.0, chroma)):
        made = thumbnail.jpeg(frame)
        assert made is not None
        assert jpeg.check(made) == (320, 180)


@pytest.mark.parametrize(
    "data",
    {
        "nothing": b"",
        "a png": cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes(),
        "a page": b"<svg onload=alert(1)>",
        "progressive": encoded(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "of a gigapixel": with_size(65_535, 65_535),
        "too wide": with_size(1_921, 180),
        "too high": with_size(320, 1_921),
        "without width": with_size(0, 180),
        "with lines to be told later": with_size(320, 0),
        "cut off": PLAIN[:-2],
        "followed by a page": PLAIN + b"<script>",
        "followed by a page with an end": PLAIN + b"<script>\xff\xd9",
        "two in one": PLAIN + PLAIN,
        "of metadata": inserted(b"\xff\xe1\x00\x08Exif\0\0"),
        "with a comment": inserted(b"\xff\xfe\x00\x04hi"),
        "with a segment without length": inserted(b"\xff\xdb\x00\x00"),
        "with a segment beyond its end": inserted(b"\xff\xdb\xff\xff"),
        "with many tables": inserted(b"\xff\xdb\x00\x02" * 40),
        "larger than any": PLAIN[:-2] + bytes(jpeg.MAX_BYTES) + b"\xff\xd9",
        "with two frames": inserted(PLAIN[PLAIN.index(b"\xff\xc0") :][:19]),
        "with arithmetic coding": PLAIN.replace(b"\xff\xc0", b"\xff\xc9", 1),
        "of 12 bits": PLAIN.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c", 1),
    }.items(),
    ids=lambda data: data[0],
)
def test_any_other_picture_is_refused(data: tuple[str, bytes]) -> None:
    with pytest.raises(ClipDamaged):
        jpeg.check(data[1])


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused_and_never_an_error(data: bytes) -> None:
    for one in (data, b"\xff\xd8" + data + b"\xff\xd9"):
        with pytest.raises(ClipDamaged):
            jpeg.check(one)


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_leaves_a_picture_of_bounded_size(at: int, byte: int) -> None:
    changed = PLAIN[:at] + bytes([byte]) + PLAIN[at + 1 :]
    try:
        width, height = jpeg.check(changed)
    except ClipDamaged:
        return
    assert 0 < width <= jpeg.MAX_SIDE_PIXELS
    assert 0 < height <= jpeg.MAX_SIDE_PIXELS
