"""Network cameras (RTSP, HTTP) and video files, their packets copied as they are.

Motion is detected in the camera's small stream (``detect``) if there is one; else the
main stream is decoded, on one thread. ``pace`` tells how to date the packets: those of a
``live`` camera by their arrival, those of a file as :mod:`.video_file` says.

A live camera that is lost, or not there yet, is tried again for ever: after a power cut this
process is up before the camera is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Literal

from agent.camera.source import Interruption, Item, VideoFormat
from agent.camera.sources.network.arrivals import GATHER_SECONDS, live
from agent.camera.sources.network.connection import Connection
from agent.camera.sources.network.login import Login
from agent.camera.sources.network.packets import recorded, watched
from agent.camera.sources.network.reconnect import BackOff
from agent.camera.sources.network.track import Track, TurnedAway
from agent.camera.sources.network.trust import Trust
from agent.camera.sources.network.video_file import VideoFile
from agent.clock import Clock
from agent.config import StreamSource
from agent.config.location import is_url, redacted
from agent.errors import CameraFault

_NAP_SECONDS = 0.25  # how long close() may wait for a pause to end


@dataclass(eq=False)
class Stream:
    """The camera or file that ``settings`` name; a :class:`agent.camera.source.Source`.

    ``login`` replaces those in the URLs. ``login`` and ``trust`` hold for both streams.
    """

    settings: StreamSource
    _: KW_ONLY
    login: Login | None = None
    trust: Trust = field(default_factory=Trust)
    motion_frames_per_second: float
    timeout_seconds: float
    clock: Clock

    def __post_init__(self) -> None:
        self._closed = threading.Event()
        self._connection: Connection | None = None
        self._stands_since: float | None = None
        self._back_off = BackOff()
        self._lost: Interruption | None = None
        self._file: VideoFile | None = None

    def open(self) -> VideoFormat | Interruption:
        """See :class:`agent.camera.source.Source`."""
        record, detect = self.settings.record, self.settings.detect
        if self.settings.pace != "live":
            self._file = VideoFile(
                self._track("record"),
                None if detect is None else self._track("detect"),
                pace=self.settings.pace,
                motion_frames_per_second=self.motion_frames_per_second,
                clock=self.clock,
            )
            return self._file.open()
        if not is_url(record):
            raise CameraFault(
                f"camera.source.record is the file {redacted(record)}, not a live camera",
                advice="Begin it with rtsp:// or http://, or set camera.source.pace to real-time"
                " or import",
            )
        try:
            video = self._connect()
        except CameraFault as fault:
            self._lost = self._interruption(fault)
            return self._lost
        if video is None:
            raise CameraFault("the camera was closed while it was opened")
        return video

    def read(self) -> Iterator[Item]:
        """See :class:`agent.camera.source.Source`."""
        if self._file is not None:
            yield from self._file.read()
        else:
            yield from self._read_for_ever()

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`. A live camera: from any thread."""
        self._closed.set()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _read_for_ever(self) -> Iterator[Item]:
        """The items of the camera, which is lost and found again, until closed."""
        while not self._closed.is_set():
            try:
                if self._lost is not None:
                    self._pause(self._lost.retry_seconds)
                    video = self._connect()
                    if video is None:
                        return
                    yield video
                if self._connection is not None:
                    yield from self._connection.items()
            except CameraFault as fault:
                self._lost = self._interruption(fault)
                yield self._lost

    def _interruption(self, fault: CameraFault) -> Interruption:
        """The loss of the connection that stood until now, or the failure to make one."""
        if self._connection is not None:
            self._connection.hang_up()  # without waiting: the fault is reported at once
        now, since = self.clock.monotonic(), self._stands_since
        wait = self._back_off.lost(
            stood_seconds=0.0 if since is None else now - since,
            turned_away=isinstance(fault, TurnedAway),
        )
        return Interruption(fault, wait)

    def _connect(self) -> VideoFormat | None:
        """Open a new connection. Raises :class:`CameraFault`; None when closed meanwhile."""
        self._stands_since = None
        rate, detect_url = self.motion_frames_per_second, self.settings.detect

        def record(track: Track) -> Iterator[Item]:
            if detect_url is None:
                return recorded(track, live(track, self.clock), frames_per_second=rate)
            placed = live(track, self.clock, gather_seconds=GATHER_SECONDS)
            return recorded(track, placed, frames_per_second=None)

        def detect(track: Track) -> Iterator[Item]:
            return watched(track, live(track, self.clock), frames_per_second=rate)

        main = partial(self._track, "record"), record
        small = None if detect_url is None else (partial(self._track, "detect"), detect)
        self._connection = connection = Connection(main, small)
        if self._closed.is_set():  # before there was something to close
            return None
        video = connection.open()
        self._stands_since = self.clock.monotonic()
        return video

    def _pause(self, seconds: float) -> None:
        """Wait, but not beyond :meth:`close`."""
        end = self.clock.monotonic() + seconds
        while not self._closed.is_set() and (rest := end - self.clock.monotonic()) > 0:
            self.clock.sleep(min(rest, _NAP_SECONDS))

    def _track(self, setting: Literal["record", "detect"]) -> Track:
        location = getattr(self.settings, setting)
        if self.login is not None and is_url(location):
            location = self.login.into(location)
        return Track(
            location,
            setting=setting,
            trust=self.trust,
            transport=self.settings.transport,
            timeout_seconds=self.timeout_seconds,
        )
