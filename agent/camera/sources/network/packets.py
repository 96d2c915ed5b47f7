"""The items made of a track's packets: copies to record, small frames to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
from av.video.stream import VideoStream

from agent.camera.source import Frame, FrameRate, Packet, VideoFormat
from agent.camera.sources.annexb import pictures_until_shown
from agent.camera.sources.luma import frame_of
from agent.camera.sources.network.arrivals import Placed, seconds_of
from agent.camera.sources.network.track import Track

_LONGEST_DELAY_SECONDS = 2.0  # of reordered pictures; more is a broken stamp


def recorded(
    track: Track, placed: Iterable[Placed], *, frames_per_second: float | None
) -> Iterator[VideoFormat | Packet | Frame]:
    """Each packet as it came; before it a format that begins with it, after it its frame.

    ``frames_per_second`` limits the frames; None: there are none.
    """
    codec = track.format.codec
    viewer = None if frames_per_second is None else _Viewer(track, frames_per_second)
    for one in placed:
        packet, seconds = one.packet, one.seconds
        begun, data = track.watch.take(packet)
        if begun is not None:
            yield begun
        yield Packet(
            data=data,
            keyframe=packet.is_keyframe,
            seconds=seconds,
            duration_seconds=one.step_seconds,  # as measured: what a camera says may be absurd
            delay_seconds=_delay_seconds(one),
            until_shown=pictures_until_shown(data, codec) if packet.is_keyframe else 0,
        )
        if viewer is not None:
            yield from viewer.look(packet, seconds)


def watched(track: Track, placed: Iterable[Placed], *, frames_per_second: float) -> Iterator[Frame]:
    """The frames alone."""
    viewer = _Viewer(track, frames_per_second)
    for one in placed:
        yield from viewer.look(one.packet, one.seconds)


class _Viewer:
    """Decodes a track into at most ``frames_per_second`` small frames a second.

    Packets that do not decode are skipped: a camera joined in the middle begins with such. If
    nothing decodes at all, the missing frames end the process.
    """

    def __init__(self, track: Track, frames_per_second: float) -> None:
        self._track = track
        self._rate = FrameRate(frames_per_second)
        self._wanted = False  # since a packet whose picture is yet to come out

    def look(self, packet: av.Packet[VideoStream], seconds: float) -> Iterator[Frame]:
        """The frame that is due, if one is."""
        self._wanted = self._rate.due(seconds) or self._wanted
        pictures = self._track.decode(packet, wanted=self._wanted)
        if self._wanted and pictures:
            self._wanted = False
            yield frame_of(pictures[-1], seconds)


def _delay_seconds(one: Placed) -> float:
    """The time from the decoding of a picture until it is shown."""
    packet = one.packet
    if packet.pts is None or packet.dts is None or packet.time_base is None:
        return 0.0
    delay = seconds_of(packet.pts - packet.dts, packet) * one.pace
    return delay if 0 <= delay <= _LONGEST_DELAY_SECONDS else 0.0
