"""The health of a living camera's pictures: keyframes that do not come, and damage.

Packets are life. A camera with a keyframe each minute, joined between two, has nothing to
record and nothing to look at until the next one; the journal and ``status`` say so.
"""

from __future__ import annotations

import logging
from typing import Final

from agent.camera.source import Packet, Unjudged
from agent.clock import Clock

_PATIENCE_SECONDS: Final = 10.0  # without a keyframe; said again when it has doubled
_WINDOW_SECONDS: Final = 60.0
# Shares of a window's pictures: what is said above the first is taken back below the second.
_MUCH_DAMAGE, _LITTLE_DAMAGE = 0.2, 0.05
_DAMAGED: Final = (
    "parts of many pictures are lost, and no motion is seen in these; set camera.source.transport"
    " to tcp, or look after the network"
)

_log = logging.getLogger(__name__)


class StreamHealth:
    """Watches the items of a source; ``waiting`` and ``damaged`` are texts for ``status``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.damaged = ""
        self.opened()

    def opened(self) -> None:
        """Begin with a camera of which no keyframe came yet."""
        self.waiting = ""
        self._no_keyframe_since: float | None = self._clock.monotonic()
        self._no_picture_since: float | None = None  # for want of a keyframe, in a small stream
        self._said_seconds = _PATIENCE_SECONDS / 2
        self._window_ends = self._clock.monotonic() + _WINDOW_SECONDS
        self._judged = self._unjudged = 0

    def packet(self, packet: Packet) -> None:
        """Note a packet to record."""
        if packet.keyframe:
            self._no_keyframe_since = None

    def judged(self) -> None:
        """Note a picture to look at."""
        self._no_picture_since = None
        self._judged += 1

    def unjudged(self, item: Unjudged) -> None:
        """Note a moment without one."""
        if item.reason == "damage":
            self._no_picture_since = None
            self._unjudged += 1
        elif self._no_picture_since is None:
            self._no_picture_since = self._clock.monotonic()

    def tick(self) -> None:
        """Bring both texts up to date; to be called once a second."""
        now = self._clock.monotonic()
        missing = (self._no_keyframe_since, self._no_picture_since)
        since = min((each for each in missing if each is not None), default=None)
        if since is None:
            if self.waiting:
                _log.info("a keyframe came")
            self.waiting, self._said_seconds = "", _PATIENCE_SECONDS / 2
        elif now - since >= 2 * self._said_seconds:
            self._said_seconds *= 2
            self.waiting = (
                f"no keyframe for {self._said_seconds:.0f} s; set a shorter keyframe interval"
                " in the camera"
            )
            _log.warning("%s", self.waiting)
        if now >= self._window_ends:
            self._end_window(now)

    def _end_window(self, now: float) -> None:
        share = self._unjudged / max(self._judged + self._unjudged, 1)
        if share > _MUCH_DAMAGE and not self.damaged:
            self.damaged = _DAMAGED
            _log.warning("%s (%.0f %% of the last minute)", _DAMAGED, share * 100)
        elif share < _LITTLE_DAMAGE and self.damaged:
            self.damaged = ""
            _log.info("the pictures are whole again")
        self._window_ends, self._judged, self._unjudged = now + _WINDOW_SECONDS, 0, 0
