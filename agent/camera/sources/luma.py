"""Pictures of any size as the small luma plane that the motion detector looks at."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Luma

# Formats whose first plane is luma of 8 bits; others are converted first. (A conversion to
# gray would not do: it stretches video range to 0..255.)
_LUMA_FIRST = frozenset(
    f"yuv{full_range}{layout}p" for full_range in ("", "j") for layout in ("420", "422", "444")
) | {"nv12", "nv21", "gray"}


def shrink(plane: NDArray[np.uint8]) -> Luma:
    """``plane``, uint8 [height, width], at the detector's size; always a copy."""
    size = LUMA_WIDTH, LUMA_HEIGHT
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


def luma_of(frame: VideoFrame) -> Luma:
    """The luma plane of a decoded picture at the detector's size."""
    if frame.format.name not in _LUMA_FIRST:
        frame = frame.reformat(format="yuv420p")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return shrink(rows[: frame.height, : frame.width])
