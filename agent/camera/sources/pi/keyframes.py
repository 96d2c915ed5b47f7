"""How picamera2's encoders are asked for a keyframe.

``force_key_frame`` does it for the board's encoder, since picamera2 0.3.31. That of libx264
has it too, but names the picture's type by a letter, which PyAV 18 does not take: there the
stream that picamera2 hands its pictures to is wrapped. Where neither is possible only a
distance in pictures can be given, at the start.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from av.video.frame import PictureType

from agent.camera.sources.keyframes import KEYFRAME_SECONDS

_LONGEST_SECONDS = 4.0  # between keyframes that are counted, at the slowest

_log = logging.getLogger(__name__)

Ask = Callable[[], None]


class OnDemand:
    """A stream of PyAV that makes the next picture a keyframe once it was asked to."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._wanted = False

    def ask(self) -> None:
        """Called on the thread that also encodes."""
        self._wanted = True

    def encode(self, picture: Any = None) -> Any:
        """See PyAV; None ends the stream."""
        if picture is not None and self._wanted:
            picture.pict_type = PictureType.I
            self._wanted = False
        return self._stream.encode(picture)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def how_to_ask(encoder: Any, *, hardware: bool) -> Ask:
    """How to ask ``encoder``, which was started, for a keyframe."""
    ask = getattr(encoder, "force_key_frame", None) if hardware else _in_software(encoder)
    if ask is None:
        _log.info("this picamera2 cannot be asked for keyframes: pictures are counted instead")
        return lambda: None
    return ask


def can_be_asked(board_encoder: type) -> bool:
    """Whether that class of picamera2's, for the board's encoder, is recent enough."""
    return hasattr(board_encoder, "force_key_frame")


def counted_distance(frames_per_second: float, slowest: float) -> int:
    """Pictures from one keyframe to the next where they can only be counted.

    At the usual rate that is a second at most, at the ``slowest`` it is some seconds: as
    fine as is possible without spending the day's bits on keyframes.
    """
    by_day = round(frames_per_second * KEYFRAME_SECONDS)
    return max(1, min(by_day, math.floor(slowest * _LONGEST_SECONDS)))


def _in_software(encoder: Any) -> Ask | None:
    stream = getattr(encoder, "_stream", None)
    if not hasattr(stream, "encode"):
        return None
    encoder._stream = on_demand = OnDemand(stream)
    return on_demand.ask
