"""Solid grey over the boxes of a picture, before it is encoded again.

Pixelation is not used: many coarse pictures of a moving face add up to a fine one. Pictures are
filled in the format in which they were decoded: converting first would mix covered pixels into
their neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from av.video.format import VideoFormatComponent
from av.video.frame import VideoFrame

from agent.consent.statements import Redaction, Region
from agent.errors import ClipDamaged
from agent.media.rotation import coded_region

_PIXEL: Final = 1e-6  # of one: 0.1 + 0.2 is no reason to cover one more


def fill(
    frame: VideoFrame,
    redactions: Sequence[Redaction],
    begin: float,
    end: float,
    *,
    rotation: int = 0,
) -> None:
    """Fill the boxes that are on the picture ``frame``, shown from ``begin`` until ``end``.

    Times are in seconds from the recording's start. A box covers every place that it passes in
    this time, rounded outward to even pixels. ``rotation``: the quarter turns by which players show
    the picture; boxes are placed on it as it is shown.
    """
    regions = [one.region(begin, end) for one in redactions]
    there = [coded_region(region, rotation) for region in regions if region is not None]
    if not there:
        return
    components = frame.format.components
    if sorted(component.plane for component in components) != list(range(len(frame.planes))):
        raise ClipDamaged(f"the clip has pictures of an unknown kind ({frame.format.name})")
    frame.make_writable()  # the decoder predicts other pictures from its own copy
    for region in there:
        pixels = _grown(region, frame)
        for component in components:
            _fill(frame, component, pixels)


def _fill(
    frame: VideoFrame, component: VideoFormatComponent, pixels: tuple[int, int, int, int]
) -> None:
    """Fill a rectangle of pixels in one plane; a sample may stand for several pixels."""
    left, top, right, bottom = pixels
    across = -(-frame.width // component.width)
    down = -(-frame.height // component.height)
    order: Literal["big", "little"] = "big" if frame.format.is_big_endian else "little"
    grey = (1 << (component.bits - 1)).to_bytes(1 if component.bits <= 8 else 2, order)
    row = grey * (-(-right // across) - left // across)
    plane = frame.planes[component.plane]
    with memoryview(plane) as samples:
        for number in range(top // down, -(-bottom // down)):
            start = number * plane.line_size + left // across * len(grey)
            samples[start : start + len(row)] = row


def _grown(region: Region, frame: VideoFrame) -> tuple[int, int, int, int]:
    """The edges of ``region`` in pixels, outward to even ones inside the picture.

    In interlaced 4:2:0, a chroma row belongs to two rows of one field, so rows go outward to
    multiples of four.
    """
    width, height = frame.width, frame.height
    rows = 4 if frame.interlaced_frame else 2
    return (
        math.floor(region.left * width / 2 + _PIXEL) * 2,
        math.floor(region.top * height / rows + _PIXEL) * rows,
        min(width, math.ceil(region.right * width / 2 - _PIXEL) * 2),
        min(height, math.ceil(region.bottom * height / rows - _PIXEL) * rows),
    )
