"""Stall detection: time limits for missing packets and frames.

All limits come from ``no_frame_seconds``, the time from the last frame to the end of the
process. The source, which knows best what is wrong, should report a silent camera after
:func:`source_patience`. The process ends the clip a little later, so that it also leaves
a source that hangs for good.
"""

from __future__ import annotations

from agent.clock import Clock
from agent.errors import CameraFault

_SOURCE_SHARE = 0.75
_SHARE = 0.85  # the rest is for finishing the clip and for leaving a source that hangs
_LEAST_LEAD_SECONDS = 0.5  # of the source over the loop, however short the limit
_DEAF_SECONDS = 1.0  # shorter times are a part of the limit
# Opening takes several waits: connecting and probing, for each of two streams.
OPENING_WAITS = 4


def source_patience(no_frame_seconds: float) -> float:
    """Seconds after which a source itself should call its camera silent."""
    return _SOURCE_SHARE * no_frame_seconds


def opening_seconds(no_frame_seconds: float) -> float:
    """Seconds that a camera may take until its format is known."""
    return OPENING_WAITS * no_frame_seconds


class StallDetector:
    """Watches for missing packets and frames. :meth:`check` raises after the limit."""

    def __init__(self, *, no_frame_seconds: float, clock: Clock) -> None:
        self._no_frame_seconds = no_frame_seconds
        self._clock = clock
        self.opening()

    def opening(self, retry_seconds: float = 0.0) -> None:
        """Start the limit for a camera that is looked for in ``retry_seconds``."""
        self._start(opening_seconds(self._no_frame_seconds) + retry_seconds)

    def opened(self) -> None:
        """Start the limit for a camera that must give packets and pictures from now on."""
        patience = source_patience(self._no_frame_seconds)
        self._start(max(_SHARE * self._no_frame_seconds, patience + _LEAST_LEAD_SECONDS))

    def packet(self) -> None:
        """Note that a packet came."""
        self._last_packet = self._clock.monotonic()

    def picture(self) -> None:
        """Note that a small picture came."""
        self._last_picture = self._clock.monotonic()

    def check(self, *, deaf_seconds: float = 0.0) -> None:
        """Raise :class:`CameraFault` when packets or pictures are missing for too long.

        ``deaf_seconds`` is the time until now in which nobody listened, so that a slow disk
        is not taken for a silent camera.
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
