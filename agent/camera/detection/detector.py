"""The motion detector, which stays quiet on noise, light and weather.

It looks at a small luma plane a few times a second and compares an 80x45 grid of
*blocks* with a background that it keeps learning. One frame goes through these steps:

1. shrink to the grid; 2. follow global light; 3. forgive soft local light;
4. threshold by each block's own noise; 5. learn, while starting or relearning;
6. start over in a changed scene; 7. find the largest moving region, if something in it
moves *now* (not a ghost or a parked car) and it is not just other light;
8. count nothing right after a light step; 9. update the background, 10. and the
noise; 11. answer yes if two of the last three frames were hits.

The constants were found on labelled footage with all parts taken out one by one;
``benchmarks/`` scores this very class against peers.

Where motion does not count (:mod:`agent.camera.zones`) nothing makes a region; light
and scenes are judged by the whole picture. The recorder's post-roll holds the answer for
somebody who stands still.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from agent.camera.detection.background import Background, empty_mask
from agent.camera.detection.pace import PaceFollower
from agent.camera.detection.verdict import Box, Verdict, View
from agent.camera.source import Luma
from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH, Mask

BLOCKS = GRID_WIDTH * GRID_HEIGHT

# 5. and 6. Learning: the share of changed blocks that asks for it.
_UNSETTLED_SHARE, _SCENE_SHARE = 0.2, 0.5
# 7. A region moves if this many blocks in its box changed this much since the last frame.
_ACTIVE_BLOCKS, _ACTIVE_LEVELS = 2, 8.0
_LIGHT_TEST_BLOCKS, _TEXTURE, _SAME_THINGS = 16, 1.5, 0.7
_NOISE_SETTLED_FRAMES = 60  # 10. by then each block has shown how noisy it is

_SQUARE_5 = np.ones((5, 5), np.uint8)


class MotionDetector:
    """Looks at one camera's frames, in order and at about ``frames_per_second``.

    ``min_size`` is the smallest region that counts, in blocks. ``sensitivity`` divides the
    required contrast: 2 reacts to half of it. Motion counts in the blocks of ``zone``; None
    is everywhere.
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
        self._zone = zone
        self._background = Background(sensitivity=sensitivity)
        self._steady = empty_mask()  # changed now and near the last change, in the zone
        self._frames = -1  # since the first, which becomes the background
        self._relearn_frames = 0
        self._guard_frames = 0
        self._hits = [False, False, False]
        self._verdict = Verdict.SETTLING
        self._region: Box | None = None
        self._strength = 0.0

    def __call__(self, luma: Luma, seconds: float) -> bool:
        """Tell if something moves in ``luma``, uint8 [180, 320] as decoded, at ``seconds``."""
        self._pace = self._follower.at(seconds)
        background = self._background
        background.shrink(luma)
        self._frames += 1
        self._region, self._strength = None, 0.0
        if self._frames == 0:
            background.replace()
            return False
        if background.follow_global_light():
            self._guard_frames = self._pace.guard_frames
        background.measure_deviation()
        changed = background.mark()
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
        background.follow(
            still_rate=self._pace.still, changed_rate=self._changed_rate(), changed=changed
        )
        rate = self._pace.noise
        if self._frames < _NOISE_SETTLED_FRAMES:
            rate = max(rate, 1 / self._frames)
        background.follow_noise(rate)
        self._hits = [*self._hits[1:], hit]
        return sum(self._hits) >= 2

    @property
    def strength(self) -> float:
        """The moving blocks of the last frame, times their contrast over the threshold; 0 if
        nothing moved.
        """
        return self._strength

    @property
    def region(self) -> Box | None:
        """The box of what moved, in blocks."""
        return self._region if self._strength else None

    def explain(self) -> View:
        """The detector's view of the last frame. Costs as much as a frame does."""
        ratio = self._background.ratio()
        counting = ratio.ravel() if self._zone is None else ratio[self._zone > 0]
        rank = min(self._min_size, counting.size)
        size, region = self._largest_region()
        return View(
            verdict=self._verdict,
            moves=sum(self._hits) >= 2,
            ratio=ratio,
            changed=self._background.changed.copy(),
            contrast=float(np.partition(counting, -rank)[-rank]),
            size=size,
            region=region,
        )

    def _learn(self, changed: int) -> None:
        """5. Take the picture in quickly and answer nothing."""
        self._background.learn(max(0.12, 1 / self._frames) if self._frames > 2 else None)
        self._forget()
        if self._relearn_frames > 0:
            self._relearn_frames -= 1
        settled = self._relearn_frames == 0 and self._frames > self._pace.start_frames
        if settled and changed > _UNSETTLED_SHARE * BLOCKS:
            self._relearn_frames = 2

    def _start_over(self) -> None:
        """6. Another scene, or quite another light: this frame is the background."""
        self._background.replace()
        self._background.forget()
        self._relearn_frames = self._pace.relearn_frames
        self._frames = self._pace.start_frames + 1
        self._forget()

    def _forget(self) -> None:
        """Let no earlier frame count any more."""
        self._hits = [False, False, False]
        self._verdict = Verdict.SETTLING

    def _judge(self, changed: int) -> Verdict:
        """7. Tell a hit from known things under other light, by the largest lasting region."""
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
        steady = self._steady
        cv2.dilate(self._background.last_changed, _SQUARE_5, steady)
        cv2.bitwise_and(steady, self._background.changed, steady)
        if self._zone is not None:
            cv2.bitwise_and(steady, self._zone, steady)
        count, _, statistics, _ = cv2.connectedComponentsWithStats(steady, connectivity=8)
        if count < 2:
            return 0, None
        largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
        left, top, width, height, size = statistics[largest].tolist()
        return size, (left, top, width, height)

    def _active_blocks(self, box: tuple[slice, slice]) -> int:
        """The number of blocks in ``box`` that changed since the last frame."""
        stir = cv2.absdiff(self._background.blocks[box], self._background.last_blocks[box])
        active = stir > _ACTIVE_LEVELS
        if self._zone is not None:
            active &= self._zone[box] > 0
        return int(np.count_nonzero(active))

    def _same_things(self, box: tuple[slice, slice]) -> bool:
        """True if the fine structure in ``box`` is the background's: only the light differs."""
        inside = self._steady[box] > 0
        now, before = self._background.luma[box], self._background.level[box]
        now = (now - cv2.blur(now, (3, 3)))[inside]
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
        ratio = self._background.deviation[box] / self._background.threshold[box]
        return float(ratio[self._steady[box] > 0].sum())

    def _changed_rate(self) -> float:
        """9. The rate at which the background takes in what changed."""
        if self._verdict is Verdict.MOVES:
            return self._pace.moving
        if self._verdict is Verdict.LIGHT or self._guard_frames > 0:
            return self._pace.relit
        return self._pace.ghost


def _inside(box: Box, *, margin: int = 0) -> tuple[slice, slice]:
    """The blocks of ``box``, and ``margin`` around it."""
    left, top, width, height = box
    return (
        slice(max(top - margin, 0), top + height + margin),
        slice(max(left - margin, 0), left + width + margin),
    )
