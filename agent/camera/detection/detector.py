"""The motion detector, which stays quiet on noise, light and weather.

It looks at a small luma plane a few times a second and compares an 80x45 grid of
*blocks* with a background that it keeps learning. One frame goes through these steps:

1. shrink to the grid; 2. follow global light; 3. forgive soft local light;
4. threshold by each block's own noise; 5. learn, while starting or relearning;
6. start over in a changed scene; 7. find the largest region that lasts: for two looks,
in weather for half a second; 8. see if something in it moves *now* (it is no ghost or
parked car) and is not just other light; 9. count nothing right after a light step;
10. update the background, and 11. the noise, faster where changes often begin;
12. answer yes if one thing made two hits, or more after much that ended soon.

The constants were found on labelled footage and drawn weather. ``benchmarks/`` scores
this very class against peers, and with the steps taken out one by one.

Where motion does not count (:mod:`agent.camera.zones`) nothing makes a region; light
and scenes are judged by the whole picture. The recorder's post-roll holds the answer for
somebody who stands still.
"""

from __future__ import annotations

import cv2
import numpy as np

from agent.camera.detection.background import Background
from agent.camera.detection.light import is_soft, shows_same_things
from agent.camera.detection.pace import PaceFollower
from agent.camera.detection.regions import Regions
from agent.camera.detection.tracks import Tracks
from agent.camera.detection.verdict import Box, Verdict, View
from agent.camera.source import Luma
from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH, Mask

BLOCKS = GRID_WIDTH * GRID_HEIGHT

# 5. and 6. Learning: the share of changed blocks that asks for it.
_UNSETTLED_SHARE, _SCENE_SHARE = 0.2, 0.5
# 7. In a crowd of regions, the smallest that counts is so many times as large.
_CROWD_SIZE = 2
# 8. A region moves if this many blocks in its box changed this much since the last frame,
# at sensitivity 1; one that has been there for a while needs less.
_ACTIVE_BLOCKS, _ACTIVE_LEVELS, _OLD_ACTIVE_LEVELS = 2, 8.0, 5.0
_TEXTURE_BLOCKS, _SOFT_BLOCKS = 16, 4  # the smallest regions whose light is tested
_NOISE_SETTLED_FRAMES = 60  # 11. by then each block has shown how noisy it is


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
        self._sensitivity = sensitivity
        self._zone = zone
        self._background = Background(sensitivity=sensitivity)
        self._regions, self._tracks = Regions(), Tracks()
        self._frames = -1  # since the first, which becomes the background
        self._relearn_frames = 0
        self._guard_frames = 0
        self._moves = False
        self._verdict = Verdict.SETTLING
        self._region: Box | None = None  # the largest that lasts
        self._size, self._strength = 0, 0.0  # its blocks, and its contrast if it moves

    def __call__(self, luma: Luma, seconds: float) -> bool:
        """Tell if something moves in ``luma``, uint8 [180, 320] as decoded, at ``seconds``."""
        self._pace = self._follower.at(seconds)
        background = self._background
        background.shrink(luma)
        self._frames += 1
        self._drop_region()
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
        hit = self._region if self._verdict is Verdict.MOVES else None
        if hit is not None:
            self._strength = self._measure_strength(hit)
        self._update(changed)
        self._moves = self._tracks.look(hit, weather=self._regions.weather, pace=self._pace)
        return self._moves

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
        return View(
            verdict=self._verdict,
            moves=self._moves,
            ratio=ratio,
            changed=self._background.changed.copy(),
            contrast=float(np.partition(counting, -rank)[-rank]),
            size=self._size,
            region=self._region,
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
        self._regions.forget()
        self._tracks.forget()
        self._moves = False
        self._verdict = Verdict.SETTLING
        self._drop_region()

    def _drop_region(self) -> None:
        self._region, self._size, self._strength = None, 0, 0.0

    def _judge(self, changed: int) -> Verdict:
        """7. and 8. Tell a hit from known things under other light, by the largest region."""
        background, regions = self._background, self._regions
        regions.look(background.changed, background.last_changed, count=changed, pace=self._pace)
        if changed == 0:
            return Verdict.NOTHING
        if changed < self._min_size:
            return Verdict.TOO_SMALL
        self._size, self._region = regions.largest(background.changed, self._zone, self._pace)
        if self._region is None:
            return Verdict.BRIEF
        if self._size < self._min_size * (_CROWD_SIZE if regions.crowded else 1):
            return Verdict.TOO_SMALL
        if self._active_blocks(_inside(self._region)) < _ACTIVE_BLOCKS:
            return Verdict.STANDS
        return Verdict.LIGHT if self._is_light(_inside(self._region, margin=1)) else Verdict.MOVES

    def _active_blocks(self, box: tuple[slice, slice]) -> int:
        """The number of blocks in ``box`` that changed since the last frame."""
        old = self._regions.oldest(box) >= self._pace.old_frames
        levels = (_OLD_ACTIVE_LEVELS if old else _ACTIVE_LEVELS) / self._sensitivity
        stir = cv2.absdiff(self._background.blocks[box], self._background.last_blocks[box])
        active = stir > levels
        if self._zone is not None:
            active &= self._zone[box] > 0
        return int(np.count_nonzero(active))

    def _is_light(self, box: tuple[slice, slice]) -> bool:
        """True if the same things are in ``box`` as before, or if what came has no edge."""
        now, before = self._background.luma[box], self._background.level[box]
        inside = self._regions.lasting[box] > 0
        return (self._size >= _TEXTURE_BLOCKS and shows_same_things(now, before, inside)) or (
            self._size >= _SOFT_BLOCKS and is_soft(now, before, inside)
        )

    def _measure_strength(self, region: Box) -> float:
        """The contrast over the threshold of each block of the region, taken together."""
        box = _inside(region)
        ratio = self._background.deviation[box] / self._background.threshold[box]
        return float(ratio[self._regions.lasting[box] > 0].sum())

    def _update(self, changed: int) -> None:
        """10. and 11. Take the frame into the background, and its noise."""
        self._background.follow(
            still_rate=self._pace.still, changed_rate=self._changed_rate(), changed=changed
        )
        rate = self._pace.noise
        if self._frames < _NOISE_SETTLED_FRAMES:
            rate = max(rate, 1 / self._frames)
        self._background.follow_noise(rate, self._regions.restless() if changed else None)

    def _changed_rate(self) -> float:
        """The rate at which the background takes in what changed."""
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
