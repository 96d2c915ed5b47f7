"""The times of a live track's packets, from their arrival."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import av
from av.video.stream import VideoStream

from agent.camera.sources.network.track import Track
from agent.camera.sources.timeline import Arrival, Timeline
from agent.clock import Clock
from agent.errors import CameraFault

# A stream's first packets are held until its pace can be told: after so many seconds in which
# the reader had to wait for packets, and at least so many of these.
_LEARNING_SECONDS, _LEARNING_PACKETS = 1.3, 3
_LONGEST_HOLD_SECONDS, _MOST_HELD = 5.0, 300
_WAIT_SECONDS = 0.002  # if the backlog is unknown: such a packet was not there yet
GATHER_SECONDS = 0.25

_Packet: TypeAlias = "av.Packet[VideoStream]"
_Arrived: TypeAlias = "tuple[_Packet, Arrival]"


class Stamps:
    """The stamps of one stream's packets, in seconds of its own clock.

    The packets of a stream share their time base; PyAV makes a fraction of it each time.
    """

    def __init__(self) -> None:
        self._base: tuple[int, int] | None = None

    def of(self, packet: _Packet) -> float | None:
        """The decoding time of ``packet``, or else when it is shown; None if it says neither."""
        ticks = packet.dts
        if ticks is None:
            ticks = packet.pts
        if ticks is None:
            return None
        if self._base is None:
            self._base = packet.time_base.numerator, packet.time_base.denominator
        numerator, denominator = self._base
        return ticks * numerator / denominator


class Placed(NamedTuple):
    """A packet, and its time of capture in ``seconds`` of our clock.

    A second of the stream's clock lasts ``pace`` seconds, the step from packet to packet is
    mostly ``step_seconds`` long. ``behind_seconds``: so long it waited for a reader that is too
    slow; 0 where the network was.
    """

    packet: _Packet
    seconds: float
    step_seconds: float
    pace: float = 1.0
    behind_seconds: float = 0.0


def live(track: Track, clock: Clock, *, gather_seconds: float = 0.0) -> Iterator[Placed]:
    """The packets of a camera as they come; the first ones a moment later.

    Packets that nobody waits for may be gathered for ``gather_seconds``: placing and copying one
    alone costs three times as much, since a thread that was just woken finds its caches cold.
    """
    timeline = Timeline()
    held: list[_Arrived] | None = []
    kept_up = clock.monotonic()
    for packet, arrival in _gathered(_arrivals(track, clock), gather_seconds):
        if arrival.fresh:
            kept_up = arrival.seconds
        if held is None:
            seconds = timeline.place(arrival)
            behind = max(arrival.seconds - max(kept_up, seconds), 0.0)
            yield Placed(packet, seconds, timeline.step_seconds, timeline.pace, behind)
            continue
        held.append((packet, arrival))
        if _tell_the_pace([arrival for _, arrival in held]):
            yield from _begun(timeline, held)
            held, kept_up = None, clock.monotonic()
    if held:
        yield from _begun(timeline, held)


def _gathered(arrivals: Iterator[_Arrived], seconds: float) -> Iterator[_Arrived]:
    """``arrivals`` in groups, each held until one comes so many ``seconds`` after its first."""
    held: list[_Arrived] = []
    try:
        for one in arrivals:
            held.append(one)
            if one[1].seconds - held[0][1].seconds >= seconds:
                yield from held
                held.clear()
    except CameraFault:
        yield from held
        raise
    yield from held


def _tell_the_pace(arrivals: list[Arrival]) -> bool:
    """True if the first packets suffice, or must."""
    fresh = [arrival.seconds for arrival in arrivals if arrival.fresh]
    return (
        len(arrivals) >= _MOST_HELD
        or arrivals[-1].seconds - arrivals[0].seconds >= _LONGEST_HOLD_SECONDS
        or (len(fresh) >= _LEARNING_PACKETS and fresh[-1] - fresh[0] >= _LEARNING_SECONDS)
    )


def _begun(timeline: Timeline, held: list[_Arrived]) -> Iterator[Placed]:
    times = timeline.begin([arrival for _, arrival in held])
    for (packet, _), seconds in zip(held, times, strict=True):
        yield Placed(packet, seconds, timeline.step_seconds, timeline.pace)


def _arrivals(track: Track, clock: Clock) -> Iterator[_Arrived]:
    """Packets with their time of arrival."""
    stamps = Stamps()
    waits = track.backlog.waits()
    asked = clock.monotonic()
    for packet in track.packets():
        came = clock.monotonic()
        fresh = came - asked > _WAIT_SECONDS if waits is None else not waits
        yield packet, Arrival(stamps.of(packet), came, fresh)
        if came - asked >= track.timeout_seconds:
            raise track.silence()  # FFmpeg gave out its last one as it gave up waiting
        waits = track.backlog.waits()
        asked = clock.monotonic()
