"""The stock of clips as retention needs it: sums, and which clips are endless.

Kept in memory beside the rows and read from them once, so that a sweep of a hundred thousand
clips looks at those alone that go. Whether a clip is endless is judged when it comes; clips that
are deleted later still count as recorded, until the next start reads the rows anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.vault.database.recorded_share import Recorded, Storm
from agent.vault.database.rows import Clip


class Stock:
    """All clips together. ``endless`` holds the bytes of each endless clip, in recorded order."""

    def __init__(self, clips: Iterable[Recorded]) -> None:
        self.bytes = 0
        self.endless: dict[str, int] = {}
        self.endless_bytes = 0
        self._storm = Storm()
        for clip in clips:
            self.put(clip)

    def put(self, clip: Clip | Recorded) -> None:
        """Count a clip that was recorded after all others."""
        self.bytes += clip.bytes
        kept = Recorded(*(getattr(clip, name) for name in Recorded._fields))  # no sealed key
        if self._storm.is_endless(kept):
            self.endless[clip.id] = clip.bytes
            self.endless_bytes += clip.bytes

    def drop(self, clip_id: str, size: int) -> None:
        """Forget a clip of ``size`` bytes that was counted."""
        self.bytes -= size
        self.endless_bytes -= self.endless.pop(clip_id, 0)
