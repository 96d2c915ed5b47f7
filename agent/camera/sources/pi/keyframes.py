"""Keyframes on demand from picamera2's encoders.

The board's encoder has ``force_key_frame``, since picamera2 0.3.31. That of libx264 names
the picture's type by a letter, which PyAV 18 refuses, so the stream that gets picamera2's
pictures is wrapped. Where neither is possible, only a distance in pictures can be set.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from av.video.frame import PictureType

from agent.camera.source import KEYFRAME_SECONDS

_LONGEST_SECONDS = 4.0  # between keyframes that are counted, at the slowest

_log = logging.getLogger(__name__)

Ask = Callable[[], None]


class OnDemand:
    """A stream of PyAV that makes the next picture a keyframe when asked."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._wanted = False

    def ask(self) -> None:
        """Ask for a keyframe, on the thread that also encodes."""
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
    """The function that asks ``encoder``, which was started, for a keyframe."""
    ask = getattr(encoder, "force_key_frame", None) if hardware else _in_software(encoder)
    if ask is None:
        _log.info("this picamera2 cannot be asked for keyframes: pictures are counted instead")
        return lambda: None
    return ask


def can_be_asked(board_encoder: type) -> bool:
    """Tell if picamera2's class for the board's encoder is recent enough."""
    return hasattr(board_encoder, "force_key_frame")


def counted_distance(frames_per_second: float, slowest: float) -> int:
    """Pictures from one keyframe to the next where they can only be counted.

    That is a second at most by day, and some seconds at the ``slowest`` rate, so that
    keyframes do not take all bits of the day.
    """
    by_day = round(frames_per_second * KEYFRAME_SECONDS)
    return max(1, min(by_day, math.floor(slowest * _LONGEST_SECONDS)))


def _in_software(encoder: Any) -> Ask | None:
    stream = getattr(encoder, "_stream", None)
    if not hasattr(stream, "encode"):
        return None
    encoder._stream = on_demand = OnDemand(stream)
    return on_demand.ask
