"""Is there a camera, and does it give pictures? One look, bounded in time.

For ``clip-agent check``. Uses the source as the daemon does, on a thread of its own,
so that a camera that hangs while it is opened, read or closed cannot hang the look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.camera.source import Frame, Interruption, Source, VideoFormat
from agent.camera.sources.reader import End, Reader
from agent.camera.stall import StallDetector
from agent.errors import CameraFault

_POLL_SECONDS = 0.25
_CLOSE_SECONDS = 2.0  # for the source to let go of its camera
_LEAVE_SECONDS = 0.5  # for one that failed, and may hang


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found: the video's format, and the source's own words where it has some."""

    video: VideoFormat
    description: str
    encoder: str

    def __str__(self) -> str:
        name = f"{self.description}: " if self.description else ""
        video = f"{self.video.codec}, {self.video.width}x{self.video.height}"
        return f"{name}{video}{', ' if self.encoder else ''}{self.encoder}"


def look(
    source: Source, *, silence: StallDetector, each_wait: Callable[[], None] = lambda: None
) -> Seen:
    """Wait for the first small picture; :class:`CameraFault` says why there is none.

    ``silence`` bounds each wait as it does for the daemon. ``each_wait`` is called
    whenever nothing came for a moment.
    """
    reader = Reader(source)
    reader.start()
    seen: Seen | None = None
    patience = _LEAVE_SECONDS
    silence.opening()
    try:
        while True:
            item = reader.next(_POLL_SECONDS)
            match item:
                case VideoFormat():
                    silence.opened()
                    seen = Seen(item, _said(source, "description"), _said(source, "encoder"))
                case Interruption(fault=fault):
                    raise fault
                case Frame() if seen is not None:
                    patience = _CLOSE_SECONDS
                    return seen
                case End.OVER:
                    raise CameraFault("the camera gives no picture", advice="Check camera.source")
                case End.SILENCE:
                    each_wait()
            silence.check()
    finally:
        reader.stop(patience)


def _said(source: Source, what: str) -> str:
    return str(getattr(source, what, ""))
