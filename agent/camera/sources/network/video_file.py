"""A video file in a camera's place, read on the reader's own thread.

In ``real-time`` a file plays as if it were a camera, from the moment it was opened.
An ``import`` is read as fast as it goes, and dated so that it ends at that moment.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from agent.camera.source import Item, VideoFormat
from agent.camera.sources.network.arrivals import Placed, Stamps
from agent.camera.sources.network.packets import recorded, watched
from agent.camera.sources.network.track import Track
from agent.camera.sources.timeline import FileTimeline
from agent.clock import Clock
from agent.errors import CameraFault


@dataclass(eq=False)
class VideoFile:
    """Records the file ``main``, and detects motion in ``small``, or else in ``main``."""

    main: Track
    small: Track | None
    _: KW_ONLY
    pace: Literal["real-time", "import"]
    motion_frames_per_second: float
    clock: Clock
    epoch: float = 0.0  # clock seconds of the first packet, set by :meth:`open`

    def open(self) -> VideoFormat:
        """Date the first packet. Raises :class:`CameraFault`."""
        self.epoch = self.clock.monotonic()
        if self.pace == "import":
            length = self.main.length_seconds
            if length is None:
                raise CameraFault(
                    f"{self.main.name} does not say how long it is",
                    advice="Convert it to MP4, or set camera.source.pace to real-time",
                )
            self.epoch -= length
        return self.main.format

    def read(self) -> Iterator[Item]:
        """Both files to their ends, in the order of time."""
        placed = self._placed(self.main)
        if self.small is None:
            yield from recorded(self.main, placed, frames_per_second=self.motion_frames_per_second)
            return
        yield from heapq.merge(
            recorded(self.main, placed, frames_per_second=None),
            watched(
                self.small,
                self._placed(self.small),
                frames_per_second=self.motion_frames_per_second,
            ),
            key=lambda item: getattr(item, "seconds", float("-inf")),  # a format goes first
        )

    def close(self) -> None:
        """Close the files."""
        self.main.close()
        if self.small is not None:
            self.small.close()

    def _placed(self, track: Track) -> Iterator[Placed]:
        timeline, stamps = FileTimeline(self.epoch), Stamps()
        for packet in track.packets():
            seconds = timeline.place(stamps.of(packet))
            ahead = seconds - self.clock.monotonic()
            if self.pace == "real-time" and ahead > 0:
                self.clock.sleep(ahead)
            yield Placed(packet, seconds, timeline.step_seconds)
