"""One bounded look at the camera, for ``clip-agent check``.

Uses the source as the daemon does, on a thread of its own, so that a camera that hangs
while it is opened, read or closed cannot hang the look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.camera.health.stall import StallDetector
from agent.camera.source import Frame, Interruption, Packet, Source, Unjudged, VideoFormat
from agent.camera.sources.reader import CLOSE_SECONDS, LEAVE_SECONDS, POLL_SECONDS, End, Reader
from agent.errors import CameraFault


@dataclass(frozen=True, slots=True)
class Seen:
    """The video's format, with the source's own description and encoder if it has them."""

    video: VideoFormat
    description: str
    encoder: str

    def __str__(self) -> str:
        name = f"{self.description}: " if self.description else ""
        video = f"{self.video.codec}, {self.video.width}x{self.video.height}"
        return f"{name}{video}{', ' if self.encoder else ''}{self.encoder}"


def look(
    source: Source,
    *,
    stall: StallDetector,
    keyframe_seconds: float = 30.0,
    each_wait: Callable[[], None] = lambda: None,
) -> Seen:
    """Wait for the first small picture; raises :class:`CameraFault` if there is none.

    ``stall`` bounds each wait as it does for the daemon, ``keyframe_seconds`` the wait of a camera
    that sends packets for a keyframe. ``each_wait`` is called whenever nothing came for a moment.
    """
    reader = Reader(source)
    reader.start()
    seen: Seen | None = None
    first: float | None = None  # moment without a picture
    patience = LEAVE_SECONDS
    stall.opening()
    try:
        while True:
            item = reader.next(POLL_SECONDS)
            match item:
                case VideoFormat():
                    if seen is None:
                        stall.opened()
                    description, encoder = (
                        str(getattr(source, name, "")) for name in ("description", "encoder")
                    )
                    seen = Seen(item, description, encoder)
                case Interruption(fault=fault):
                    raise fault
                case Packet():
                    stall.packet()
                case Unjudged():
                    stall.picture()
                    first = item.seconds if first is None else first
                    if item.seconds - first > keyframe_seconds:
                        raise CameraFault(
                            f"no keyframe for {keyframe_seconds:.0f} s, so there is no picture",
                            advice="Set a shorter keyframe interval in the camera",
                        )
                case Frame() if seen is not None:
                    patience = CLOSE_SECONDS
                    return seen
                case End.OVER:
                    raise CameraFault("the camera gives no picture", advice="Check camera.source")
                case End.SILENCE:
                    each_wait()
            stall.check()
    finally:
        reader.stop(patience)
