"""The seconds before a motion, kept in memory.

A ring of encoded packets in groups that each begin with a keyframe, so that a clip can begin
where a decoder can. It reaches back at least ``seconds`` from the last picture that was looked
at, which may be behind the packets: a small stream is another connection.

It is bounded in bytes too. A group that alone is larger keeps its keyframe and its newest
packets, so that motion always begins a clip; its pictures are blurred until the next keyframe.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import dropwhile, groupby

from agent.camera.source import Packet, VideoFormat

MAX_BYTES = 64 * 1024 * 1024  # a minute between two keyframes at 8 Mbit/s
_MOST_BEHIND_SECONDS = 3.0  # that pictures may be

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stretch:
    """Packets of one format. A decoder needs ``lead`` first, of which it shows nothing."""

    video: VideoFormat
    lead: list[Packet]
    packets: list[Packet]


@dataclass(eq=False)
class _Group:
    """A keyframe and what follows it. ``shown_at``: the first picture that a decoder shows."""

    video: VideoFormat
    left: int  # packets until then
    packets: deque[Packet] = field(default_factory=deque)
    shown_at: float | None = None
    is_thinned: bool = False


class PreRoll:
    """The latest packets; those added from now on are of the format ``video``."""

    def __init__(self, video: VideoFormat, *, seconds: float, max_bytes: int = MAX_BYTES) -> None:
        self.video = video
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._groups: deque[_Group] = deque()
        self._warned = False
        self._looked_at = float("-inf")
        self.bytes = 0

    def add(self, packet: Packet) -> None:
        """Keep ``packet`` and drop what is too old or too much."""
        if packet.keyframe:
            self._groups.append(_Group(self.video, packet.until_shown))
        elif not self._groups or self._groups[-1].video is not self.video:
            return  # nothing can be decoded before the first keyframe
        self._groups[-1].packets.append(packet)
        self.bytes += len(packet.data)
        for group in self._groups:
            if group.shown_at is None and group.video is self.video:
                if group.left == 0:
                    group.shown_at = packet.seconds
                group.left -= 1
        looked_at = max(self._looked_at, packet.seconds - _MOST_BEHIND_SECONDS)
        while len(self._groups) > 1 and self._has_expired(min(looked_at, packet.seconds)):
            self._drop_oldest()
        while self.bytes > self._max_bytes:
            self._warn()
            self._drop_oldest() if len(self._groups) > 1 else self._thin_out()

    def look(self, seconds: float) -> None:
        """Note that the picture of ``seconds`` was looked at: no motion is found earlier."""
        self._looked_at = max(self._looked_at, seconds)

    def since(self, seconds: float) -> list[Stretch]:
        """The packets from the latest picture at or before ``seconds`` with which a clip can
        begin, or else from the oldest; none before there is one. In the order of time.
        """
        ready = [group for group in self._groups if group.shown_at is not None]
        early = [group for group in ready if (group.shown_at or 0.0) <= seconds]
        return self._stretches((early or ready)[-1 if early else 0]) if ready else []

    def onward(self, seconds: float) -> list[Stretch]:
        """The packets from ``seconds`` on, to follow a clip that ends there; none where a
        decoder cannot begin with that very picture.
        """
        first = next((group for group in self._groups if group.shown_at == seconds), None)
        return [] if first is None else self._stretches(first)

    def _stretches(self, first: _Group) -> list[Stretch]:
        stretches = []
        groups = dropwhile(lambda group: group is not first, self._groups)
        for video, same in groupby(groups, key=lambda group: group.video):
            run = list(same)
            packets = [packet for group in run for packet in _decodable(group)]
            begin = packets[0].seconds if run[0].shown_at is None else run[0].shown_at
            lead = [packet for packet in packets if packet.seconds < begin]
            stretches.append(Stretch(video, lead, packets[len(lead) :]))
        return stretches

    def _has_expired(self, now: float) -> bool:
        """True if the second group alone reaches back far enough."""
        shown_at = self._groups[1].shown_at
        return shown_at is not None and shown_at <= now - self._seconds

    def _drop_oldest(self) -> None:
        self.bytes -= sum(len(packet.data) for packet in self._groups.popleft().packets)

    def _thin_out(self) -> None:
        """Drop the oldest packet of the only group, but keep its keyframe if possible."""
        group = self._groups[0]
        if len(group.packets) == 1:
            self._drop_oldest()
            return
        keyframe = group.packets.popleft()
        self.bytes -= len(group.packets.popleft().data)
        group.packets.appendleft(keyframe)
        group.is_thinned = True

    def _warn(self) -> None:
        if not self._warned:
            _log.warning(
                "the pre-roll is shorter than %g s: it would need more than %d MiB; "
                "lower the camera's bit-rate or set more keyframes",
                self._seconds,
                self._max_bytes >> 20,
            )
        self._warned = True


def _decodable(group: _Group) -> list[Packet]:
    """The packets of ``group``; a keyframe whose next packets are gone is shown just before
    those that are left.
    """
    packets = list(group.packets)
    if group.is_thinned and len(packets) > 1:
        keyframe, following = packets[0], packets[1]
        step = min(keyframe.duration_seconds, following.seconds - keyframe.seconds)
        packets[0] = replace(keyframe, seconds=following.seconds - step)
    return packets
