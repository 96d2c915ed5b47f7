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
(0..255), grids are [45, 80], all buffers are allocated once. A quiet frame, which
most are, skips every step that could only come to nothing.

Where motion does not count (:mod:`agent.camera.zones`) nothing makes a region; light
and scenes are judged by the whole picture. Holding the answer for somebody who
stands still is the recorder's business (its post-roll), and privacy zones are
painted before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.detection.pace import PaceFollower
from agent.camera.detection.verdict import Box, Verdict, View
from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Luma
from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH, Mask

BLOCKS = GRID_WIDTH * GRID_HEIGHT

Grid = NDArray[np.float32]  # [45, 80], luma levels

# 2. Global light: gains further from 1 than this are followed, or taken for a step.
_GAIN_FOLLOWED, _GAIN_STEP = 0.004, 0.07
_GAIN_MIN, _GAIN_MAX = 1 / 3, 3.0
# 3. Local light: how many levels of a soft difference are forgiven, and how soft.
_LOCAL_LEVELS, _LOCAL_BOX = 6.0, (15, 15)
# 4. Threshold at sensitivity 1: a floor, and so many times the noise around a block.
_FLOOR_LEVELS, _NOISE_FACTOR = 6.0, 4.0
_NOISE_AT_FIRST, _NOISE_MAX = 1.0, 25.0
# 5. and 6. Learning: the share of changed blocks that asks for it.
_UNSETTLED_SHARE, _SCENE_SHARE = 0.2, 0.5
# 7. A region moves if this many blocks in its box changed this much since the last frame.
_ACTIVE_BLOCKS, _ACTIVE_LEVELS = 2, 8.0
_LIGHT_TEST_BLOCKS, _TEXTURE, _SAME_THINGS = 16, 1.5, 0.7
_NOISE_SETTLED_FRAMES = 60  # 10. by then each block has shown how noisy it is

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
    luma: Grid = field(default_factory=_grid)
    difference: Grid = field(default_factory=_grid)
    local: Grid = field(default_factory=_grid)
    threshold: Grid = field(default_factory=_grid)
    deviation: Grid = field(default_factory=_grid)
    steady: Mask = field(
        default_factory=_mask
    )  # changed in this frame and around the last, where it counts
    elsewhere: Mask = field(default_factory=_mask)


class MotionDetector:
    """Looks at one camera's frames, in order and at about ``frames_per_second``.

    How fast it learns and forgets is for :mod:`agent.camera.detection.pace` to say. ``min_size`` is
    the smallest region that counts, in blocks. ``sensitivity`` divides the contrast that is
    asked for: 2 reacts to half of it. Motion counts in the blocks of ``zone``; None is
    everywhere.
    """

    def __init__(
        self,
        *,
        frames_per_second: float,
        min_size: int = 4,
        sensitivity: float = 1.0,
        zone: Mask | None = None,
    ) -> None:
        cv2.setNumThreads(1)  # the grid is small: threads would cost more than they save
        self._follower = PaceFollower(frames_per_second)
        self._pace = self._follower.pace
        self._min_size = min_size
        self._floor = np.float32(_FLOOR_LEVELS / sensitivity)
        self._factor = np.float32(_NOISE_FACTOR / sensitivity)
        self._zone = zone

        self._work = _Buffers()
        self._background = _grid()
        self._noise = _grid()
        self._noise.fill(_NOISE_AT_FIRST)
        self._changed = _mask()  # blocks above the threshold in this frame
        self._last_changed = _mask()  # and in the last
        self._still = _mask(255)  # blocks that belong to the background
        self._all_still = True
        self._peak = 0.0  # the largest deviation of this frame
        self._frames = -1  # since the first, which becomes the background
        self._relearn_frames = 0
        self._guard_frames = 0
        self._hits = [False, False, False]
        self._verdict = Verdict.SETTLING
        self._region: Box | None = None
        self._strength = 0.0

    def __call__(self, luma: Luma, seconds: float) -> bool:
        """Whether something moves in ``luma``, uint8 [180, 320] as decoded, of ``seconds``."""
        self._pace = self._follower.at(seconds)
        self._shrink(luma)
        self._frames += 1
        self._region, self._strength = None, 0.0
        if self._frames == 0:
            self._background[:] = self._work.luma
            return False
        self._follow_global_light()
        self._measure_deviation()
        changed = self._threshold()
        if self._frames <= self._pace.start_frames or self._relearn_frames > 0:
            self._learn(changed)
            return False
        if changed > _SCENE_SHARE * BLOCKS:
            self._start_over()
            return False
        self._verdict = self._judge(changed)
        if self._guard_frames > 0:
            self._guard_frames -= 1
            if self._verdict is Verdict.MOVES:
                self._verdict = Verdict.LIGHT_STEP
        hit = self._verdict is Verdict.MOVES
        if hit:
            self._strength = self._measure_strength()
        self._update_background(changed)
        self._update_noise()
        self._hits = [*self._hits[1:], hit]
        return sum(self._hits) >= 2

    @property
    def strength(self) -> float:
        """How much moved in the last frame: what moves in blocks, times its contrast over
        the threshold. 0 if nothing did.
        """
        return self._strength

    @property
    def region(self) -> Box | None:
        """Where it was, in blocks."""
        return self._region if self._strength else None

    def explain(self) -> View:
        """What the detector thought of the last frame. Costs as much as a frame does."""
        work = self._work
        if self._peak <= self._floor:  # then the call did without
            self._measure_threshold()
        ratio = work.deviation / work.threshold
        counting = ratio.ravel() if self._zone is None else ratio[self._zone > 0]
        rank = min(self._min_size, counting.size)
        size, region = self._largest_region()
        return View(
            verdict=self._verdict,
            moves=sum(self._hits) >= 2,
            ratio=ratio,
            changed=self._changed.copy(),
            contrast=float(np.partition(counting, -rank)[-rank]),
            size=size,
            region=region,
        )

    def _shrink(self, luma: Luma) -> None:
        """1. Area-average to the grid in two halvings (cheaper than one step by four)."""
        work = self._work
        work.last_blocks, work.blocks = work.blocks, work.last_blocks
        cv2.resize(luma, (LUMA_WIDTH // 2, LUMA_HEIGHT // 2), work.half, 0, 0, cv2.INTER_AREA)
        cv2.resize(work.half, (GRID_WIDTH, GRID_HEIGHT), work.blocks, 0, 0, cv2.INTER_AREA)
        work.luma[:] = work.blocks

    def _follow_global_light(self) -> None:
        """2. Scale the background by how much brighter its part of the picture became."""
        now = cv2.mean(self._work.luma, self._still)[0]
        before = cv2.mean(self._background, self._still)[0]
        gain = (now + 2) / (before + 2)
        if abs(gain - 1) > _GAIN_STEP:
            self._guard_frames = self._pace.guard_frames
        if abs(gain - 1) > _GAIN_FOLLOWED:
            self._background *= np.float32(min(max(gain, _GAIN_MIN), _GAIN_MAX))

    def _measure_deviation(self) -> None:
        """3. Distance from the background, less what soft light does to a neighbourhood."""
        work = self._work
        cv2.subtract(work.luma, self._background, work.difference)
        np.minimum(work.difference, _LOCAL_LEVELS, out=work.local)
        np.maximum(work.local, -_LOCAL_LEVELS, out=work.local)
        cv2.blur(work.local, _LOCAL_BOX, work.threshold)
        cv2.absdiff(work.difference, work.threshold, work.deviation)
        self._peak = cv2.norm(work.deviation, cv2.NORM_INF)

    def _threshold(self) -> int:
        """4. Mark the blocks that deviate beyond their noise; how many they are."""
        self._changed, self._last_changed = self._last_changed, self._changed
        if self._peak <= self._floor:
            self._changed.fill(0)
            return 0
        self._measure_threshold()
        cv2.compare(self._work.deviation, self._work.threshold, cv2.CMP_GT, self._changed)
        return cv2.countNonZero(self._changed)

    def _measure_threshold(self) -> None:
        threshold = self._work.threshold
        cv2.dilate(self._noise, _SQUARE_3, threshold)
        threshold *= self._factor
        np.maximum(threshold, self._floor, out=threshold)

    def _learn(self, changed: int) -> None:
        """5. Take the picture in quickly and answer nothing."""
        cv2.accumulateWeighted(self._work.luma, self._background, 0.5)
        self._forget()
        if self._frames > 2:
            self._approach_noise(max(0.12, 1 / self._frames))
        if self._relearn_frames > 0:
            self._relearn_frames -= 1
        settled = self._relearn_frames == 0 and self._frames > self._pace.start_frames
        if settled and changed > _UNSETTLED_SHARE * BLOCKS:
            self._relearn_frames = 2

    def _start_over(self) -> None:
        """6. Another scene (or another light altogether): what is there now is background."""
        self._background[:] = self._work.luma
        self._relearn_frames = self._pace.relearn_frames
        self._frames = self._pace.start_frames + 1
        self._forget()

    def _forget(self) -> None:
        """No region of an earlier frame counts any more; all blocks are background."""
        self._changed.fill(0)
        self._still_everywhere()
        self._hits = [False, False, False]
        self._verdict = Verdict.SETTLING

    def _still_everywhere(self) -> None:
        if not self._all_still:
            self._still.fill(255)
            self._all_still = True

    def _judge(self, changed: int) -> Verdict:
        """7. Is the largest lasting region a hit, or only known things under other light?"""
        if changed == 0:
            return Verdict.NOTHING
        if changed < self._min_size:
            return Verdict.TOO_SMALL
        size, region = self._largest_region()
        if region is None:
            return Verdict.BRIEF
        if size < self._min_size:
            return Verdict.TOO_SMALL
        self._region = region
        if self._active_blocks(_inside(region)) < _ACTIVE_BLOCKS:
            return Verdict.STANDS
        relit = size >= _LIGHT_TEST_BLOCKS and self._same_things(_inside(region, margin=1))
        return Verdict.LIGHT if relit else Verdict.MOVES

    def _largest_region(self) -> tuple[int, Box | None]:
        """Size and box of the largest region that was there in the last frame too."""
        steady = self._work.steady
        cv2.dilate(self._last_changed, _SQUARE_5, steady)
        cv2.bitwise_and(steady, self._changed, steady)
        if self._zone is not None:
            cv2.bitwise_and(steady, self._zone, steady)
        count, _, statistics, _ = cv2.connectedComponentsWithStats(steady, connectivity=8)
        if count < 2:
            return 0, None
        largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
        left, top, width, height, size = statistics[largest].tolist()
        return size, (left, top, width, height)

    def _active_blocks(self, box: tuple[slice, slice]) -> int:
        """How many blocks in ``box`` changed since the last frame."""
        stir = cv2.absdiff(self._work.blocks[box], self._work.last_blocks[box])
        active = stir > _ACTIVE_LEVELS
        if self._zone is not None:
            active &= self._zone[box] > 0
        return int(np.count_nonzero(active))

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

    def _measure_strength(self) -> float:
        """The contrast over the threshold of each block of the region, taken together."""
        if self._region is None:
            return 0.0
        box = _inside(self._region)
        ratio = self._work.deviation[box] / self._work.threshold[box]
        return float(ratio[self._work.steady[box] > 0].sum())

    def _update_background(self, changed: int) -> None:
        """9. Follow quickly where it is still; elsewhere as slowly as what is there deserves."""
        luma, pace = self._work.luma, self._pace
        if changed == 0:
            self._still_everywhere()
            cv2.accumulateWeighted(luma, self._background, pace.still, self._still)
            return
        self._all_still = False
        cv2.dilate(self._changed, _SQUARE_3, self._work.elsewhere)
        cv2.bitwise_not(self._work.elsewhere, self._still)
        rate = pace.ghost
        if self._verdict is Verdict.MOVES:
            rate = pace.moving
        elif self._verdict is Verdict.LIGHT or self._guard_frames > 0:
            rate = pace.relit
        cv2.accumulateWeighted(luma, self._background, pace.still, self._still)
        cv2.accumulateWeighted(luma, self._background, rate, self._work.elsewhere)

    def _update_noise(self) -> None:
        """10. Follow each block's usual deviation, quickly at first."""
        rate = self._pace.noise
        if self._frames < _NOISE_SETTLED_FRAMES:
            rate = max(rate, 1 / self._frames)
        self._approach_noise(rate)

    def _approach_noise(self, rate: float) -> None:
        deviation = self._work.deviation
        if self._peak > _NOISE_MAX:
            deviation = np.minimum(deviation, _NOISE_MAX, out=self._work.local)
        cv2.accumulateWeighted(deviation, self._noise, rate, self._still)
        if not self._all_still:
            cv2.accumulateWeighted(deviation, self._noise, rate / 4, self._work.elsewhere)


def _inside(box: Box, *, margin: int = 0) -> tuple[slice, slice]:
    """The blocks of ``box``, and ``margin`` around it."""
    left, top, width, height = box
    return (
        slice(max(top - margin, 0), top + height + margin),
        slice(max(left - margin, 0), left + width + margin),
    )
