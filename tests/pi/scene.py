"""The scene of the camera: a yard that a bright box crosses again and again.

libcamera's virtual pipeline plays the pictures in a loop and shows each for ``SHOWN`` frames.
In the corner each carries its number, in cells too small to count as motion: so a recording
shows by itself whether a frame is missing, without a look at any clock. A plate with stripes
hangs on the wall; the box passes in front of it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1280, 720
FRAMES_PER_SECOND = 15
SHOWN = 4  # frames a picture; decided by libcamera
STILL, WALK = 24, 15  # pictures: about 6 seconds and 4
PICTURES = STILL + WALK

PLATE = (800, 320, 960, 440)  # left, top, right, bottom
_BOX_WIDTH, _BOX_TOP, _BOX_BOTTOM = 120, 280, 520
_CELL, _BITS = 16, 6
_DARK, _BRIGHT = 40, 230

Picture = NDArray[np.uint8]  # [HEIGHT, WIDTH] luma


def write_pictures(folder: Path) -> None:
    """``0.jpg`` and so on, as libcamera plays them."""
    folder.mkdir()
    random = np.random.default_rng(3)
    wall = cv2.GaussianBlur(random.normal(110, 60, (HEIGHT, WIDTH)), (0, 0), 9)
    for number in range(PICTURES):
        picture = np.clip(wall + random.normal(0, 1.5, wall.shape), 0, 255).astype(np.uint8)
        _draw_plate(picture)
        if number >= STILL:
            left = int((number - STILL + 0.5) / WALK * (WIDTH - _BOX_WIDTH))
            picture[_BOX_TOP:_BOX_BOTTOM, left : left + _BOX_WIDTH] = _BRIGHT
        for bit in range(_BITS):
            picture[:_CELL, bit * _CELL :][:, :_CELL] = _BRIGHT if number >> bit & 1 else _DARK
        cv2.imwrite(str(folder / f"{number}.jpg"), cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))


def _draw_plate(picture: Picture) -> None:
    left, top, right, bottom = PLATE
    for x in range(left, right, 20):
        picture[top:bottom, x : x + 10] = _DARK
        picture[top:bottom, x + 10 : x + 20] = _BRIGHT


def number_of(picture: Picture) -> int:
    """The number that a recorded picture carries."""
    inner = picture[4 : _CELL - 4, : _BITS * _CELL].reshape(_CELL - 8, _BITS, _CELL)[:, :, 4:-4]
    return sum(1 << bit for bit in range(_BITS) if inner[:, bit].mean() > (_DARK + _BRIGHT) / 2)


def shows_box(picture: Picture) -> bool:
    """True if the box is in a recorded picture, anywhere beside the plate."""
    left, _, right, _ = PLATE
    row = picture[_BOX_BOTTOM - 60 : _BOX_BOTTOM - 20].mean(axis=0)
    row[left:right] = 0
    return bool((row > _BRIGHT - 40).sum() > _BOX_WIDTH // 4)


def stripes(picture: Picture) -> float:
    """The variation of the inner part of the plate, in levels; 0 is one even surface."""
    left, top, right, bottom = PLATE
    return float(picture[top + 16 : bottom - 16, left + 16 : right - 16].std())
