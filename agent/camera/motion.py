"""Does something move? A detector that stays quiet on noise, light and weather.

It looks at a small luma plane a few times a second and compares an 80x45 grid of
*blocks* with a background it keeps learning. One frame goes through these steps,
each a method below:

1. shrink to the grid; 2. follow global light; 3. forgive soft local light;
4. threshold by each block's own noise; 5. learn, while starting or relearning;
6. a changed scene starts over; 7. the largest moving region, if something in it
moves *now* (a ghost or a parked car does not) and it is not just other light;
8. nothing counts right after a light step; 9. update the background, 10. and the
noise; 11. yes if two of the last three frames were hits.

The constants were found on labelled footage with all parts taken out one by one;
``benchmarks/`` scores this very class against peers. Values are luma levels
(0..255), grids are [45, 80], all buffers are allocated once. Holding the answer
for somebody who stands still is the recorder's business (its post-roll), and
privacy zones are applied before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Luma

GRID_WIDTH, GRID_HEIGHT = LUMA_WIDTH // 4, LUMA_HEIGHT // 4
BLOCKS = GRID_WIDTH * GRID_HEIGHT

Grid = NDArray[np.float32]  # [45, 80], luma levels
Mask = NDArray[np.uint8]  # [45, 80], 0 or 255

# 2. Global light: gains further from 1 than this are followed, or taken for a step.
_GAIN_FOLLOWED, _GAIN_STEP = 0.004, 0.07
_GAIN_MIN, _GAIN_MAX = 1 / 3, 3.0
_GUARD_SECONDS = 0.5
# 3. Local light: how many levels of a soft difference are forgiven, and how soft.
_LOCAL_LEVELS, _LOCAL_BOX = 6.0, (15, 15)
# 4. Threshold at sensitivity 1: a floor, and so many times the noise around a block.
_FLOOR_LEVELS, _NOISE_FACTOR = 6.0, 4.0
_NOISE_AT_FIRST, _NOISE_MAX = 1.0, 25.0
# 5. and 6. Learning, in seconds, and the share of changed blocks that asks for it.
_START_SECONDS, _RELEARN_SECONDS = 1.2, 0.7
_UNSETTLED_SHARE, _SCENE_SHARE = 0.2, 0.5
# 7. A region moves if this many blocks in its box changed this much since the last frame.
_ACTIVE_BLOCKS, _ACTIVE_LEVELS = 2, 8.0
_LIGHT_TEST_BLOCKS, _TEXTURE, _SAME_THINGS = 16, 1.5, 0.7
# 9. and 10. How fast (seconds) the background follows: where it is still, under what
# moves, under what only changed its light, under a ghost; and the noise.
_STILL, _MOVING, _RELIT, _GHOST = 6.0, 25.0, 0.6, 4.0
_NOISE_SECONDS = 12.0
_NOISE_SETTLED_FRAMES = 60

_SQUARE_3 = np.ones((3, 3), np.uint8)
_SQUARE_5 = np.ones((5, 5), np.uint8)


def _grid() -> Grid:
    return np.zeros((GRID_HEIGHT, GRID_WIDTH), np.float32)


def _mask(value: int = 0) -> Mask:
    return np.full((GRID_HEIGHT, GRID_WIDTH), value, np.uint8)


@dataclass
class _Buffers:
    """Work space, so that a frame allocates next to nothing."""

    half: Luma = field(
        default_factory=lambda: np.zeros((LUMA_HEIGHT // 2, LUMA_WIDTH // 2), np.uint8)
    )
    blocks: Mask = field(default_factory=_mask)  # luma of the grid, as it was shrunk
    last_blocks: Mask = field(default_factory=_mask)
    stir: Mask = field(default_factory=_mask)  # change since the last frame
    luma: Grid = field(default_factory=_grid)
    difference: Grid = field(default_factory=_grid)
    local: Grid = field(default_factory=_grid)
    threshold: Grid = field(default_factory=_grid)
    deviation: Grid = field(default_factory=_grid)
    steady: Mask = field(default_factory=_mask)  # changed in this frame and around the last
    elsewhere: Mask = field(default_factory=_mask)


class MotionDetector:
    """Looks at one camera's frames, in order and at ``frames_per_second``.

    ``min_size`` is the smallest region that counts, in blocks. ``sensitivity``
    divides the contrast that is asked for: 2 reacts to half of it.
    """

    def __init__(
        self, *, frames_per_second: float, min_size: int = 4, sensitivity: float = 1.0
    ) -> None:
        cv2.setNumThreads(1)  # the grid is small: threads would cost more than they save
        self._fps = frames_per_second
        self._min_size = min_size
        self._floor = _FLOOR_LEVELS / sensitivity
        self._factor = _NOISE_FACTOR / sensitivity
        self._start_frames = math.floor(_START_SECONDS * frames_per_second)

        self._work = _Buffers()
        self._background = _grid()
        self._noise = _grid()
        self._noise.fill(_NOISE_AT_FIRST)
        self._changed = _mask()  # blocks above the threshold in this frame
        self._last_changed = _mask()  # and in the last
        self._still = _mask(255)  # blocks that belong to the background
        self._frames = -1  # since the first, which becomes the background
        self._relearn_frames = 0
        self._guard_frames = 0
        self._hits = [False, False, False]

    def __call__(self, luma: Luma) -> bool:
        """Whether something moves in ``luma``, uint8 [180, 320] as decoded."""
        self._shrink(luma)
        self._frames += 1
        if self._frames == 0:
            self._background[:] = self._work.luma
            return False
        self._follow_global_light()
        self._measure_deviation()
        changed = self._threshold()
        if self._frames <= self._start_frames or self._relearn_frames > 0:
            self._learn(changed)
            return False
        if changed > _SCENE_SHARE * BLOCKS:
            self._start_over()
            return False
        hit, relit = self._judge_region() if changed >= self._min_size else (False, False)
        if self._guard_frames > 0:
            self._guard_frames -= 1
            hit = False
        self._update_background(changed, hit=hit, relit=relit)
        self._update_noise()
        self._hits = [*self._hits[1:], hit]
        return sum(self._hits) >= 2

    def _rate(self, seconds: float) -> float:
        """The share of the way to go each frame to follow a change within ``seconds``."""
        return 1 - math.exp(-1 / (self._fps * seconds))

    def _shrink(self, luma: Luma) -> None:
        """1. Area-average to the grid in two halvings (cheaper than one step by four)."""
        work = self._work
        work.last_blocks, work.blocks = work.blocks, work.last_blocks
        cv2.resize(luma, (LUMA_WIDTH // 2, LUMA_HEIGHT // 2), work.half, 0, 0, cv2.INTER_AREA)
        cv2.resize(work.half, (GRID_WIDTH, GRID_HEIGHT), work.blocks, 0, 0, cv2.INTER_AREA)
        cv2.absdiff(work.blocks, work.last_blocks, work.stir)
        work.luma[:] = work.blocks

    def _follow_global_light(self) -> None:
        """2. Scale the background by how much brighter its part of the picture became."""
        now = cv2.mean(self._work.luma, self._still)[0]
        before = cv2.mean(self._background, self._still)[0]
        gain = (now + 2) / (before + 2)
        if abs(gain - 1) > _GAIN_STEP:
            self._guard_frames = round(self._fps * _GUARD_SECONDS)
        if abs(gain - 1) > _GAIN_FOLLOWED:
            self._background *= np.float32(min(max(gain, _GAIN_MIN), _GAIN_MAX))

    def _measure_deviation(self) -> None:
        """3. Distance from the background, less what soft light does to a neighbourhood."""
        work = self._work
        cv2.subtract(work.luma, self._background, work.difference)
        np.clip(work.difference, -_LOCAL_LEVELS, _LOCAL_LEVELS, out=work.local)
        cv2.blur(work.local, _LOCAL_BOX, work.threshold)
        cv2.absdiff(work.difference, work.threshold, work.deviation)

    def _threshold(self) -> int:
        """4. Mark the blocks that deviate beyond their noise; how many they are."""
        work = self._work
        cv2.dilate(self._noise, _SQUARE_3, work.threshold)
        work.threshold *= np.float32(self._factor)
        np.maximum(work.threshold, np.float32(self._floor), out=work.threshold)
        cv2.compare(work.deviation, work.threshold, cv2.CMP_GT, self._changed)
        return cv2.countNonZero(self._changed)

    def _learn(self, changed: int) -> None:
        """5. Take the picture in quickly and answer nothing."""
        cv2.accumulateWeighted(self._work.luma, self._background, 0.5)
        if self._frames > 2:
            self._approach_noise(max(0.12, 1 / self._frames), self._still_everywhere())
        self._forget()
        if self._relearn_frames > 0:
            self._relearn_frames -= 1
        settled = self._relearn_frames == 0 and self._frames > self._start_frames
        if settled and changed > _UNSETTLED_SHARE * BLOCKS:
            self._relearn_frames = 2

    def _start_over(self) -> None:
        """6. Another scene (or another light altogether): what is there now is background."""
        self._background[:] = self._work.luma
        self._relearn_frames = max(3, math.floor(_RELEARN_SECONDS * self._fps))
        self._frames = self._start_frames + 1
        self._forget()

    def _forget(self) -> None:
        """No region of an earlier frame counts any more; all blocks are background."""
        self._last_changed.fill(0)
        self._still_everywhere()
        self._hits = [False, False, False]

    def _still_everywhere(self) -> Mask:
        self._still.fill(255)
        return self._still

    def _judge_region(self) -> tuple[bool, bool]:
        """7. Is the largest lasting region a hit, or only known things under other light?"""
        steady = self._work.steady
        cv2.dilate(self._last_changed, _SQUARE_5, steady)
        cv2.bitwise_and(steady, self._changed, steady)
        count, _, statistics, _ = cv2.connectedComponentsWithStats(steady, connectivity=8)
        if count < 2:
            return False, False
        largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
        left, top, width, height, size = (int(value) for value in statistics[largest])
        if size < self._min_size:
            return False, False
        box = (slice(top, top + height), slice(left, left + width))
        if np.count_nonzero(self._work.stir[box] > _ACTIVE_LEVELS) < _ACTIVE_BLOCKS:
            return False, False
        wider = (
            slice(max(top - 1, 0), top + height + 1),
            slice(max(left - 1, 0), left + width + 1),
        )
        relit = size >= _LIGHT_TEST_BLOCKS and self._same_things(wider)
        return not relit, relit

    def _same_things(self, box: tuple[slice, slice]) -> bool:
        """Whether the fine structure in ``box`` is the background's: only the light differs."""
        inside = self._work.steady[box] > 0
        now = self._work.luma[box]
        now = (now - cv2.blur(now, (3, 3)))[inside]
        before = self._background[box]
        before = (before - cv2.blur(before, (3, 3)))[inside]
        texture = float(np.dot(before, before))
        if texture <= _TEXTURE * before.size:
            return False  # nothing there to recognise
        scale = math.sqrt(texture * float(np.dot(now, now)))
        return scale > 0 and float(np.dot(now, before)) > _SAME_THINGS * scale

    def _update_background(self, changed: int, *, hit: bool, relit: bool) -> None:
        """9. Follow quickly where it is still; elsewhere as slowly as what is there deserves."""
        self._changed, self._last_changed = self._last_changed, self._changed
        if changed == 0:
            self._still_everywhere()
        else:
            cv2.dilate(self._last_changed, _SQUARE_3, self._still)
            cv2.bitwise_not(self._still, self._still)
        cv2.bitwise_not(self._still, self._work.elsewhere)
        seconds = _GHOST
        if hit:
            seconds = _MOVING
        elif relit or self._guard_frames > 0:
            seconds = _RELIT
        luma = self._work.luma
        cv2.accumulateWeighted(luma, self._background, self._rate(_STILL), self._still)
        cv2.accumulateWeighted(luma, self._background, self._rate(seconds), self._work.elsewhere)

    def _update_noise(self) -> None:
        """10. Follow each block's usual deviation, quickly at first."""
        rate = self._rate(_NOISE_SECONDS)
        if self._frames < _NOISE_SETTLED_FRAMES:
            rate = max(rate, 1 / self._frames)
        self._approach_noise(rate, self._still)
        cv2.accumulateWeighted(self._work.deviation, self._noise, rate / 4, self._work.elsewhere)

    def _approach_noise(self, rate: float, where: Mask) -> None:
        deviation = self._work.deviation
        np.minimum(deviation, _NOISE_MAX, out=deviation)
        cv2.accumulateWeighted(deviation, self._noise, rate, where)
