"""How long a camera may be silent before it is no camera.

Packets without pictures, or pictures without packets, are silence too. All limits
come from ``no_frame_seconds``, which is meant for the whole way from the last frame
to the end of the process: the source, which knows best what is wrong, is asked to
speak after :func:`source_patience`; the process ends the clip a little later, so that
also a source that hangs for good is left in time.
"""

from __future__ import annotations

from agent.clock import Clock
from agent.errors import CameraFault

_SOURCE_SHARE = 0.75
_SHARE = 0.85  # the rest is for finishing the clip and for leaving a source that hangs
_LEAST_LEAD_SECONDS = 0.5  # that the source has over the loop, however short the limit
_DEAF_SECONDS = 1.0  # what is shorter is a part of the limit
# Opening takes several waits: connecting and probing, for each of two streams.
OPENING_WAITS = 4


def source_patience(no_frame_seconds: float) -> float:
    """Seconds after which a source itself should call its camera silent."""
    return _SOURCE_SHARE * no_frame_seconds


def opening_seconds(no_frame_seconds: float) -> float:
    """How long a camera may take until it says what its pictures are like."""
    return OPENING_WAITS * no_frame_seconds


class StallDetector:
    """Watches for what does not come. :meth:`check` raises once that is too long."""

    def __init__(self, *, no_frame_seconds: float, clock: Clock) -> None:
        self._no_frame_seconds = no_frame_seconds
        self._clock = clock
        self._limit = opening_seconds(no_frame_seconds)
        self._last_packet = self._last_picture = clock.monotonic()

    def opening(self, retry_seconds: float = 0.0) -> None:
        """The camera is being looked for, the next time in ``retry_seconds``."""
        self._start(opening_seconds(self._no_frame_seconds) + retry_seconds)

    def opened(self) -> None:
        """The camera is there: from now on it must give packets and pictures."""
        patience = source_patience(self._no_frame_seconds)
        self._start(max(_SHARE * self._no_frame_seconds, patience + _LEAST_LEAD_SECONDS))

    def packet(self) -> None:
        """A packet came."""
        self._last_packet = self._clock.monotonic()

    def picture(self) -> None:
        """A small picture came."""
        self._last_picture = self._clock.monotonic()

    def check(self, *, deaf_seconds: float = 0.0) -> None:
        """Raise :class:`CameraFault` when something has not come for too long.

        ``deaf_seconds``: for so long until now nobody has listened. A slow disk must not be
        taken for a silent camera.
        """
        now = self._clock.monotonic()
        if deaf_seconds >= _DEAF_SECONDS:
            self._last_packet = min(self._last_packet + deaf_seconds, now)
            self._last_picture = min(self._last_picture + deaf_seconds, now)
        for what, last in (("packet", self._last_packet), ("picture", self._last_picture)):
            if now - last > self._limit:
                raise CameraFault(
                    f"the camera gave no {what} for {now - last:.0f} s",
                    advice="Check its power, cable or network",
                )

    def _start(self, limit: float) -> None:
        self._limit = limit
        self._last_packet = self._last_picture = self._clock.monotonic()
