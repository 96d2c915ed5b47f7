"""Hits of one thing, followed from look to look, and the doubt that short tracks leave.

A hit belongs to the track that was seen next to it a moment ago. A track that ends soon
was a moth, a glint or a flake: each leaves *doubt*, and in doubt the next track must be
longer to count. People make long tracks, so they leave none.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.camera.detection.pace import Pace
from agent.camera.detection.verdict import Box

_HITS = 2  # that a track must have, without doubt
_DOUBT_SINGLE, _DOUBT_SHORT, _DOUBT_MOST = 0.3, 1.0, 12.0  # doubt left by a track, and its limit
# Hits asked for beyond those: at most so many, and in weather, where a hit comes late.
_MORE_HITS, _MORE_HITS_IN_WEATHER = 3, 2
_GAP_LOOKS = 2  # a track ends when it was not seen for longer than this


@dataclass(slots=True)
class _Track:
    box: Box
    seen: int  # number of the look of its last hit
    hits: int = 1


class Tracks:
    """Answers if something has moved for long enough."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._doubt = 0.0
        self._look = 0

    def look(self, hit: Box | None, *, weather: bool, pace: Pace) -> bool:
        """Take in the ``hit`` of this look; True if its track, or that of the last, counts."""
        self._look += 1
        self._doubt *= pace.doubt_kept
        self._end_tracks(pace)
        if hit is not None:
            self._follow(hit, pace.reach_blocks)
        more = min(int(self._doubt), _MORE_HITS_IN_WEATHER if weather else _MORE_HITS)
        return any(
            track.hits >= _HITS + more and self._look - track.seen <= 1 for track in self._tracks
        )

    def forget(self) -> None:
        """Drop all tracks: they leave no doubt."""
        self._tracks.clear()

    def _end_tracks(self, pace: Pace) -> None:
        for track in self._tracks:
            if self._look - track.seen > _GAP_LOOKS and track.hits < pace.proven_frames:
                self._doubt += _DOUBT_SINGLE if track.hits == 1 else _DOUBT_SHORT
        self._doubt = min(self._doubt, _DOUBT_MOST)
        self._tracks = [track for track in self._tracks if self._look - track.seen <= _GAP_LOOKS]

    def _follow(self, hit: Box, reach: float) -> None:
        near = [
            track
            for track in self._tracks
            if _apart(track.box, hit) <= reach * (self._look - track.seen)
        ]
        if not near:
            self._tracks.append(_Track(hit, self._look))
            return
        track = max(near, key=lambda track: track.hits)
        track.box, track.seen = hit, self._look
        track.hits += 1


def _apart(one: Box, other: Box) -> int:
    """The distance of two boxes along the axis where it is larger, in blocks."""
    return max(
        max(one[axis], other[axis])
        - min(one[axis] + one[axis + 2], other[axis] + other[axis + 2])
        + 1
        for axis in (0, 1)
    )
