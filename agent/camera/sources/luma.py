"""Pictures of any size made into the small frames of the motion detector.

Small frames are YUV in video range (luma 16..235, chroma 16..240) for every camera, so
that the detector's thresholds mean the same for each, and a thumbnail needs only one way
back to colours. Full range is compressed to video range; video range is not stretched.
"""

from __future__ import annotations

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Frame
from agent.camera.zones import Plane

# Formats whose planes are taken as they are, 8 bits each; others are converted first.
# (A conversion to gray would not do: it stretches video range to 0..255.)
_PLANAR = frozenset(
    f"yuv{full_range}{layout}p" for full_range in ("", "j") for layout in ("420", "422", "444")
)
_INTERLEAVED = frozenset({"nv12"})  # Cb and Cr by turns in the second plane

_LEVELS = np.arange(256)
_LUMA_TO_VIDEO_RANGE = np.round(16 + _LEVELS * (219 / 255)).astype(np.uint8)
_CHROMA_TO_VIDEO_RANGE = np.round(128 + (_LEVELS - 128) * (224 / 255)).astype(np.uint8)


def frame_of_planes(
    seconds: float, luma: Plane, cb: Plane, cr: Plane, *, full_range: bool = False
) -> Frame:
    """The frame of a YUV picture, whose planes may have any size and subsampling.

    ``full_range``: its levels are 0..255 and are compressed to video range.
    """
    small = np.empty((LUMA_HEIGHT, LUMA_WIDTH), np.uint8)
    chroma = np.empty((2, LUMA_HEIGHT // 2, LUMA_WIDTH // 2), np.uint8)
    for plane, target in ((luma, small), (cb, chroma[0]), (cr, chroma[1])):
        cv2.resize(plane, target.shape[::-1], target, interpolation=cv2.INTER_AREA)
    if full_range:
        cv2.LUT(small, _LUMA_TO_VIDEO_RANGE, small)
        cv2.LUT(chroma, _CHROMA_TO_VIDEO_RANGE, chroma)
    return Frame(small, seconds, chroma)


def frame_of(picture: VideoFrame, seconds: float) -> Frame:
    """The frame of a decoded picture of any format."""
    name, full_range = picture.format.name, _is_full_range(picture)
    if name not in _PLANAR | _INTERLEAVED:
        if picture.format.is_rgb or name.startswith("yuvj"):
            picture, full_range = to_video_range(picture), False
        else:  # ten bits, say: PyAV 16 could not change their range on the way
            kept = ColorRange.JPEG if full_range else ColorRange.MPEG
            picture = picture.reformat(format="yuv420p", src_color_range=kept, dst_color_range=kept)
    luma, *chroma = picture.planes
    if name in _INTERLEAVED:
        both = rows_of(chroma[0], samples=2)
        cb, cr = both[..., 0], both[..., 1]
    else:
        cb, cr = rows_of(chroma[0]), rows_of(chroma[1])
    return frame_of_planes(seconds, rows_of(luma), cb, cr, full_range=full_range)


def to_video_range(picture: VideoFrame) -> VideoFrame:
    """``picture``, whose format is RGB or one of full range, as yuv420p in video range."""
    converted = picture.reformat(format="yuv420p", dst_color_range=ColorRange.MPEG)
    converted.color_range = ColorRange.MPEG  # PyAV 16 leaves the old mark on it
    return converted


def rows_of(plane: VideoPlane, *, samples: int = 1) -> NDArray[np.uint8]:
    """A writable view of ``plane`` without its padding, [height, width]; valid only while its
    picture lives. With ``samples`` by turns: [height, width, samples].
    """
    shape = plane.height, plane.width, samples
    rows: NDArray[np.uint8] = np.ndarray(
        shape, np.uint8, memoryview(plane), strides=(plane.line_size, samples, 1)
    )
    return rows[..., 0] if samples == 1 else rows


def _is_full_range(picture: VideoFrame) -> bool:
    return picture.format.name.startswith("yuvj") or picture.color_range == ColorRange.JPEG
