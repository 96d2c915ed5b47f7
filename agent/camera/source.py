"""The interface of a camera: encoded packets and small luma frames.

A :class:`Source` gives both in one stream, in the order of time. Packets are recorded
as they are; the few small frames are for the motion detector. Times are monotonic
seconds of the :class:`agent.clock.Clock` that the source was given. They never step back.

A source may lose its camera and find it again: it gives an :class:`Interruption`, then a
new :class:`VideoFormat`. Nothing from before connects to what comes after. A new format
without an interruption is the same camera with pictures of another size: it begins with the
keyframe that follows. Other parameters of the same size are no new format: from then on each
keyframe carries its own. No source ever opens audio.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.errors import CameraFault

LUMA_WIDTH, LUMA_HEIGHT = 320, 180
KEYFRAME_SECONDS = 1.0  # between two keyframes of the encoders that we drive

Luma = NDArray[np.uint8]  # [LUMA_HEIGHT, LUMA_WIDTH], as decoded (not stretched to 0..255)
Chroma = NDArray[np.uint8]  # [2, LUMA_HEIGHT / 2, LUMA_WIDTH / 2]: Cb, Cr
Codec = Literal["h264", "hevc"]


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """The encoding of the packets that follow.

    A decoder needs ``extradata`` first: parameter sets with start codes, as the packets have
    them (Annex B). Both may also have the form of an MP4, ``avcC`` or ``hvcC``.

    A camera joined between two keyframes may not have said yet: then width and height are 0,
    and another format comes with its first keyframe.
    """

    codec: Codec
    width: int
    height: int
    extradata: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture.

    ``seconds`` is its decoding time; it is shown ``delay_seconds`` later, which is
    0 unless the encoder reorders pictures. A decoder that begins at this keyframe shows the
    picture that is ``until_shown`` packets later first: 0, but for periodic intra refresh.
    """

    data: bytes
    keyframe: bool
    seconds: float
    duration_seconds: float
    delay_seconds: float = 0.0
    until_shown: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """A small picture, its own copy: luma for the motion detector, and chroma if known."""

    luma: Luma
    seconds: float
    chroma: Chroma | None = None


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A moment of a living camera without a picture in which motion could be told.

    ``keyframe``: none came yet. ``damage``: the pictures are damaged until the next keyframe.
    ``overload``: the machine is too slow to decode it.
    """

    seconds: float
    reason: Literal["keyframe", "damage", "overload"]


@dataclass(frozen=True, slots=True)
class Interruption:
    """The camera is lost because of ``fault``; the next try is in ``retry_seconds``."""

    fault: CameraFault
    retry_seconds: float


Item = VideoFormat | Packet | Frame | Unjudged | Interruption


class Source(Protocol):
    """A camera, or something that stands in for one."""

    def open(self) -> VideoFormat | Interruption:
        """Connect; raises :class:`agent.errors.CameraFault`.

        An :class:`Interruption` says that the camera is not there yet; :meth:`read` goes on to
        look for it.
        """

    def read(self) -> Iterator[Item]:
        """Give packets and frames until the source ends.

        A file may end quietly. A camera that ends or falls silent is a
        :class:`agent.errors.CameraFault`, or an :class:`Interruption` where it can be
        found again.
        """

    def close(self) -> None:
        """Release the device or connection; called by the thread that reads."""


class FrameRate:
    """Picks about ``per_second`` moments a second, evenly; a gap starts the count anew."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next: float | None = None

    def due(self, seconds: float) -> bool:
        """Tell if the moment ``seconds`` is to be taken. Ask in ascending order."""
        if self._next is None or seconds > self._next + 1:
            self._next = seconds
        if seconds < self._next - self._interval / 100:
            return False
        self._next += self._interval
        return True


class KeyframeClock:
    """Makes a keyframe due each :data:`KEYFRAME_SECONDS` of time.

    Encoders count pictures instead: at one picture a second in the dark, a keyframe would
    come every quarter of a minute. ``frame_seconds`` is the usual length of a picture.
    """

    def __init__(self, frame_seconds: float) -> None:
        self._slack = frame_seconds / 2
        self._last = float("-inf")

    def due(self, seconds: float) -> bool:
        """Tell if the picture taken at ``seconds`` is to be a keyframe. Ask for each in order."""
        if seconds + self._slack < self._last + KEYFRAME_SECONDS:
            return False
        self._last = seconds
        return True
