"""The times of a live track's packets, from their arrival."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import av
from av.video.stream import VideoStream

from agent.camera.sources.network.track import Track
from agent.camera.sources.timeline import Timeline
from agent.clock import Clock

_WAIT_SECONDS = 0.02  # a packet that took longer to come was not there yet
_MOST_PILED_UP = 300
_LONGEST_STEP_SECONDS = 2.0  # between two packets that piled up; more is no honest clock

Placed: TypeAlias = "tuple[av.Packet[VideoStream], float]"


def live(track: Track, clock: Clock) -> Iterator[Placed]:
    """The packets of a camera as they come, with their seconds of ``clock``."""
    timeline = Timeline(follow=True)
    for packet, arrival in _arrivals(track, clock):
        yield packet, timeline.place(stamp_of(packet), arrival)


def stamp_of(packet: av.Packet[VideoStream]) -> float | None:
    """The decoding time of ``packet``, in seconds of the stream's own clock."""
    ticks = packet.pts if packet.dts is None else packet.dts
    return None if ticks is None else seconds_of(ticks, packet)


def seconds_of(ticks: int, packet: av.Packet[VideoStream]) -> float:
    """``ticks`` of the time base of ``packet``; quicker than arithmetic with fractions."""
    base = packet.time_base
    return ticks * base.numerator / base.denominator


def _arrivals(track: Track, clock: Clock) -> Iterator[Placed]:
    """Packets with their time of arrival.

    Those that piled up while the stream was probed come all at once: they are held until
    the first packet that had to be waited for, and dated back from that.
    """
    piled_up: list[av.Packet[VideoStream]] | None = []
    asked = clock.monotonic()
    for packet in track.packets():
        came = clock.monotonic()
        if piled_up is None:
            yield packet, came
            if came - asked >= track.timeout_seconds:
                raise track.silence()  # FFmpeg gave out its last one as it gave up waiting
        else:
            piled_up.append(packet)
            if came - asked > _WAIT_SECONDS or len(piled_up) == _MOST_PILED_UP:
                yield from _dated_back(piled_up, came)
                piled_up = None
        asked = clock.monotonic()
    yield from _dated_back(piled_up or [], asked)


def _dated_back(packets: list[av.Packet[VideoStream]], came: float) -> Iterator[Placed]:
    """``packets``, of which the last came at ``came``, with the likely arrival of each.

    One without a stamp (RTSP's first ones may have none) came with the next.
    """
    arrivals: list[float] = []
    later: float | None = None
    for packet in reversed(packets):
        stamp = stamp_of(packet)
        if stamp is not None:
            step = 0.0 if later is None else later - stamp
            came -= step if 0 < step <= _LONGEST_STEP_SECONDS else 0.0
            later = stamp
        arrivals.append(came)
    yield from zip(packets, reversed(arrivals), strict=True)
