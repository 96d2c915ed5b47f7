"""Encoding of a whole span again, with its boxes filled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import chain
from typing import BinaryIO, Final, TypeVar

from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from agent.consent.statements import Redaction
from agent.errors import Refused
from agent.media.editing.content import Tally
from agent.media.editing.fill import fill
from agent.media.editing.span import Span, VideoPacket, decoded
from agent.media.mp4 import new_mp4
from agent.media.rotation import write_matrix

# x264's output depends on the number of threads and on the processor's instructions. Both are
# fixed, so that a preview on the owner's computer equals the release of a Pi. Each picture in the
# lookahead and each reference costs 8 MB at 1080p.
X264_OPTIONS: Final = {
    "preset": "veryfast",
    "crf": "19",
    "bf": "0",
    "threads": "4",
    "x264-params": "cpu-independent=1:rc-lookahead=3:ref=1",
}
_NO_SEI: Final = "filter_units=remove_types=6"  # x264 writes its version and settings there
_KEYFRAME_SECONDS: Final = 2
USUAL_RATE: Final = Fraction(30)

T = TypeVar("T")


def encode(
    stream: VideoStream,
    span: Span,
    packets: Iterable[VideoPacket],
    redact: Sequence[Redaction],
    target: BinaryIO,
    tally: Tally,
    *,
    rotation: int,
) -> None:
    """Write the pictures inside the span to a new file, with the redactions filled.

    ``rotation``: the quarter turns, clockwise, by which players show them, before and after. Raises
    :class:`Refused` (``empty-trim``) if there are none.
    """
    frames = (
        frame
        for frame in decoded(stream.codec_context, packets)
        if frame.pts is not None and span.holds(frame.pts)
    )
    pictures = _with_ends(frames, stream)
    first = next(pictures, None)
    if first is None:
        raise Refused("empty-trim", "the approved span holds no picture")
    (picture, origin, _) = first
    convert = _converter(stream, picture)
    with new_mp4(target) as container:
        made = _x264_stream(container, stream, picture)
        if rotation:
            made.set_display_matrix(write_matrix(rotation, picture.width, picture.height))
        container.start_encoding()
        without_sei = BitStreamFilterContext(_NO_SEI, made)

        def filled() -> Iterator[tuple[VideoFrame, int]]:
            for frame, shown, end in chain([first], pictures):
                fill(frame, redact, span.seconds(shown), span.seconds(end), rotation=rotation)
                frame.pts = shown - origin
                frame.pict_type = 0  # the encoder decides, not the recording
                yield convert(frame), shown

        for frame, shown in _ahead(filled()):
            for packet in made.encode(frame):
                container.mux(without_sei.filter(packet))
            tally.add(shown, encoded=True)
        for packet in made.encode(None):
            container.mux(without_sei.filter(packet))


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Each of ``items``; another thread makes the next one meanwhile."""
    with ThreadPoolExecutor(1) as other:
        coming = other.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = other.submit(next, items, None)
            yield item


def _with_ends(
    frames: Iterable[VideoFrame], stream: VideoStream
) -> Iterator[tuple[VideoFrame, int, int]]:
    """Each picture with the begin and the end of its time on the screen, in the stream's units.

    A recording does not always state the last end, so the last picture counts as shown for at
    least as long as the one before.
    """
    assert stream.time_base is not None
    waiting: tuple[VideoFrame, int] | None = None
    length = 0
    for frame in frames:
        assert frame.pts is not None
        if waiting is not None:
            length = frame.pts - waiting[1]
            yield (*waiting, frame.pts)
        waiting = frame, frame.pts
    if waiting is not None:
        frame, shown = waiting
        length = max(length, frame.duration) or math.ceil(1 / stream.time_base)
        yield frame, shown, shown + length


def _converter(stream: VideoStream, first: VideoFrame) -> Callable[[VideoFrame], VideoFrame]:
    """A conversion to 8-bit 4:2:0 in limited range."""
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(
            width=first.width,
            height=first.height,
            format=first.format,
            time_base=stream.time_base,
        ),
        graph.add("scale", "out_range=limited"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()

    def convert(frame: VideoFrame) -> VideoFrame:
        graph.push(frame)
        converted = graph.pull()
        assert isinstance(converted, VideoFrame)
        converted.color_range = ColorRange.MPEG
        return converted

    return convert


def _x264_stream(container: OutputContainer, source: VideoStream, first: VideoFrame) -> VideoStream:
    rate = source.average_rate or USUAL_RATE
    target: VideoStream = container.add_stream("libx264", rate=rate, options=dict(X264_OPTIONS))
    target.width, target.height = first.width, first.height
    target.pix_fmt = "yuv420p"
    context = target.codec_context
    copy_colours(source.codec_context, context)
    assert source.time_base is not None
    context.time_base = source.time_base
    context.gop_size = max(1, round(float(rate) * _KEYFRAME_SECONDS))
    context.color_range = ColorRange.MPEG
    return target


def copy_colours(recorded: VideoCodecContext, encoder: VideoCodecContext) -> None:
    """Give ``encoder`` the colours and the shape of pixels that the recording states."""
    if recorded.sample_aspect_ratio:
        encoder.sample_aspect_ratio = recorded.sample_aspect_ratio
    encoder.color_range = recorded.color_range
    encoder.colorspace = recorded.colorspace
    encoder.color_primaries = recorded.color_primaries
    encoder.color_trc = recorded.color_trc
