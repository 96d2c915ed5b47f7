"""The seconds before a motion, kept in memory.

A ring of encoded packets that always begins at a keyframe, so that a clip can begin at
the keyframe at or before any moment. It reaches back at least ``seconds`` from the last
picture that was looked at, which may be behind the packets: a small stream is another
connection. It is bounded in bytes too: a camera with few keyframes or a huge bit-rate
costs pre-roll, never memory.
"""

from __future__ import annotations

import logging
from collections import deque

from agent.camera.source import Packet

MAX_BYTES = 32 * 1024 * 1024  # 30 s at 8 Mbit/s
_MOST_BEHIND_SECONDS = 3.0  # that pictures may be

_log = logging.getLogger(__name__)


class PreRoll:
    """The latest packets, in groups that each begin with a keyframe."""

    def __init__(self, *, seconds: float, max_bytes: int = MAX_BYTES) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._groups: deque[list[Packet]] = deque()
        self._warned = False
        self._looked_at = float("-inf")
        self.bytes = 0

    def add(self, packet: Packet) -> None:
        """Keep ``packet`` and drop what is too old or too much."""
        if packet.keyframe:
            self._groups.append([])
        elif not self._groups:
            return  # nothing can be decoded before the first keyframe
        self._groups[-1].append(packet)
        self.bytes += len(packet.data)
        looked_at = max(self._looked_at, packet.seconds - _MOST_BEHIND_SECONDS)
        while len(self._groups) > 1 and self._has_expired(min(looked_at, packet.seconds)):
            self._drop_oldest()
        while self.bytes > self._max_bytes:
            self._warn()
            self._drop_oldest()

    def look(self, seconds: float) -> None:
        """Note that the picture of ``seconds`` was looked at: no motion is found earlier."""
        self._looked_at = max(self._looked_at, seconds)

    def since(self, seconds: float) -> list[Packet]:
        """The packets from the keyframe at or before ``seconds``, or else from the oldest."""
        first = max(sum(group[0].seconds <= seconds for group in self._groups) - 1, 0)
        return [packet for group in list(self._groups)[first:] for packet in group]

    def _has_expired(self, now: float) -> bool:
        """True if the second group alone reaches back far enough."""
        return self._groups[1][0].seconds <= now - self._seconds

    def _drop_oldest(self) -> None:
        self.bytes -= sum(len(packet.data) for packet in self._groups.popleft())

    def _warn(self) -> None:
        if not self._warned:
            _log.warning(
                "the pre-roll is shorter than %g s: it would need more than %d MiB; "
                "lower the camera's bit-rate or set more keyframes",
                self._seconds,
                self._max_bytes >> 20,
            )
        self._warned = True
