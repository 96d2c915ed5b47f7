"""Packets and pictures of a recorded clip that lie in its approved span."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeAlias

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.consent.statements import Trim
from agent.media.editing.content import Tally

VideoPacket: TypeAlias = "Packet[VideoStream]"


def stamps(packet: VideoPacket) -> tuple[int, int]:
    """The times at which ``packet``, which has both, is shown and decoded."""
    assert packet.pts is not None
    assert packet.dts is not None
    return packet.pts, packet.dts


def shown_at(packet: VideoPacket) -> int:
    """The time at which ``packet`` is shown."""
    return stamps(packet)[0]


def decoded(decoder: VideoCodecContext, packets: Iterable[VideoPacket]) -> Iterator[VideoFrame]:
    """All pictures in ``packets``, in the order in which they are shown."""
    return (frame for packet in chain(packets, [None]) for frame in decoder.decode(packet))


class Span:
    """The approved part of a stream, or all of it; compares times in the stream's units.

    Time zero is the first packet's time stamp, whatever its value.
    """

    def __init__(self, stream: VideoStream, trim: Trim | None) -> None:
        assert stream.time_base is not None
        self._unit = stream.time_base
        self._trim = trim
        self._origin: int | None = None
        self._hidden: set[int] = set()  # times of packets that an edit list hides

    def pick(
        self, packets: Iterator[VideoPacket], is_whole: Callable[[VideoPacket], bool]
    ) -> tuple[list[VideoPacket], Iterator[VideoPacket]]:
        """Split the packets at the first whole picture inside the span.

        Returns those before it, from the last whole picture before the span on, and those from it
        on, which are none if the span holds no whole picture.
        """
        running: list[VideoPacket] = []
        for packet in packets:
            shown, decoded = stamps(packet)
            if self._origin is None:
                self._origin = shown
            if packet.is_discard:
                self._hidden.add(shown)
            begins = is_whole(packet)
            if begins and self.holds(shown):
                return running, chain([packet], self._decodable(packets))
            if self.is_over(decoded):
                break
            if begins and not self.is_over(shown):
                running = []
            running.append(packet)
        return running, iter(())

    @property
    def is_trimmed(self) -> bool:
        """False for all of the stream."""
        return self._trim is not None

    def begins_with(self, packet: VideoPacket) -> bool:
        """True for the first packet of the stream."""
        return shown_at(packet) == self._origin

    def tally(self) -> Tally:
        """A new tally of this stream's pictures; after :meth:`pick` found the first."""
        return Tally(self._unit, self._origin or 0)

    def holds(self, shown: int) -> bool:
        """Tell if a picture shown at this time may leave; one that players hide never does."""
        if shown in self._hidden:
            return False
        if self._trim is None:
            return True
        return self.seconds(shown) >= self._trim.from_seconds and not self.is_over(shown)

    def held(self, packets: Iterable[VideoPacket]) -> set[int]:
        """The times of the pictures among ``packets`` that may leave."""
        return {shown_at(packet) for packet in packets if self.holds(shown_at(packet))}

    def is_over(self, moment: int) -> bool:
        """True at the end of the span and after it."""
        return self._trim is not None and self.seconds(moment) >= self._trim.to_seconds

    def seconds(self, moment: int) -> float:
        """A time of the stream in seconds from the recording's start."""
        ticks = moment - (self._origin or 0)
        return ticks * self._unit.numerator / self._unit.denominator

    def _decodable(self, packets: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
        for packet in packets:
            if packet.is_discard or self.is_over(stamps(packet)[1]):
                return
            yield packet
