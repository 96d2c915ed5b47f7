"""Network cameras (RTSP, HTTP) and video files, their packets copied as they are.

Detection looks at the camera's small stream when there is one (``detect``), else
the main stream is decoded, on one thread, and scaled down as often as the detector
asks. ``pace`` says what time means: ``live`` packets happen as they arrive;
a file in ``real-time`` plays as if it were a camera; an ``import`` is read as fast
as it goes and dated so that it ends at the moment it was opened.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Iterator
from typing import Literal

import av
import av.error
from av.video.stream import VideoStream

from agent.camera.source import Frame, FrameRate, Packet, VideoFormat
from agent.camera.sources.luma import luma_of
from agent.camera.sources.timeline import Timeline
from agent.camera.sources.track import Track, is_url
from agent.clock import Clock
from agent.errors import CameraFault

Pace = Literal["live", "real-time", "import"]

_WAIT_SECONDS = 0.02  # a packet that took longer to come was not there yet
_MOST_PILED_UP = 300
_FRAMES_WAITING = 8  # of the small stream; older ones are dropped


class Stream:
    """A camera or file at ``record``, watched on ``detect``; see the module's text."""

    def __init__(
        self,
        *,
        record: str,
        detect: str | None,
        transport: Literal["tcp", "udp"],
        pace: Pace,
        frames_per_second: float,
        timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self._record = record
        self._detect = detect
        self._transport: Literal["tcp", "udp"] = transport
        self._pace = pace
        self._frames_per_second = frames_per_second
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._main: Track | None = None
        self._small: Track | None = None
        self._watcher: _Watcher | None = None
        self._epoch = 0.0  # clock seconds of a file's first packet

    def open(self) -> VideoFormat:
        """See :class:`agent.camera.source.Source`."""
        if self._pace == "live" and not is_url(self._record):
            raise CameraFault(
                f"{self._record} is a file, not a live camera",
                advice="Set camera.source.pace to real-time or import",
            )
        self._main = self._track(self._record)
        if self._detect is not None:
            self._small = self._track(self._detect)
        self._epoch = self._clock.monotonic()
        if self._pace == "import":
            length = self._main.length_seconds
            if length is None:
                raise CameraFault(
                    f"{self._main.name} does not say how long it is",
                    advice="Convert it to MP4, or set camera.source.pace to real-time",
                )
            self._epoch -= length
        return self._main.format

    def read(self) -> Iterator[Packet | Frame]:
        """See :class:`agent.camera.source.Source`."""
        if self._main is None:
            return
        if self._small is None:
            yield from self._packets(self._main, decode=True)
        elif self._pace == "live":
            self._watcher = _Watcher(self._frames(self._small))
            for packet in self._packets(self._main, decode=False):
                yield packet
                yield from self._watcher.frames()
        else:
            yield from heapq.merge(
                self._packets(self._main, decode=False),
                self._frames(self._small),
                key=lambda item: item.seconds,
            )
        if self._pace == "live":
            raise CameraFault(
                f"{self._main.name} ended the stream", advice="Check that the camera is on"
            )

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`."""
        if self._main is not None:
            self._main.close()
        idle = self._watcher is None or self._watcher.stop(self._timeout_seconds + 1)
        if self._small is not None and idle:  # never under a thread that reads it
            self._small.close()
        self._main = self._small = self._watcher = None

    def _track(self, location: str) -> Track:
        return Track(location, transport=self._transport, timeout_seconds=self._timeout_seconds)

    def _packets(self, track: Track, *, decode: bool) -> Iterator[Packet | Frame]:
        """The main stream: each packet, followed by its picture when one is wanted."""
        rate = FrameRate(self._frames_per_second)
        for packet, seconds in self._placed(track):
            delay = 0.0
            if packet.pts is not None and packet.dts is not None:
                delay = max(float((packet.pts - packet.dts) * packet.time_base), 0.0)
            duration = float((packet.duration or 0) * packet.time_base)
            yield Packet(
                data=bytes(packet),
                keyframe=packet.is_keyframe,
                seconds=seconds,
                duration_seconds=duration or track.frame_seconds,
                delay_seconds=delay,
            )
            if decode:
                yield from _decoded(packet, seconds, rate)

    def _frames(self, track: Track) -> Iterator[Frame]:
        """The small stream: pictures alone."""
        rate = FrameRate(self._frames_per_second)
        for packet, seconds in self._placed(track):
            yield from _decoded(packet, seconds, rate)

    def _placed(self, track: Track) -> Iterator[tuple[av.Packet[VideoStream], float]]:
        """Packets with their clock seconds; waits for each in ``real-time``."""
        live = self._pace == "live"
        timeline = Timeline(follow=live)
        for packet, arrival in self._arrivals(track) if live else self._queued(track):
            seconds = timeline.place(_stamp(packet), arrival)
            if self._pace == "real-time":
                ahead = seconds - self._clock.monotonic()
                if ahead > 0:
                    self._clock.sleep(ahead)
            yield packet, seconds

    def _queued(self, track: Track) -> Iterator[tuple[av.Packet[VideoStream], float]]:
        """A file's packets, all there from its beginning on."""
        for packet in track.packets():
            yield packet, self._epoch

    def _arrivals(self, track: Track) -> Iterator[tuple[av.Packet[VideoStream], float]]:
        """Packets with the moment at which they came.

        What piled up while the stream was probed comes all at once: it is held until
        the first packet that had to be waited for, and dated back from that.
        """
        piled_up: list[av.Packet[VideoStream]] = []
        is_flowing = False
        asked = self._clock.monotonic()
        for packet in track.packets():
            came = self._clock.monotonic()
            if is_flowing:
                yield packet, came
                continue
            piled_up.append(packet)
            is_flowing = came - asked > _WAIT_SECONDS or len(piled_up) == _MOST_PILED_UP
            if is_flowing:
                yield from _dated_back(piled_up, came)
                piled_up = []
            asked = self._clock.monotonic()
        yield from _dated_back(piled_up, asked)


def _stamp(packet: av.Packet[VideoStream]) -> float | None:
    """When ``packet`` is to be decoded, in seconds of the stream's own clock."""
    ticks = packet.pts if packet.dts is None else packet.dts
    return None if ticks is None else float(ticks * packet.time_base)


def _dated_back(
    packets: list[av.Packet[VideoStream]], came: float
) -> Iterator[tuple[av.Packet[VideoStream], float]]:
    """``packets``, of which the last came at ``came``, with when each must have come.

    One without a stamp (RTSP's first ones may have none) came with the next.
    """
    arrivals: list[float] = []
    later: float | None = None
    for packet in reversed(packets):
        stamp = _stamp(packet)
        if stamp is not None:
            came -= max(later - stamp, 0.0) if later is not None else 0.0
            later = stamp
        arrivals.append(came)
    yield from zip(packets, reversed(arrivals), strict=True)


def _decoded(packet: av.Packet[VideoStream], seconds: float, rate: FrameRate) -> Iterator[Frame]:
    """The pictures in ``packet`` that are due.

    All packets that others build on are decoded, few are looked at. One that does not
    decode is skipped: a camera joined in the middle begins with such, and if none
    decodes at all, the missing frames end the process.
    """
    try:
        pictures = packet.decode()
    except av.error.FFmpegError:
        return
    for picture in pictures:
        if rate.due(seconds):
            yield Frame(luma_of(picture), seconds)


class _Watcher:
    """Reads the small stream on a thread of its own, keeping only the latest frames."""

    def __init__(self, source: Iterator[Frame]) -> None:
        self._source = source
        self._waiting: deque[Frame] = deque(maxlen=_FRAMES_WAITING)
        self._fault: BaseException | None = None
        self._over = False
        self._thread = threading.Thread(target=self._run, name="detect", daemon=True)
        self._thread.start()

    def frames(self) -> Iterator[Frame]:
        """What came since the last call; raises what ended the small stream."""
        while self._waiting:
            yield self._waiting.popleft()
        if self._fault is not None:
            raise self._fault

    def stop(self, timeout_seconds: float) -> bool:
        """End the thread, at its next frame or time limit; whether it did end."""
        self._over = True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for frame in self._source:
                if self._over:
                    return
                self._waiting.append(frame)
            self._fault = CameraFault(
                "the camera's small stream ended", advice="Check camera.source.detect"
            )
        except BaseException as error:  # noqa: BLE001 - raised again by frames()
            self._fault = error
