"""A video file in a camera's place, read on the reader's own thread.

In ``real-time`` a file plays as if it were a camera, from the moment it was opened.
An ``import`` is read as fast as it goes, and dated so that it ends at that moment.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Literal

from agent.camera.source import Item, VideoFormat
from agent.camera.sources.network.arrivals import Placed, stamp_of
from agent.camera.sources.network.packets import recorded, watched
from agent.camera.sources.network.track import Track
from agent.camera.sources.timeline import Timeline
from agent.clock import Clock
from agent.errors import CameraFault


class VideoFile:
    """Records the file ``main``, and detects motion in ``small``, or else in ``main``."""

    def __init__(
        self,
        main: Track,
        small: Track | None,
        *,
        pace: Literal["real-time", "import"],
        motion_frames_per_second: float,
        clock: Clock,
    ) -> None:
        self._main = main
        self._small = small
        self._pace = pace
        self._rate = motion_frames_per_second
        self._clock = clock
        self._epoch = 0.0  # clock seconds of the first packet

    def open(self) -> VideoFormat:
        """Date the first packet. Raises :class:`CameraFault`."""
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

    def read(self) -> Iterator[Item]:
        """Both files to their ends, in the order of time."""
        placed = self._placed(self._main)
        if self._small is None:
            yield from recorded(self._main, placed, frames_per_second=self._rate)
            return
        yield from heapq.merge(
            recorded(self._main, placed, frames_per_second=None),
            watched(self._small, self._placed(self._small), frames_per_second=self._rate),
            key=lambda item: getattr(item, "seconds", float("-inf")),  # a format goes first
        )

    def close(self) -> None:
        """Close the files."""
        self._main.close()
        if self._small is not None:
            self._small.close()

    def _placed(self, track: Track) -> Iterator[Placed]:
        timeline = Timeline(follow=False)
        for packet in track.packets():
            seconds = timeline.place(stamp_of(packet), self._epoch)
            ahead = seconds - self._clock.monotonic()
            if self._pace == "real-time" and ahead > 0:
                self._clock.sleep(ahead)
            yield packet, seconds
