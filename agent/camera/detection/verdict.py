"""The detector's judgement of a frame, made for a person to see."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.camera.zones import Mask

Box = tuple[int, int, int, int]  # left, top, width, height, in blocks


class Verdict(enum.Enum):
    """The reason why a frame counts or not: the detector's first step that settled it."""

    SETTLING = "settling: learning what belongs here"
    NOTHING = "nothing has changed"
    TOO_SMALL = "too small"
    BRIEF = "too brief: not there a moment ago"
    STANDS = "changed, but nothing moves now"
    LIGHT = "only the light"
    LIGHT_STEP = "the light has just changed"
    MOVES = "something moves"


@dataclass(frozen=True, slots=True)
class View:
    """One frame as the detector sees it.

    ``ratio`` [45, 80] is each block's change over its threshold, ``changed`` where
    that is above 1. The rest is measured where motion counts: ``contrast`` is
    the ``min_size``-th largest ratio, above 1 when enough blocks have changed;
    ``size`` the blocks of the largest region that lasts, ``region`` its box.
    ``moves`` if something moved in two of the last three frames.
    """

    verdict: Verdict
    moves: bool
    ratio: NDArray[np.float32]
    changed: Mask
    contrast: float
    size: int
    region: Box | None
