"""Network cameras (RTSP, HTTP) and video files, their packets copied as they are.

Detection looks at the camera's small stream when there is one (``detect``), else
the main stream is decoded, on one thread, and scaled down as often as the detector
asks. ``pace`` says what time means: ``live`` packets happen as they arrive;
a file in ``real-time`` plays as if it were a camera; an ``import`` is read as fast
as it goes and dated so that it ends at the moment it was opened.

A live camera that cannot be reached at first is a fault: somebody should look at
what was configured. One that was there and is lost is tried again for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Literal

from agent.camera.source import Interruption, Item, VideoFormat
from agent.camera.sources.network.arrivals import live
from agent.camera.sources.network.connection import Connection
from agent.camera.sources.network.login import Login
from agent.camera.sources.network.packets import recorded, watched
from agent.camera.sources.network.reconnect import BackOff
from agent.camera.sources.network.track import Track, TurnedAway
from agent.camera.sources.network.trust import Trust
from agent.camera.sources.network.video_file import Files
from agent.clock import Clock
from agent.config.location import is_url
from agent.errors import CameraFault

Pace = Literal["live", "real-time", "import"]

_NAP_SECONDS = 0.25  # how long close() may wait for a pause to end


class Stream:
    """A camera or file at ``record``, watched on ``detect``; see the module's text.

    ``login`` is for both, instead of what their URLs may carry, and so is ``trust``.
    """

    def __init__(
        self,
        *,
        record: str,
        detect: str | None,
        login: Login | None = None,
        trust: Trust | None = None,
        transport: Literal["tcp", "udp"],
        pace: Pace,
        frames_per_second: float,
        timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self._pace = pace
        self._record = record
        self._detect = detect
        self._login = login
        self._trust = trust or Trust()
        self._transport: Literal["tcp", "udp"] = transport
        self._frames_per_second = frames_per_second
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._closed = threading.Event()
        self._connection: Connection | None = None
        self._stands_since: float | None = None
        self._files: Files | None = None

    def open(self) -> VideoFormat:
        """See :class:`agent.camera.source.Source`."""
        if self._pace != "live":
            self._files = Files(
                self._track(self._record),
                None if self._detect is None else self._track(self._detect),
                pace=self._pace,
                frames_per_second=self._frames_per_second,
                clock=self._clock,
            )
            return self._files.open()
        if not is_url(self._record):
            raise CameraFault(
                f"{self._record} is a file, not a live camera",
                advice="Set camera.source.pace to real-time or import",
            )
        video = self._connect()
        if video is None:
            raise CameraFault("the camera was closed while it was opened")
        return video

    def read(self) -> Iterator[Item]:
        """See :class:`agent.camera.source.Source`."""
        if self._files is not None:
            yield from self._files.read()
        elif self._connection is not None:
            yield from self._read_for_ever(self._connection)

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`. A live camera: from any thread."""
        self._closed.set()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        files, self._files = self._files, None
        if files is not None:
            files.close()

    def _read_for_ever(self, connection: Connection) -> Iterator[Item]:
        """What the camera gives; lost and found again, until closed."""
        back_off = BackOff()
        items = connection.items()
        while True:
            try:
                yield from items
            except CameraFault as fault:
                lost = fault
            else:
                return
            if self._connection is not None:
                self._connection.hang_up()  # and be quick to say what happened
            now, since = self._clock.monotonic(), self._stands_since
            wait = back_off.lost(
                stood_seconds=0.0 if since is None else now - since,
                turned_away=isinstance(lost, TurnedAway),
            )
            yield Interruption(lost, wait)
            self._pause(wait)
            items = self._again()

    def _again(self) -> Iterator[Item]:
        """The camera's format once more, then all that follows; nothing if closed."""
        video, connection = self._connect(), self._connection
        if video is not None and connection is not None:
            yield video
            yield from connection.items()

    def _connect(self) -> VideoFormat | None:
        """Open a new connection. Raises :class:`CameraFault`; None when closed meanwhile."""
        self._stands_since = None
        rate = self._frames_per_second

        def record(track: Track) -> Iterator[Item]:
            own = rate if self._detect is None else None
            return recorded(track, live(track, self._clock), frames_per_second=own)

        def detect(track: Track) -> Iterator[Item]:
            return watched(track, live(track, self._clock), frames_per_second=rate)

        main = partial(self._track, self._record), record
        small = None if self._detect is None else (partial(self._track, self._detect), detect)
        self._connection = connection = Connection(main, small)
        if self._closed.is_set():  # before there was something to close
            return None
        video = connection.open()
        self._stands_since = self._clock.monotonic()
        return video

    def _pause(self, seconds: float) -> None:
        """Wait, but not beyond :meth:`close`."""
        end = self._clock.monotonic() + seconds
        while not self._closed.is_set() and (rest := end - self._clock.monotonic()) > 0:
            self._clock.sleep(min(rest, _NAP_SECONDS))

    def _track(self, location: str) -> Track:
        if self._login is not None and is_url(location):
            location = self._login.into(location)
        return Track(
            location,
            trust=self._trust,
            transport=self._transport,
            timeout_seconds=self._timeout_seconds,
        )
