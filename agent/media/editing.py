"""A clip made ready to leave: plain MP4, trimmed and redacted as the owner approved.

In comes what was recorded, decrypted: fragmented MP4, read from front to back, perhaps
ending in the middle. Out goes one video stream in an MP4 that plays while it loads
(``moov`` before ``mdat``), with no sound, no other stream and no metadata of its file.

- Nothing trimmed or redacted: the camera's pictures, bit for bit, without the notes that its
  encoder leaves beside them (:mod:`.units`).
- **Trim**: nothing outside the approved span leaves. Packets are copied from the first
  keyframe inside it to its end; a span without a keyframe is encoded again.
- **Redact**: the boxes are filled with grey, in every frame, before it is encoded again.
  Pixelation is not used: many pictures of a moving face, each coarse, add up to a fine one.

Everything stays in memory. Which trim and which boxes are approved is decided elsewhere.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, BinaryIO, Final, Protocol, TypeAlias

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
from agent.media.nal_units import Cleaner, MalformedRecord

_log = logging.getLogger(__name__)

_VideoPacket: TypeAlias = "Packet[VideoStream]"

_CODECS: Final = ("h264", "hevc")
_MP4_OPTIONS: Final = {"movflags": "+faststart", "fflags": "+bitexact"}
_X264_OPTIONS: Final = {"preset": "veryfast", "crf": "20", "bf": "0"}
_NO_SEI: Final = "filter_units=remove_types=6"  # x264 writes its version and settings there
_KEYFRAME_SECONDS: Final = 2
_USUAL_RATE: Final = Fraction(30)
_FILL: Final = "0x808080"


class Readable(Protocol):
    """Where a decrypted clip is read from: front to back, no seeking."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


def prepare(plain: Readable, *, trim: Trim | None, redact: Sequence[Box]) -> bytes:
    """The MP4 that may leave, from the recorded clip ``plain``.

    Raises :class:`ClipDamaged` for a clip without a whole picture, :class:`Refused`
    (``empty-trim``) for a span without one, and what reading ``plain`` raises.
    """
    reader = _Reader(plain)
    try:
        with av.open(reader, mode="r", format="mp4") as source:
            stream = _video(source)
            span = _Span(stream, trim)
            running, inside = span.pick(_packets(source, stream))
            first = next(inside, None)
            if first is not None and not redact:
                return _copied(stream, span.copyable(chain([first], inside)))
            leading = running if first is None else [*running, first]
            return _encoded(stream, span, chain(leading, inside), redact)
    except av.error.FFmpegError as error:
        raise reader.failure or ClipDamaged(f"the clip does not play ({error.strerror})") from error
    except UnicodeDecodeError as error:  # metadata, which PyAV 18 reads strictly
        raise ClipDamaged("the clip does not play (its metadata is not text)") from error


class _Reader:
    """``plain`` without the seeking that a file might offer; keeps what reading it raised."""

    def __init__(self, plain: Readable) -> None:
        self._plain = plain
        self.failure: Exception | None = None

    def read(self, size: int) -> bytes:
        if self.failure is not None:
            return b""  # FFmpeg may ask again; the first failure is the one that counts
        try:
            return self._plain.read(size)
        except Exception as error:
            self.failure = error
            raise


def _video(source: InputContainer) -> VideoStream:
    if len(source.streams.video) != 1:
        raise ClipDamaged(f"the clip has {len(source.streams.video)} video streams, not one")
    stream = source.streams.video[0]
    # PyAV's types promise a codec context; a damaged header may leave none.
    codec: CodecContext | None = stream.codec_context
    if codec is None or codec.name not in _CODECS or stream.time_base is None:
        raise ClipDamaged("the clip's header does not say how to play it")
    return stream


def _packets(source: InputContainer, stream: VideoStream) -> Iterator[_VideoPacket]:
    """The whole packets, up to where a recording that was cut off ends."""
    count = 0
    try:
        for packet in source.demux(stream):
            if packet.is_corrupt:
                break
            if packet.pts is None or packet.dts is None:
                continue  # says that there are no more
            count += 1
            yield packet
    except av.error.InvalidDataError:
        _log.info("the clip ends in the middle, after %d packets", count)
    if not count:
        raise ClipDamaged("the clip holds no picture")


class _Span:
    """The approved part of a stream, or all of it; compares times in the stream's units.

    A clip begins with its first packet, whatever number that has.
    """

    def __init__(self, stream: VideoStream, trim: Trim | None) -> None:
        assert stream.time_base is not None
        self._unit = stream.time_base
        self._trim = trim
        self._origin: int | None = None

    def pick(
        self, packets: Iterator[_VideoPacket]
    ) -> tuple[list[_VideoPacket], Iterator[_VideoPacket]]:
        """What runs into the span from the last keyframe before it, and what begins inside.

        The second begins with the first keyframe inside; it is empty without one.
        """
        running: list[_VideoPacket] = []
        for packet in packets:
            if self._origin is None:
                self._origin = packet.pts
            if packet.is_keyframe and self.holds(packet.pts):
                return running, chain([packet], self._decodable(packets))
            if self._is_over(packet.dts):
                break
            if packet.is_keyframe and not self._is_over(packet.pts):
                running = []
            running.append(packet)
        return running, iter(())

    def copyable(self, packets: Iterable[_VideoPacket]) -> Iterator[_VideoPacket]:
        """Packets that decode without any other. Stops at the first that lies beyond."""
        first_pts: int | None = None
        for packet in packets:
            if first_pts is None:
                first_pts = packet.pts
            assert packet.pts is not None
            assert first_pts is not None
            if self._is_over(packet.pts):
                return  # a later one may need this one, even if it is shown before
            if packet.pts >= first_pts:  # else it is shown before the keyframe, and needs more
                yield packet

    def holds(self, pts: int | None) -> bool:
        """Whether a picture shown at ``pts`` may leave."""
        if self._trim is None:
            return True
        return self._seconds(pts) >= self._trim.from_seconds and not self._is_over(pts)

    def _decodable(self, packets: Iterator[_VideoPacket]) -> Iterator[_VideoPacket]:
        for packet in packets:
            if self._is_over(packet.dts):
                return
            yield packet

    def _is_over(self, moment: int | None) -> bool:
        return self._trim is not None and self._seconds(moment) >= self._trim.to_seconds

    def _seconds(self, moment: int | None) -> float:
        assert moment is not None
        return float((moment - (self._origin or 0)) * self._unit)


def _copied(stream: VideoStream, packets: Iterator[_VideoPacket]) -> bytes:
    """The pictures as they are, and nothing else, in a new file that begins at zero."""
    try:
        cleaner = Cleaner.of(stream.codec_context.name, stream.codec_context.extradata or b"")
    except MalformedRecord as error:
        raise ClipDamaged("the clip's header does not say how to play it") from error
    with _new_mp4() as new:
        target = new.container.add_stream_from_template(stream)
        target.codec_context.extradata = cleaner.record
        origin: int | None = None
        for packet in packets:
            content = cleaner.clean(bytes(packet))
            if not content:
                continue
            if origin is None:
                origin = packet.dts
            assert packet.pts is not None
            assert packet.dts is not None
            assert origin is not None
            copy = Packet(content)
            copy.pts = packet.pts - origin
            copy.dts = packet.dts - origin
            copy.duration = packet.duration
            copy.time_base = packet.time_base
            copy.is_keyframe = packet.is_keyframe
            copy.stream = target
            new.container.mux(copy)
    if origin is None:
        raise ClipDamaged("the clip holds no picture")
    return new.content()


def _encoded(
    stream: VideoStream, span: _Span, packets: Iterable[_VideoPacket], redact: Sequence[Box]
) -> bytes:
    """The pictures inside the span, with the boxes filled, encoded again."""
    frames = (frame for frame in _frames(stream, packets) if span.holds(frame.pts))
    first = next(frames, None)
    if first is None or first.pts is None:
        raise Refused("empty-trim", "the approved span holds no picture")
    graph = _fill_graph(stream, first, [_pixels(box, first.width, first.height) for box in redact])
    with _new_mp4() as new:
        target = _x264_stream(new.container, stream, first)
        new.container.start_encoding()
        without_sei = BitStreamFilterContext(_NO_SEI, target)
        origin = first.pts
        for frame in chain([first], frames):
            assert frame.pts is not None
            frame.pts -= origin
            frame.pict_type = 0  # the encoder decides, not the recording
            graph.push(frame)
            filled = graph.pull()
            assert isinstance(filled, VideoFrame)
            filled.color_range = ColorRange.MPEG
            for packet in target.encode(filled):
                new.container.mux(without_sei.filter(packet))
        for packet in target.encode(None):
            new.container.mux(without_sei.filter(packet))
    return new.content()


def _frames(stream: VideoStream, packets: Iterable[_VideoPacket]) -> Iterator[VideoFrame]:
    for packet in packets:
        yield from stream.codec_context.decode(packet)
    yield from stream.codec_context.decode(None)


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


def _pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """``box`` as x, y, width, height in pixels, grown to whole chroma samples."""
    left, right = _grown(box.x, box.x + box.width, width)
    top, bottom = _grown(box.y, box.y + box.height, height)
    return left, top, right - left, bottom - top


def _grown(begin: float, end: float, size: int) -> tuple[int, int]:
    """The pixels from share ``begin`` to ``end`` of ``size``, outward to even ones."""
    return math.floor(begin * size / 2) * 2, min(size, math.ceil(end * size / 2) * 2)


def _fill_graph(
    stream: VideoStream, first: VideoFrame, boxes: Iterable[tuple[int, int, int, int]]
) -> Graph:
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
        *(
            graph.add("drawbox", f"x={x}:y={y}:w={width}:h={height}:color={_FILL}:t=fill")
            for x, y, width, height in boxes
        ),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    return graph


@dataclass
class _NewMp4:
    """An MP4 file being written to memory."""

    memory: io.BytesIO
    container: OutputContainer

    def content(self) -> bytes:
        """The file, once it is closed."""
        return self.memory.getvalue()


@contextmanager
def _new_mp4() -> Iterator[_NewMp4]:
    memory = io.BytesIO()

    def read_back(_url: str, _flags: int, _options: dict[str, Any]) -> BinaryIO:
        """Moving ``moov`` to the front, FFmpeg reads what it has written."""
        return _ReadBack(memory)  # type: ignore[return-value]  # the part of it that is used

    with av.open(
        memory, mode="w", format="mp4", options=dict(_MP4_OPTIONS), io_open=read_back
    ) as container:
        yield _NewMp4(memory, container)


class _ReadBack:
    """Reads a file in memory that another goes on writing, at a place of its own."""

    def __init__(self, memory: io.BytesIO) -> None:
        self._memory = memory
        self._position = 0

    def read(self, size: int) -> bytes:
        with self._memory.getbuffer() as content:
            piece = bytes(content[self._position : self._position + size])
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size()}
        self._position = bases[whence] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        """Nothing is held."""

    def _size(self) -> int:
        with self._memory.getbuffer() as content:
            return len(content)
