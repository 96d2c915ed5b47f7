"""Tests that tell other light on known things from new things.

Differences and levels are luma levels on the grid [45, 80]; a box is part of the grid.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.detection.background import Grid

# The same things: the mean square of the background's fine structure that can be recognised,
# and the correlation with it.
_TEXTURE, _SAME_THINGS = 1.5, 0.7
# Soft: the steepest step between neighbours, as a share of the largest difference; and the
# fine structure of the difference, as a share of its mean.
_SOFT_STEP, _SOFT_FINE = 0.5, 0.12


def shows_same_things(now: Grid, before: Grid, inside: NDArray[np.bool_]) -> bool:
    """True if the fine structure of ``now`` is that of ``before``: only the light differs."""
    now = (now - cv2.blur(now, (3, 3)))[inside]
    before = (before - cv2.blur(before, (3, 3)))[inside]
    texture = float(np.dot(before, before))
    if texture <= _TEXTURE * before.size:
        return False  # nothing there to recognise
    scale = math.sqrt(texture * float(np.dot(now, now)))
    return scale > 0 and float(np.dot(now, before)) > _SAME_THINGS * scale


def is_soft(now: Grid, before: Grid, inside: NDArray[np.bool_]) -> bool:
    """True if the difference has no edge, as a beam or the shadow of a cloud has none.

    This also holds on plain ground, where there is nothing to recognise.
    """
    difference = now - before
    within = np.abs(difference[inside])
    steepest = max(
        float(np.abs(np.diff(difference, axis=axis)).max(initial=0.0)) for axis in (0, 1)
    )
    if steepest < _SOFT_STEP * float(within.max()):
        return True
    fine = (difference - cv2.blur(difference, (3, 3)))[inside]
    return math.sqrt(float(np.dot(fine, fine)) / fine.size) < _SOFT_FINE * float(within.mean())
