"""The learned background of a camera's picture, and the noise of each block.

Values are luma levels (0..255), grids are [45, 80]. All buffers are allocated once. A
quiet frame, as most are, skips each step that cannot have a result.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Luma
from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH, Mask

Grid = NDArray[np.float32]  # [45, 80], luma levels

# Global light: gains further from 1 than this are followed, or taken for a step.
_GAIN_FOLLOWED, _GAIN_STEP = 0.004, 0.07
_GAIN_MIN, _GAIN_MAX = 1 / 3, 3.0
# Local light: how many levels of a soft difference are forgiven, and how soft.
_LOCAL_LEVELS, _LOCAL_BOX = 6.0, (15, 15)
# Threshold at sensitivity 1: a floor, and so many times the noise around a block.
_FLOOR_LEVELS, _NOISE_FACTOR = 6.0, 4.0
_NOISE_AT_FIRST, _NOISE_MAX = 1.0, 25.0

SQUARE_3 = np.ones((3, 3), np.uint8)


def empty_mask(value: int = 0) -> Mask:
    """A mask of one ``value``."""
    return np.full((GRID_HEIGHT, GRID_WIDTH), value, np.uint8)


class Background:
    """Compares each frame with the background, and learns from it.

    ``sensitivity`` divides the threshold. After :meth:`mark`, ``changed`` holds the blocks
    above the threshold; ``last_changed``, ``blocks`` and ``last_blocks`` serve to compare
    with the frame before.
    """

    def __init__(self, *, sensitivity: float) -> None:
        self._floor = np.float32(_FLOOR_LEVELS / sensitivity)
        self._factor = np.float32(_NOISE_FACTOR / sensitivity)
        self._half = np.zeros((LUMA_HEIGHT // 2, LUMA_WIDTH // 2), np.uint8)
        self.blocks, self.last_blocks = empty_mask(), empty_mask()  # luma of the grid
        self.changed, self.last_changed = empty_mask(), empty_mask()
        self._elsewhere = empty_mask()  # blocks that do not belong to the background,
        self._still = empty_mask(255)  # and those that do
        self._all_still = True
        self.luma, self.level, self.deviation, self.threshold, self._scratch, self._noise = (
            np.zeros((GRID_HEIGHT, GRID_WIDTH), np.float32) for _ in range(6)
        )
        self._noise.fill(_NOISE_AT_FIRST)
        self._peak = 0.0  # the largest deviation of this frame

    def shrink(self, luma: Luma) -> None:
        """Average ``luma`` to the grid in two halvings (cheaper than one step by four)."""
        self.last_blocks, self.blocks = self.blocks, self.last_blocks
        cv2.resize(luma, (LUMA_WIDTH // 2, LUMA_HEIGHT // 2), self._half, 0, 0, cv2.INTER_AREA)
        cv2.resize(self._half, (GRID_WIDTH, GRID_HEIGHT), self.blocks, 0, 0, cv2.INTER_AREA)
        self.luma[:] = self.blocks

    def replace(self) -> None:
        """Make this frame the background."""
        self.level[:] = self.luma

    def follow_global_light(self) -> bool:
        """Scale the background by the gain of its part of the picture; True after a step."""
        now = cv2.mean(self.luma, self._still)[0]
        before = cv2.mean(self.level, self._still)[0]
        gain = (now + 2) / (before + 2)
        if abs(gain - 1) > _GAIN_FOLLOWED:
            self.level *= np.float32(min(max(gain, _GAIN_MIN), _GAIN_MAX))
        return abs(gain - 1) > _GAIN_STEP

    def measure_deviation(self) -> None:
        """Measure the distance from the background, less the soft light in a neighbourhood."""
        difference, local = self.deviation, self._scratch
        cv2.subtract(self.luma, self.level, difference)
        np.minimum(difference, _LOCAL_LEVELS, out=local)
        np.maximum(local, -_LOCAL_LEVELS, out=local)
        cv2.blur(local, _LOCAL_BOX, self.threshold)
        cv2.absdiff(difference, self.threshold, self.deviation)
        self._peak = cv2.norm(self.deviation, cv2.NORM_INF)

    def mark(self) -> int:
        """Mark the blocks that deviate beyond their noise; gives their number."""
        self.changed, self.last_changed = self.last_changed, self.changed
        if self._peak <= self._floor:
            self.changed.fill(0)
            return 0
        self._measure_threshold()
        cv2.compare(self.deviation, self.threshold, cv2.CMP_GT, self.changed)
        return cv2.countNonZero(self.changed)

    def ratio(self) -> Grid:
        """The deviation of each block over its threshold."""
        if self._peak <= self._floor:  # then :meth:`mark` did without
            self._measure_threshold()
        return self.deviation / self.threshold

    def forget(self) -> None:
        """Take all blocks for background again."""
        self.changed.fill(0)
        self._still_everywhere()

    def learn(self, noise_rate: float | None) -> None:
        """Take the frame in quickly, and its noise if there is a rate for it."""
        cv2.accumulateWeighted(self.luma, self.level, 0.5)
        self.forget()
        if noise_rate is not None:
            self.follow_noise(noise_rate)

    def follow(self, *, still_rate: float, changed_rate: float, changed: int) -> None:
        """Move towards the frame, at one rate where it is still and at another elsewhere."""
        if changed == 0:
            self._still_everywhere()
            cv2.accumulateWeighted(self.luma, self.level, still_rate, self._still)
            return
        self._all_still = False
        cv2.dilate(self.changed, SQUARE_3, self._elsewhere)
        cv2.bitwise_not(self._elsewhere, self._still)
        cv2.accumulateWeighted(self.luma, self.level, still_rate, self._still)
        cv2.accumulateWeighted(self.luma, self.level, changed_rate, self._elsewhere)

    def follow_noise(self, rate: float, restless: Mask | None = None) -> None:
        """Move the noise of each block towards its deviation, at a quarter of the rate where
        it is not still, unless it is ``restless``.
        """
        deviation = self.deviation
        if self._peak > _NOISE_MAX:
            deviation = np.minimum(deviation, _NOISE_MAX, out=self._scratch)
        cv2.accumulateWeighted(deviation, self._noise, rate, self._still)
        if not self._all_still:
            cv2.accumulateWeighted(deviation, self._noise, rate / 4, self._elsewhere)
            if restless is not None:
                cv2.bitwise_and(restless, self._elsewhere, restless)
                cv2.accumulateWeighted(deviation, self._noise, rate, restless)

    def _measure_threshold(self) -> None:
        cv2.dilate(self._noise, SQUARE_3, self.threshold)
        self.threshold *= self._factor
        np.maximum(self.threshold, self._floor, out=self.threshold)

    def _still_everywhere(self) -> None:
        if not self._all_still:
            self._still.fill(255)
            self._all_still = True
