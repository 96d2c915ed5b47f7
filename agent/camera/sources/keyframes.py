"""When a keyframe is due: each second *of time*, however slow the pictures become in the dark.

Encoders count pictures instead. With one picture a second a keyframe would come every
quarter of a minute, and pre-roll, overlap and cut of a clip would be as coarse.
"""

from __future__ import annotations

KEYFRAME_SECONDS = 1.0


class KeyframeClock:
    """Asked about each picture in turn; ``frame_seconds`` is how long one usually lasts."""

    def __init__(self, frame_seconds: float) -> None:
        self._slack = frame_seconds / 2
        self._last = float("-inf")

    def due(self, seconds: float) -> bool:
        """Whether the picture taken at ``seconds`` is to be a keyframe."""
        if seconds + self._slack < self._last + KEYFRAME_SECONDS:
            return False
        self._last = seconds
        return True
