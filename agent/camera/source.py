"""What a camera is to the rest of the room: encoded packets and small luma frames.

A :class:`Source` gives both in one stream, in the order of time. Packets are what
is recorded, untouched; frames are what the motion detector looks at, few and
small. Times are monotonic seconds of the :class:`agent.clock.Clock` that the
source was given, so that wall time can be told from them later, however long a
packet waited. They never step back.

A source may lose its camera for a while and find it again: it says so with an
:class:`Interruption`, and begins anew with a :class:`VideoFormat`. Nothing from
before connects to what comes after.

Sources live in ``sources/``, one module each. None of them ever opens audio.
Which source is used is decided in :mod:`agent.camera.sources.factory`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.errors import CameraFault

LUMA_WIDTH, LUMA_HEIGHT = 320, 180

Luma = NDArray[np.uint8]  # [LUMA_HEIGHT, LUMA_WIDTH], as decoded (not stretched to 0..255)
Chroma = NDArray[np.uint8]  # [2, LUMA_HEIGHT / 2, LUMA_WIDTH / 2]: Cb, Cr
Codec = Literal["h264", "hevc"]


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """How the packets that follow are encoded.

    ``extradata`` is what a decoder must know first, in the form that goes with
    the packets: an ``avcC``/``hvcC`` record or parameter sets with start codes.
    """

    codec: Codec
    width: int
    height: int
    extradata: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture.

    ``seconds`` is its decoding time; it is shown ``delay_seconds`` later, which is
    0 unless the encoder reorders pictures.
    """

    data: bytes
    keyframe: bool
    seconds: float
    duration_seconds: float
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A small picture, its own copy: luma for the motion detector, and its colours if known."""

    luma: Luma
    seconds: float
    chroma: Chroma | None = None


@dataclass(frozen=True, slots=True)
class Interruption:
    """The camera is lost, and is tried again in ``retry_seconds``.

    ``fault`` says what happened, and what the owner may do about it.
    """

    fault: CameraFault
    retry_seconds: float


Item = VideoFormat | Packet | Frame | Interruption


class Source(Protocol):
    """A camera, or what stands in for one."""

    def open(self) -> VideoFormat:
        """Connect; :class:`agent.errors.CameraFault` says what to do when that fails."""

    def read(self) -> Iterator[Item]:
        """Packets and frames until the source ends.

        A file may end, quietly. A camera that ends or falls silent is a
        :class:`agent.errors.CameraFault`, or an :class:`Interruption` where it can be
        found again; then a :class:`VideoFormat` follows once it is back.
        """

    def close(self) -> None:
        """Let go of the device or connection; called by the thread that read."""


class FrameRate:
    """Picks, from moments that come along, about ``per_second`` a second.

    Counts from the first moment asked about, so that the picks stay even; after a
    gap it starts to count anew.
    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next: float | None = None

    def due(self, seconds: float) -> bool:
        """Whether the moment ``seconds`` is one to take. Ask in ascending order."""
        if self._next is None or seconds > self._next + 1:
            self._next = seconds
        if seconds < self._next - self._interval / 100:
            return False
        self._next += self._interval
        return True
