"""The planes of a camera's buffer, in every layout and with any padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.sources.luma import rows_of
from agent.camera.sources.pi.planes import planes_of
from agent.errors import CameraFault

HALVES = st.integers(1, 20).map(lambda half: half * 2)
FFMPEG = {"YUV420": "yuv420p", "NV12": "nv12"}


def stream(name: str, width: int, height: int, padding: int) -> dict[str, Any]:
    return {"format": name, "size": (width, height), "stride": width + padding}


@given(
    st.sampled_from(["YUV420", "YVU420", "NV12", "NV21"]), HALVES, HALVES, HALVES, st.integers(0, 9)
)
def test_planes_are_views_that_share_no_byte_and_leave_the_padding_alone(
    name: str, width: int, height: int, padding: int, more: int
) -> None:
    description = stream(name, width, height, padding)
    buffer = np.zeros((width + padding) * height * 3 // 2 + more, np.uint8)
    planes = planes_of(buffer, description)
    assert planes.luma.shape == (height, width)
    assert planes.cb.shape == planes.cr.shape == (height // 2, width // 2)
    for plane in planes:
        plane += 1
    assert buffer.max() == 1  # none twice
    assert buffer.sum() == width * height * 3 // 2
    assert not buffer[: (width + padding) * height].reshape(height, -1)[:, width:].any()


@pytest.mark.parametrize("name", FFMPEG)
def test_each_layout_equals_that_of_ffmpeg(name: str) -> None:
    random = np.random.default_rng(1)
    packed = random.integers(0, 256, (12, 16), np.uint8)  # 16 x 8
    planes = planes_of(packed.reshape(-1), stream(name, 16, 8, 0))
    picture = VideoFrame.from_ndarray(packed, format=FFMPEG[name]).reformat(format="yuv420p")
    for ours, theirs in zip(planes, picture.planes, strict=True):
        assert (ours == rows_of(theirs)).all()


@pytest.mark.parametrize(("name", "other"), [("YUV420", "YVU420"), ("NV12", "NV21")])
def test_some_layouts_differ_in_the_order_of_the_colours_alone(name: str, other: str) -> None:
    buffer = np.random.default_rng(2).integers(0, 256, 12 * 16, np.uint8)
    luma, cb, cr = planes_of(buffer, stream(name, 16, 8, 0))
    swapped = planes_of(buffer, stream(other, 16, 8, 0))
    assert (luma == swapped.luma).all()
    assert (cb == swapped.cr).all()
    assert (cr == swapped.cb).all()


@pytest.mark.parametrize(
    ("name", "size", "stride"),
    [("XRGB8888", 10_000, 16), ("MJPEG", 10_000, 16), ("YUV420", 191, 16), ("YUV420", 192, 12)],
)
def test_a_buffer_that_cannot_be_one_is_a_fault(name: str, size: int, stride: int) -> None:
    description = {"format": name, "size": (16, 8), "stride": stride}
    with pytest.raises(CameraFault, match=f"{name}, 16x8"):
        planes_of(np.zeros(size, np.uint8), description)
