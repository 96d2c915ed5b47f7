"""A filter that covers boxes of a picture with grey before it is encoded again.

Pixelation is not used: many pictures of a moving face, each coarse, add up to a fine one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from agent.consent.statements import Box

_GREY: Final = "0x808080"


class Fill:
    """Fills boxes in the pictures of a stream, each grown to whole chroma samples.

    ``first`` is the first picture. What comes out is 8-bit 4:2:0 in limited range.
    """

    def __init__(self, stream: VideoStream, first: VideoFrame, boxes: Iterable[Box]) -> None:
        self._graph = Graph()
        nodes = [
            self._graph.add_buffer(
                width=first.width,
                height=first.height,
                format=first.format,
                time_base=stream.time_base,
            ),
            self._graph.add("scale", "out_range=limited"),
            self._graph.add("format", "yuv420p"),
        ]
        for box in boxes:
            left, right = _grown(box.x, box.x + box.width, first.width)
            top, bottom = _grown(box.y, box.y + box.height, first.height)
            place = f"x={left}:y={top}:w={right - left}:h={bottom - top}"
            nodes.append(self._graph.add("drawbox", f"{place}:color={_GREY}:t=fill"))
        self._graph.link_nodes(*nodes, self._graph.add("buffersink")).configure()

    def filled(self, frame: VideoFrame) -> VideoFrame:
        """``frame`` with the boxes filled."""
        self._graph.push(frame)
        filled = self._graph.pull()
        assert isinstance(filled, VideoFrame)
        filled.color_range = ColorRange.MPEG
        return filled


def _grown(begin: float, end: float, size: int) -> tuple[int, int]:
    """The pixels from share ``begin`` to ``end`` of ``size``, outward to even ones."""
    return math.floor(begin * size / 2) * 2, min(size, math.ceil(end * size / 2) * 2)
