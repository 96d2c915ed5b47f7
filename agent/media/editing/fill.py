"""Boxes of a picture filled with grey, before it is encoded again.

Pixelation is not used: many pictures of a moving face, each coarse, add up to a fine one. The
pictures are filled as they were decoded: to change their format first would mix what is
covered with the pixels beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from av.video.format import VideoFormatComponent
from av.video.frame import VideoFrame

from agent.consent.statements import Redaction, Region
from agent.errors import ClipDamaged
from agent.media.turn import coded_region

_PIXEL: Final = 1e-6  # of one: 0.1 + 0.2 is no reason to cover one more


def fill(
    frame: VideoFrame, redactions: Sequence[Redaction], begin: float, end: float, *, turn: int = 0
) -> None:
    """Fill the boxes that are on the picture ``frame``, shown from ``begin`` until ``end``.

    ``turn``: the quarter turns by which players show it; boxes are placed as it is shown.
    Times are in seconds from the recording's start. A box is grown to even pixels, and covers
    all places at which it is while the picture is shown.
    """
    regions = [one.region(begin, end) for one in redactions]
    there = [coded_region(region, turn) for region in regions if region is not None]
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
    """Fill a rectangle of pixels in one plane, whose samples may each be of several pixels."""
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

    Interlaced, two rows of one field share their colours: rows grow to fours.
    """
    width, height = frame.width, frame.height
    rows = 4 if frame.interlaced_frame else 2
    return (
        math.floor(region.left * width / 2 + _PIXEL) * 2,
        math.floor(region.top * height / rows + _PIXEL) * rows,
        min(width, math.ceil(region.right * width / 2 - _PIXEL) * 2),
        min(height, math.ceil(region.bottom * height / rows - _PIXEL) * rows),
    )
