"""The motion detector's time constants, in frames.

The detector is tuned in seconds and works in frames. A camera that is slower than
configured (at night, a webcam) is followed by the times of its frames; one that is as
fast, or hiccups now and then, keeps the configured pace.
"""

from __future__ import annotations

import math

_GUARD_SECONDS = 0.5
_START_SECONDS, _RELEARN_SECONDS = 1.2, 0.7
_START_FRAMES_LEAST = 6  # learning takes pictures, however slowly they come
# How fast (seconds) the background follows: where it is still, under what moves, under what
# only changed its light, under a ghost; and the noise.
_STILL, _MOVING, _RELIT, _GHOST = 6.0, 25.0, 0.6, 4.0
_NOISE_SECONDS = 12.0
# Weather: the lifetime that it asks for, and the memory of its level and of restless blocks.
_LIFE_SECONDS, _LIFE_FRAMES_LEAST = 0.53, 2
_WEATHER_SECONDS, _ONSET_SECONDS = 8.0, 12.0
# Old enough for the lower activity gate, as a person in weak light is who moves slowly.
_OLD_SECONDS = 0.8
# Tracks: shorter ones leave doubt, which fades; and how far a thing may jump.
_PROVEN_SECONDS, _DOUBT_SECONDS, _REACH_BLOCKS_PER_SECOND = 1.0, 15.0, 15.0
# The time between frames is a mean that forgets. One late frame counts at most so many times
# the mean: it is not yet another rate.
_GAP_WEIGHT, _GAP_MOST = 1 / 10, 2.0
_SLOWER, _FOLLOWED_CLOSELY = 1.15, 0.03


class Pace:
    """The time constants at so many frames a second.

    ``still``, ``moving``, ``relit``, ``ghost``, ``noise`` and ``weather`` are shares of the
    way to go in each frame, those with ``kept`` the shares that a frame leaves,
    ``reach_blocks`` the blocks that a thing may move in one; the others are numbers of frames.
    """

    def __init__(self, frames_per_second: float) -> None:
        self.frame_seconds = 1 / frames_per_second
        self.start_frames = max(math.floor(_START_SECONDS * frames_per_second), _START_FRAMES_LEAST)
        self.relearn_frames = max(3, math.floor(_RELEARN_SECONDS * frames_per_second))
        self.guard_frames = round(frames_per_second * _GUARD_SECONDS)
        self.still, self.moving, self.relit, self.ghost, self.noise, self.weather = (
            1 - math.exp(-1 / (frames_per_second * seconds))
            for seconds in (_STILL, _MOVING, _RELIT, _GHOST, _NOISE_SECONDS, _WEATHER_SECONDS)
        )
        self.onset_kept, self.doubt_kept = (
            math.exp(-1 / (frames_per_second * seconds))
            for seconds in (_ONSET_SECONDS, _DOUBT_SECONDS)
        )
        self.life_frames = max(_LIFE_FRAMES_LEAST, round(_LIFE_SECONDS * frames_per_second))
        self.old_frames = round(_OLD_SECONDS * frames_per_second)
        self.proven_frames = _PROVEN_SECONDS * frames_per_second
        self.reach_blocks = _REACH_BLOCKS_PER_SECOND / frames_per_second


class PaceFollower:
    """The pace of a camera, ``frames_per_second`` by its configuration."""

    def __init__(self, frames_per_second: float) -> None:
        self.pace = self._configured = Pace(frames_per_second)
        self._last_seconds: float | None = None
        self._frame_seconds = self.pace.frame_seconds  # as measured

    def at(self, seconds: float) -> Pace:
        """The pace at the frame of ``seconds``; ask for each frame, in order."""
        before, self._last_seconds = self._last_seconds, seconds
        if before is None:
            return self.pace
        gap = min(max(seconds - before, 0.0), _GAP_MOST * self._frame_seconds)
        self._frame_seconds += (gap - self._frame_seconds) * _GAP_WEIGHT
        if self._frame_seconds <= self._configured.frame_seconds * _SLOWER:
            self.pace = self._configured
        elif abs(self._frame_seconds / self.pace.frame_seconds - 1) > _FOLLOWED_CLOSELY:
            self.pace = Pace(1 / self._frame_seconds)
        return self.pace
