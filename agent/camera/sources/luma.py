"""Pictures of any size as the small ones that the motion detector looks at.

Small pictures are YUV in video range (luma 16..235, chroma 16..240) whatever the
camera sends, so that the detector's thresholds mean the same for each, and a
thumbnail needs one way back to colours only. What a camera sends in full range is
compressed to that; video range is taken as it is, not stretched.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Chroma, Luma

Plane = NDArray[np.uint8]  # [height, width]; any size

BLACK, NO_COLOUR = 16, 128  # luma and chroma in video range

# Formats whose planes are taken as they are, 8 bits each; others are converted first.
# (A conversion to gray would not do: it stretches video range to 0..255.)
_PLANAR = frozenset(
    f"yuv{full_range}{layout}p" for full_range in ("", "j") for layout in ("420", "422", "444")
)
_INTERLEAVED = frozenset({"nv12"})  # Cb and Cr by turns in the second plane

_LEVELS = np.arange(256)
_LUMA_TO_VIDEO_RANGE = np.round(16 + _LEVELS * (219 / 255)).astype(np.uint8)
_CHROMA_TO_VIDEO_RANGE = np.round(128 + (_LEVELS - 128) * (224 / 255)).astype(np.uint8)


class Small(NamedTuple):
    """A small picture; both arrays are its own copies."""

    luma: Luma
    chroma: Chroma


def shrink(plane: Plane) -> Luma:
    """``plane`` at the detector's size; always a copy."""
    return _resized(plane, LUMA_WIDTH, LUMA_HEIGHT)


def small_of_planes(luma: Plane, cb: Plane, cr: Plane, *, full_range: bool = False) -> Small:
    """The three planes of a YUV picture, of any size and subsampling, made small.

    ``full_range``: its levels are 0..255 and are to be brought to video range.
    """
    small, chroma = shrink(luma), np.empty((2, LUMA_HEIGHT // 2, LUMA_WIDTH // 2), np.uint8)
    for number, plane in enumerate((cb, cr)):
        chroma[number] = _resized(plane, LUMA_WIDTH // 2, LUMA_HEIGHT // 2)
    if full_range:
        cv2.LUT(small, _LUMA_TO_VIDEO_RANGE, small)
        cv2.LUT(chroma, _CHROMA_TO_VIDEO_RANGE, chroma)
    return Small(small, chroma)


def small_of(frame: VideoFrame) -> Small:
    """A decoded picture of any format made small."""
    full_range = _is_full_range(frame)
    if frame.format.name not in _PLANAR | _INTERLEAVED:
        if frame.format.is_rgb or frame.format.name.startswith("yuvj"):
            frame, full_range = to_video_range(frame), False
        else:  # ten bits, say: PyAV 16 could not change their range on the way
            kept = ColorRange.JPEG if full_range else ColorRange.MPEG
            frame = frame.reformat(format="yuv420p", src_color_range=kept, dst_color_range=kept)
    luma = rows_of(frame.planes[0])
    if frame.format.name in _INTERLEAVED:
        both = rows_of(frame.planes[1], samples=2)
        return small_of_planes(luma, both[..., 0], both[..., 1], full_range=full_range)
    cb, cr = rows_of(frame.planes[1]), rows_of(frame.planes[2])
    return small_of_planes(luma, cb, cr, full_range=full_range)


def to_video_range(frame: VideoFrame) -> VideoFrame:
    """``frame``, whose format is RGB or one of full range, as yuv420p in video range."""
    converted = frame.reformat(format="yuv420p", dst_color_range=ColorRange.MPEG)
    converted.color_range = ColorRange.MPEG  # PyAV 16 leaves the old mark on it
    return converted


def luma_of(frame: VideoFrame) -> Luma:
    """The luma of :func:`small_of` alone."""
    return small_of(frame).luma


def rows_of(plane: VideoPlane, *, samples: int = 1) -> NDArray[np.uint8]:
    """A view of ``plane`` without its padding, [height, width]; writable, and only
    valid while its frame lives. With ``samples`` by turns: [height, width, samples].
    """
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    rows = rows[: plane.height, : plane.width * samples]
    return rows if samples == 1 else rows.reshape(plane.height, plane.width, samples)


def _is_full_range(frame: VideoFrame) -> bool:
    return frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG


def _resized(plane: Plane, width: int, height: int) -> NDArray[np.uint8]:
    small = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
