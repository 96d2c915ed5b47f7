"""A clip made ready to leave: plain MP4, trimmed and redacted as the owner approved.

The input is the decrypted recording: fragmented MP4, read from front to back, perhaps
cut off. The output is one video stream in an MP4 that plays while it loads (``moov``
before ``mdat``), with no sound, no other stream and no metadata of its file.

- Nothing trimmed or redacted: the camera's pictures, bit for bit, without the notes that its
  encoder leaves beside them (:mod:`.nal_units`).
- **Trim**: nothing outside the approved span leaves. Packets are copied from the first
  keyframe inside it to its end; a span without a keyframe is encoded again.
- **Redact**: the boxes are filled with grey, in every frame, before it is encoded again.
  Pixelation is not used: many pictures of a moving face, each coarse, add up to a fine one.

Everything stays in memory.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import Final

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.codec import CodecContext
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from agent.consent.statements import Box, Trim
from agent.errors import ClipDamaged, Refused
from agent.media.coded_stream import add_coded_stream
from agent.media.mp4 import ForwardReader, Readable, new_mp4
from agent.media.nal_units import Cleaner, HiddenPicture
from agent.media.parameter_sets import Codec, MalformedSet
from agent.media.set_records import MalformedRecord
from agent.media.span import Span, VideoPacket, stamps

_log = logging.getLogger(__name__)

_TAGS: Final = {"h264": "avc1", "hevc": "hvc1"}  # by codec; Apple's players take no other
_X264_OPTIONS: Final = {"preset": "veryfast", "crf": "20", "bf": "0"}
_NO_SEI: Final = "filter_units=remove_types=6"  # x264 writes its version and settings there
_KEYFRAME_SECONDS: Final = 2
_USUAL_RATE: Final = Fraction(30)
_FILL: Final = "0x808080"


def prepare(plain: Readable, *, trim: Trim | None, redact: Sequence[Box]) -> bytes:
    """The MP4 that may leave, from the recorded clip ``plain``.

    Raises :class:`ClipDamaged` for a clip without a whole picture, :class:`Refused`
    (``empty-trim``) for a span without one, and any error from reading ``plain``.
    """
    reader = ForwardReader(plain)
    try:
        with av.open(reader, mode="r", format="mp4") as source:
            stream = _video(source)
            span = Span(stream, trim)
            running, inside = span.pick(_packets(source, stream))
            first = next(inside, None)
            if first is not None and not redact and (cleaner := _cleaner(stream, first)):
                return _copied(stream, cleaner, span.copyable(chain([first], inside)))
            leading = running if first is None else [*running, first]
            return _encoded(stream, span, chain(leading, inside), redact)
    except av.error.FFmpegError as error:
        raise reader.failure or ClipDamaged(f"the clip does not play ({error.strerror})") from error
    except UnicodeDecodeError as error:  # metadata, which PyAV 18 reads strictly
        raise ClipDamaged("the clip does not play (its metadata is not text)") from error


def _video(source: InputContainer) -> VideoStream:
    if len(source.streams.video) != 1:
        raise ClipDamaged(f"the clip has {len(source.streams.video)} video streams, not one")
    stream = source.streams.video[0]
    # PyAV's types promise a codec context; a damaged header may leave none.
    codec: CodecContext | None = stream.codec_context
    if codec is None or codec.name not in _TAGS or stream.time_base is None:
        raise ClipDamaged("the clip's header does not tell how to play it")
    return stream


def _packets(source: InputContainer, stream: VideoStream) -> Iterator[VideoPacket]:
    """The whole packets, up to the end of a recording, which may be cut off."""
    count = 0
    try:
        for packet in source.demux(stream):
            if packet.is_corrupt:
                break
            if packet.pts is None or packet.dts is None:
                continue  # marks the end
            count += 1
            yield packet
    except av.error.InvalidDataError:
        _log.info("the clip is cut off after %d packets", count)
    if not count:
        raise ClipDamaged("the clip holds no picture")


def _cleaner(stream: VideoStream, first: VideoPacket) -> Cleaner | None:
    """The cleaner of a copy that begins with ``first``; None if that would hide a picture."""
    codec: Codec = "h264" if stream.codec_context.name == "h264" else "hevc"
    try:
        return Cleaner(codec, stream.codec_context.extradata or b"", bytes(first))
    except HiddenPicture:
        _log.info("the clip's header crops its pictures: it is encoded again")
        return None
    except (MalformedRecord, MalformedSet) as error:
        raise ClipDamaged("the clip's header does not tell how to play it") from error


def _copied(stream: VideoStream, cleaner: Cleaner, packets: Iterator[VideoPacket]) -> bytes:
    """The pictures as they are, and nothing else, in a new file that begins at zero.

    It ends where pictures begin that are partly hidden.
    """
    memory, origin = io.BytesIO(), None
    with new_mp4(memory) as container, suppress(HiddenPicture):
        context = stream.codec_context
        target = add_coded_stream(
            container, context.name, context.width, context.height, cleaner.record
        )
        target.codec_context.codec_tag = _TAGS[context.name]
        target.time_base = stream.time_base
        for packet in packets:
            content = cleaner.clean(bytes(packet))
            if not content:
                continue
            shown, decoded = stamps(packet)
            origin = decoded if origin is None else origin
            copy = Packet(content)
            copy.pts, copy.dts = shown - origin, decoded - origin
            copy.duration = packet.duration
            copy.time_base = packet.time_base
            copy.is_keyframe = packet.is_keyframe
            copy.stream = target
            container.mux(copy)
    if origin is None:
        raise ClipDamaged("the clip holds no picture")
    return memory.getvalue()


def _encoded(
    stream: VideoStream, span: Span, packets: Iterable[VideoPacket], redact: Sequence[Box]
) -> bytes:
    """The pictures inside the span, with the boxes filled, encoded again."""
    frames = (
        (frame, frame.pts)
        for packet in chain(packets, [None])
        for frame in stream.codec_context.decode(packet)
        if frame.pts is not None and span.holds(frame.pts)
    )
    first, origin = next(frames, (None, 0))
    if first is None:
        raise Refused("empty-trim", "the approved span holds no picture")
    graph = _fill_graph(stream, first, redact)
    memory = io.BytesIO()
    with new_mp4(memory) as container:
        target = _x264_stream(container, stream, first)
        container.start_encoding()
        without_sei = BitStreamFilterContext(_NO_SEI, target)
        for frame, shown in chain([(first, origin)], frames):
            frame.pts = shown - origin
            frame.pict_type = 0  # the encoder decides, not the recording
            graph.push(frame)
            filled = graph.pull()
            assert isinstance(filled, VideoFrame)
            filled.color_range = ColorRange.MPEG
            for packet in target.encode(filled):
                container.mux(without_sei.filter(packet))
        for packet in target.encode(None):
            container.mux(without_sei.filter(packet))
    return memory.getvalue()


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


def _fill_graph(stream: VideoStream, first: VideoFrame, boxes: Iterable[Box]) -> Graph:
    """A filter that fills the boxes, each grown to whole chroma samples."""
    graph = Graph()
    nodes = [
        graph.add_buffer(
            width=first.width,
            height=first.height,
            format=first.format,
            time_base=stream.time_base,
        ),
        graph.add("scale", "out_range=limited"),
        graph.add("format", "yuv420p"),
    ]
    for box in boxes:
        left, right = _grown(box.x, box.x + box.width, first.width)
        top, bottom = _grown(box.y, box.y + box.height, first.height)
        place = f"x={left}:y={top}:w={right - left}:h={bottom - top}"
        nodes.append(graph.add("drawbox", f"{place}:color={_FILL}:t=fill"))
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def _grown(begin: float, end: float, size: int) -> tuple[int, int]:
    """The pixels from share ``begin`` to ``end`` of ``size``, outward to even ones."""
    return math.floor(begin * size / 2) * 2, min(size, math.ceil(end * size / 2) * 2)
