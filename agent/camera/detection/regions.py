"""The regions of changed blocks, their lifetime, and the weather they show.

Rain, flakes and insects change many places for one or two looks each; people and cars
change one place after the other, next to it. So each changed block has an *age*: one more
than the oldest of its neighbourhood in the look before. And *weather* is a picture with
many regions at once, or with regions that begin where nothing changed before. Only then is
a lifetime asked for: in calm weather two looks are enough.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.detection.background import SQUARE_3, empty_mask
from agent.camera.detection.pace import Pace
from agent.camera.detection.verdict import Box
from agent.camera.zones import Mask

# Weather: so many regions, or regions that come from nowhere, on average in a look. A
# region from nowhere has at least two blocks; more than six in one look count as six.
_CROWD_REGIONS, _NOWHERE_REGIONS = 10.0, 0.12
_NOWHERE_BLOCKS, _NOWHERE_MOST = 2, 6
# A block is restless if changes began there more often than this, lately.
_RESTLESS_ONSETS = 1.5

_ONE = empty_mask(1)
_SQUARE_5 = np.ones((5, 5), np.uint8)


class Regions:
    """Compares the changed blocks of each look with those of the look before."""

    def __init__(self) -> None:
        self._age, self.lasting, self._near = empty_mask(), empty_mask(), empty_mask()
        self._labels: NDArray[np.int32] = np.zeros(self._age.shape, np.int32)
        self._count = 1  # of labels, with that of the ground
        self._statistics: NDArray[Any] = np.zeros((1, 5), np.int32)  # of each label
        self._crowd = self._nowhere = 0.0  # means of both counts
        self._onsets = np.zeros(self._age.shape, np.float32)  # of late, in each block
        self._restless = empty_mask()
        self._quiet_looks = 0  # since onsets were last faded

    def look(self, changed: Mask, last_changed: Mask, *, count: int, pace: Pace) -> None:
        """Take in the ``count`` blocks ``changed`` now."""
        self._quiet_looks += 1
        crowd = nowhere = 0
        if count:
            cv2.dilate(self._age, SQUARE_3, self._age)
            cv2.add(self._age, _ONE, self._age)  # stops at 255
            cv2.bitwise_and(self._age, changed, self._age)
            cv2.dilate(last_changed, _SQUARE_5, self._near)
            self._count, _, self._statistics, _ = cv2.connectedComponentsWithStats(
                changed, self._labels, connectivity=8
            )
            known = np.bincount(self._labels[self._near > 0], minlength=self._count) > 0
            large = self._statistics[:, cv2.CC_STAT_AREA] >= _NOWHERE_BLOCKS
            crowd = self._count - 1
            nowhere = int(np.count_nonzero(large & ~known)) - (not known[0])
            self._onsets *= np.float32(pace.onset_kept**self._quiet_looks)
            self._onsets += changed > last_changed
            self._quiet_looks = 0
        elif self._quiet_looks == 1:
            self._age.fill(0)
        self._crowd += (crowd - self._crowd) * pace.weather
        self._nowhere += (min(nowhere, _NOWHERE_MOST) - self._nowhere) * pace.weather

    def forget(self) -> None:
        """Let what changed before have no age."""
        self._age.fill(0)

    @property
    def crowded(self) -> bool:
        """True while there are many regions at once, as in rain and snow."""
        return self._crowd >= _CROWD_REGIONS

    @property
    def weather(self) -> bool:
        """True while regions come and go."""
        return self.crowded or self._nowhere >= _NOWHERE_REGIONS

    def largest(self, changed: Mask, zone: Mask | None, pace: Pace) -> tuple[int, Box | None]:
        """Size and box of the largest region that lasts, whose blocks ``lasting`` then holds.

        Those are the blocks near the last change, in weather those of a region with a block of
        the age asked for; in the ``zone``, if there is one.
        """
        if not self.weather:
            cv2.bitwise_and(changed, self._near, self.lasting)
        else:
            lives = np.zeros(self._count, np.uint8)
            lives[self._labels[self._age >= pace.life_frames]] = 255
            if not lives.any():
                return 0, None
            np.take(lives, self._labels, out=self.lasting)
            if zone is None:
                return _largest(self._statistics, lives)
        if zone is not None:
            cv2.bitwise_and(self.lasting, zone, self.lasting)
        count, _, statistics, _ = cv2.connectedComponentsWithStats(self.lasting, connectivity=8)
        return _largest(statistics, np.arange(count))

    def oldest(self, box: tuple[slice, slice]) -> int:
        """The largest age in ``box``, in looks."""
        return int(self._age[box].max())

    def restless(self) -> Mask:
        """The blocks, as 255, in which changes often begin: leaves, waves, threads, flakes."""
        np.multiply(self._onsets > _RESTLESS_ONSETS, np.uint8(255), out=self._restless)
        return self._restless


def _largest(statistics: NDArray[Any], counts: NDArray[Any]) -> tuple[int, Box | None]:
    """Size and box of the largest region that ``counts``; none if none does."""
    areas = np.where(counts > 0, statistics[:, cv2.CC_STAT_AREA], 0)
    left, top, width, height, size = statistics[int(areas.argmax())].tolist()
    return (size, (left, top, width, height)) if areas.any() else (0, None)
