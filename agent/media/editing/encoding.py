"""Pictures encoded again, with their boxes filled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain
from typing import BinaryIO, Final

from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from agent.consent.statements import Box
from agent.errors import Refused
from agent.media.editing.content import Tally
from agent.media.editing.fill import Fill
from agent.media.editing.span import Span, VideoPacket
from agent.media.mp4 import new_mp4

_X264_OPTIONS: Final = {"preset": "veryfast", "crf": "20", "bf": "0"}
_NO_SEI: Final = "filter_units=remove_types=6"  # x264 writes its version and settings there
_KEYFRAME_SECONDS: Final = 2
_USUAL_RATE: Final = Fraction(30)


def encode(
    stream: VideoStream,
    span: Span,
    packets: Iterable[VideoPacket],
    boxes: Sequence[Box],
    target: BinaryIO,
    tally: Tally,
) -> None:
    """Write the pictures inside the span to a new file, with the boxes filled.

    Raises :class:`Refused` (``empty-trim``) if there are none.
    """
    frames = (
        (frame, frame.pts)
        for packet in chain(packets, [None])
        for frame in stream.codec_context.decode(packet)
        if frame.pts is not None and span.holds(frame.pts)
    )
    first, origin = next(frames, (None, 0))
    if first is None:
        raise Refused("empty-trim", "the approved span holds no picture")
    fill = Fill(stream, first, boxes)
    with new_mp4(target) as container:
        made = _x264_stream(container, stream, first)
        container.start_encoding()
        without_sei = BitStreamFilterContext(_NO_SEI, made)
        for frame, shown in chain([(first, origin)], frames):
            frame.pts = shown - origin
            frame.pict_type = 0  # the encoder decides, not the recording
            for packet in made.encode(fill.filled(frame)):
                container.mux(without_sei.filter(packet))
            tally.add(shown, encoded=True)
        for packet in made.encode(None):
            container.mux(without_sei.filter(packet))


def _x264_stream(container: OutputContainer, source: VideoStream, first: VideoFrame) -> VideoStream:
    rate = source.average_rate or _USUAL_RATE
    target: VideoStream = container.add_stream("libx264", rate=rate, options=dict(_X264_OPTIONS))
    target.width, target.height = first.width, first.height
    target.pix_fmt = "yuv420p"
    context, recorded = target.codec_context, source.codec_context
    assert source.time_base is not None
    context.time_base = source.time_base
    context.gop_size = max(1, round(float(rate) * _KEYFRAME_SECONDS))
    context.color_range = ColorRange.MPEG
    context.colorspace = recorded.colorspace
    context.color_primaries = recorded.color_primaries
    context.color_trc = recorded.color_trc
    return target
