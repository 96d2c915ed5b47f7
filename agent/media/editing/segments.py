"""Parts of an exact trim: pictures encoded again at its ends, copied ones between.

A trim may begin and end at any picture. The pictures before its first entry point depend on
pictures that must not leave. So may the last ones, if B-pictures depend on one that is shown after
the end. Only these are encoded again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from agent.media.editing.span import Span, VideoPacket, shown_at
from agent.media.entry_points import is_independent, is_whole
from agent.media.parameter_sets import Codec


class Head:
    """The packets before the body, from whose first packet on pictures can be copied.

    ``packets`` run from an entry point before the span. ``shown`` are the times of the pictures of
    the span that come before the body, which begins with the first of ``body`` or is empty;
    ``behind`` are the packets of the body that are needed to decode them.
    """

    def __init__(
        self,
        span: Span,
        packets: Iterator[VideoPacket],
        codec: Codec,
        length_bytes: int,
        *,
        is_copied: bool,
    ) -> None:
        self._span = span
        self._codec: Codec = codec
        self._length_bytes = length_bytes
        self.packets, inside = span.pick(packets, self._is_whole)
        self.shown = span.held(self.packets)
        self.behind: list[VideoPacket] = []
        self.body = _Peekable(inside)
        if not is_copied:
            return
        for packet in self.body:
            if packet.is_keyframe and self._begins_body(packet):
                self.body.put_back([packet])
                return
            self.packets.append(packet)
            self.shown |= span.held([packet])

    def _begins_body(self, packet: VideoPacket) -> bool:
        behind = list(_until_shown_after(shown_at(packet), self.body))
        self.body.put_back(behind)
        early = {one for one in self._span.held(behind) if one < shown_at(packet)}
        if not self.packets:  # the clip begins here: what is shown before needs what is lost
            early = set()
        if early or self.shown:
            if not is_independent(bytes(packet), self._codec, self._length_bytes):
                return False
        elif not self._is_whole(packet):
            return False
        self.shown |= early
        self.behind = [packet, *behind] if early else []
        return True

    def _is_whole(self, packet: VideoPacket) -> bool:
        """True for an entry point. A clip's first picture counts as one: none is before it."""
        if not packet.is_keyframe:
            return False
        return self._span.begins_with(packet) or is_whole(
            bytes(packet), self._codec, self._length_bytes
        )


class Body:
    """The packets of the span that are copied, in their order.

    Once iterated, ``tail`` are the times of the last pictures of the span, which cannot be copied,
    and ``context`` the packets that decode them. Only a stream with B-pictures (``is_reordered``)
    has a tail.
    """

    def __init__(self, span: Span, packets: Iterator[VideoPacket], *, is_reordered: bool) -> None:
        self._span = span
        self._is_reordered = is_reordered
        self._packets = packets
        self.tail: set[int] = set()
        self.context: list[VideoPacket] = []

    def __iter__(self) -> Iterator[VideoPacket]:
        """Hold one group of pictures back and keep the one before it: a tail may need both."""
        if not self._is_reordered or not self._span.is_trimmed:
            yield from _until_over(self._span, self._packets)
            return
        before: list[VideoPacket] = []
        group: list[VideoPacket] = []
        begin: int | None = None
        for packet in self._packets:
            begin = shown_at(packet) if begin is None else begin
            if packet.is_keyframe:
                yield from (one for one in group if shown_at(one) >= begin)
                before, group = group, []
            group.append(packet)
            if self._span.is_over(shown_at(packet)):
                break
        kept = [one for one in group if begin is not None and shown_at(one) >= begin]
        late = list(self._packets)  # decoded before the end of the span
        self.tail = {one for one in self._span.held(late) if begin is not None and one >= begin}
        if kept and self._span.is_over(shown_at(kept[-1])):
            kept.pop()
        while self.tail and kept and max(map(shown_at, kept)) > min(self.tail):
            self.tail.add(shown_at(kept.pop()))
        yield from kept
        if self.tail:
            needs_more = min(self.tail) < shown_at(group[0])
            self.context = [*(before if needs_more else ()), *group, *late]


def _until_over(span: Span, packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
    """Packets that decode without any before the first, to the end of the span."""
    begin: int | None = None
    for packet in packets:
        shown = shown_at(packet)
        begin = shown if begin is None else begin
        if span.is_over(shown):
            return
        if shown >= begin:
            yield packet


class _Peekable(Iterator[VideoPacket]):
    """Packets of which some were looked at and put back."""

    def __init__(self, packets: Iterator[VideoPacket]) -> None:
        self._packets = packets
        self._waiting: deque[VideoPacket] = deque()

    def __next__(self) -> VideoPacket:
        return self._waiting.popleft() if self._waiting else next(self._packets)

    def put_back(self, packets: Iterable[VideoPacket]) -> None:
        self._waiting.extendleft(reversed(list(packets)))


def _until_shown_after(moment: int, packets: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
    """Packets up to the first that is shown after ``moment``."""
    for packet in packets:
        yield packet
        if shown_at(packet) > moment:
            return
