"""The items made of a track's packets: copies to record, small frames to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.camera.source import Frame, FrameRate, Packet, Unjudged, VideoFormat
from agent.camera.sources.annexb import pictures_until_shown
from agent.camera.sources.luma import frame_of
from agent.camera.sources.network.arrivals import Placed
from agent.camera.sources.network.catch_up import CatchUp
from agent.camera.sources.network.damage import Judgement
from agent.camera.sources.network.frame_numbers import FrameNumbers
from agent.camera.sources.network.track import Track

_MOST_REORDERED = 16  # pictures that a decoder holds back (ITU-T H.264, A.3.1)
_LONGEST_DELAY_SECONDS = 2.0  # of reordered pictures; more is a broken stamp


def recorded(
    track: Track, placed: Iterable[Placed], *, frames_per_second: float | None
) -> Iterator[VideoFormat | Packet | Frame | Unjudged]:
    """Each packet as it came; before it a format that begins with it, after it its frame.

    ``frames_per_second`` limits the frames; None: there are none.
    """
    codec = track.format.codec
    viewer = None
    if frames_per_second is not None:
        viewer = _Viewer(track, frames_per_second, extradata=track.format.extradata)
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
            yield from viewer.look(one, data)


def watched(
    track: Track, placed: Iterable[Placed], *, frames_per_second: float
) -> Iterator[Frame | Unjudged]:
    """The frames alone."""
    viewer = _Viewer(track, frames_per_second, extradata=track.extradata)
    for one in placed:
        yield from viewer.look(one, bytes(one.packet))


class _Viewer:
    """Decodes a track into at most ``frames_per_second`` small frames a second.

    Where pictures are damaged, or no keyframe came yet, it says so instead. If nothing decodes
    at all, though keyframes come, the missing frames end the process.
    """

    def __init__(self, track: Track, frames_per_second: float, *, extradata: bytes) -> None:
        self._track = track
        self._rate = FrameRate(frames_per_second)
        self._judgement = Judgement()
        self._catch_up = CatchUp()
        self._numbers = FrameNumbers(extradata) if track.codec_name == "h264" else None
        self._wanted = False  # since a packet whose picture is yet to come out
        self._whole_from = 0  # the stamp of the first picture after a hindrance
        self._reordered = 0  # packets in which earlier pictures may still come out

    def look(self, one: Placed, data: bytes) -> Iterator[Frame | Unjudged]:
        """The frame that is due, if one is, or why there is none; ``data`` is in Annex B."""
        packet, seconds = one.packet, one.seconds
        self._wanted = self._rate.due(seconds) or self._wanted
        if self._catch_up.leaves_out(one):
            self._judgement = Judgement()  # which waits for a keyframe
            if self._numbers is not None:
                self._numbers.forget()
            if self._wanted:
                self._wanted = False
                yield Unjudged(seconds, "overload")
            return
        hindered = self._judgement.hindrance is not None
        pictures, error = self._track.decode(packet, wanted=self._wanted or hindered)
        numbers, starts = self._numbers, hindered and packet.is_keyframe
        self._judgement.packet(
            keyframe=packet.is_keyframe,
            until_shown=pictures_until_shown(data, "h264") if numbers and starts else 0,
            gap=bool(packet.opaque),
            error=(numbers is not None and numbers.missing(data)) or error,
        )
        hindrance = self._judgement.hindrance
        if hindered and hindrance is None:
            self._whole_from, self._reordered = packet.pts or 0, _MOST_REORDERED
        whole = [
            picture
            for picture in pictures
            if not self._reordered or picture.pts is None or picture.pts >= self._whole_from
        ]
        self._reordered = 0 if whole else max(self._reordered - 1, 0)
        if self._wanted and (hindrance or whole):
            self._wanted = False
            yield Unjudged(seconds, hindrance) if hindrance else frame_of(whole[-1], seconds)


def _delay_seconds(one: Placed) -> float:
    """The time from the decoding of a picture until it is shown."""
    packet = one.packet
    if packet.pts == packet.dts or packet.pts is None or packet.dts is None:
        return 0.0
    delay = float((packet.pts - packet.dts) * packet.time_base) * one.pace
    return delay if 0 <= delay <= _LONGEST_DELAY_SECONDS else 0.0
