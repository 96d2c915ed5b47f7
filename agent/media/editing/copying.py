"""Exact trim: pictures are copied as they are, and encoded again only at its ends."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final

from av.packet import Packet
from av.video.stream import VideoStream

from agent.media.coded_stream import add_coded_stream
from agent.media.editing.content import Tally
from agent.media.editing.seam import CodedPicture, NoSeam, SeamEncoder
from agent.media.editing.segments import Body, Head
from agent.media.editing.span import Span, VideoPacket, decoded, shown_at, stamps
from agent.media.entry_points import as_broken_link
from agent.media.mp4 import new_mp4
from agent.media.nal_units import Cleaner, HiddenPicture
from agent.media.parameter_sets import Codec
from agent.media.rotation import write_matrix

TAGS: Final[dict[Codec, str]] = {"h264": "avc1", "hevc": "hvc1"}  # Apple's players take no other

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sample:
    """A picture in the file: its bytes, and its times in units of the stream."""

    content: bytes
    shown: int
    decoded: int
    duration: int
    is_keyframe: bool
    encoded: bool = False


class ExactCopy:
    """The pictures of a span, as few as possible encoded again.

    Raises :class:`NoSeam` here if that cannot be done; nothing is written then.
    """

    def __init__(
        self, stream: VideoStream, codec: Codec, span: Span, head: Head, cleaner: Cleaner
    ) -> None:
        self._stream = stream
        self._codec: Codec = codec
        self._cleaner = cleaner
        self._first = next(head.body)
        head.body.put_back([self._first])
        is_reordered = stream.codec_context.has_b_frames
        self._body = Body(span, head.body, is_reordered=is_reordered)
        self._seam = None
        if head.shown or (span.is_trimmed and is_reordered):
            self._seam = SeamEncoder(stream, codec, cleaner)
        self.record = cleaner.record_with(self._seam.sets if self._seam else ())
        self._head = self._encoded_head(head)

    def write(self, target: BinaryIO, tally: Tally, *, rotation: int) -> None:
        """Write all to a new file that begins at zero, shown with this many quarter turns.

        It ends where pictures begin that are partly hidden.
        """
        origin, unit = None, self._stream.time_base
        assert unit is not None
        with new_mp4(target) as container:
            context = self._stream.codec_context
            made = add_coded_stream(
                container, self._codec, context.width, context.height, self.record
            )
            made.codec_context.codec_tag = TAGS[self._codec]
            made.time_base = unit
            if rotation:
                made.set_display_matrix(write_matrix(rotation, context.width, context.height))
            for sample in self._samples():
                origin = sample.shown if origin is None else origin
                copied = Packet(sample.content)
                copied.pts, copied.dts = sample.shown - origin, sample.decoded - origin
                copied.duration = sample.duration
                copied.time_base = unit
                copied.is_keyframe = sample.is_keyframe
                copied.stream = made
                container.mux(copied)
                tally.add(sample.shown, encoded=sample.encoded)

    def _samples(self) -> Iterator[_Sample]:
        yield from self._head
        last: _Sample | None = None
        with suppress(HiddenPicture):
            for packet in self._body:
                if content := self._cleaner.clean(bytes(packet)):
                    if packet is self._first and self._head:
                        content = self._after_head(content)
                    last = _copied(packet, content)
                    yield last
            if self._body.tail and self._seam is not None:
                yield from self._encoded_tail(self._seam, last)

    def _after_head(self, content: bytes) -> bytes:
        """The first copied picture, fitted to follow encoded pictures instead of its own."""
        if self._codec == "h264":
            return content
        return as_broken_link(content, self._cleaner.length_bytes)

    def _encoded_head(self, head: Head) -> list[_Sample]:
        """The pictures before the body; each is decoded as early as the body's first picture."""
        if self._seam is None or not head.shown:
            return []
        packets = [*head.packets, *head.behind]
        coded = self._encoded(self._seam, packets, head.shown)
        shown, decoded = stamps(self._first)
        following = CodedPicture(
            self._after_head(self._cleaner.clean(bytes(self._first))), shown, is_keyframe=True
        )
        self._seam.verify(self.record, [*coded, following])
        return _timed(coded, packets, shown - decoded)

    def _encoded(
        self, seam: SeamEncoder, packets: Iterable[VideoPacket], shown: set[int]
    ) -> list[CodedPicture]:
        """The pictures in ``packets`` that are shown at these times, encoded again."""
        decoder = self._stream.codec_context
        decoder.flush_buffers()
        return seam.run(frame for frame in decoded(decoder, packets) if frame.pts in shown)

    def _encoded_tail(self, seam: SeamEncoder, last: _Sample | None) -> list[_Sample]:
        """The pictures after ``last``, the last copied one; each is decoded after it."""
        try:
            seam.check_numbers(self._cleaner)
            coded = self._encoded(seam, self._body.context, self._body.tail)
            seam.verify(self.record, coded)
            return _timed(coded, self._body.context, _delay_after(last, coded))
        except NoSeam as why:  # what was copied cannot be taken back, and is stated as it is
            _log.info("the last %d pictures are left out: %s", len(self._body.tail), why)
            return []


def _copied(packet: VideoPacket, content: bytes) -> _Sample:
    shown, decoded = stamps(packet)
    return _Sample(content, shown, decoded, packet.duration or 0, packet.is_keyframe)


def _delay_after(last: _Sample | None, coded: Sequence[CodedPicture]) -> int:
    """The time by which ``coded`` are decoded before they are shown, all after ``last``."""
    if last is None or not coded:
        return 0
    delay = coded[0].shown - last.decoded - max(last.duration, 1)
    if delay < 0:
        raise NoSeam("they are shown before they can be decoded")
    return delay


def _timed(
    coded: Iterable[CodedPicture], packets: Iterable[VideoPacket], delay: int
) -> list[_Sample]:
    """Encoded pictures, each decoded ``delay`` before it is shown; ``packets`` held them."""
    durations = {shown_at(packet): packet.duration or 0 for packet in packets}
    return [
        _Sample(
            one.content,
            one.shown,
            one.shown - delay,
            durations.get(one.shown, 0),
            one.is_keyframe,
            encoded=True,
        )
        for one in coded
    ]
