"""Rotation of a video by quarter turns: the matrix of its track (ISO/IEC 14496-12, 8.3.2).

Only whole quarter turns are read and written. A matrix can also scale, shift and mirror, which may
hide a part of the picture; these are dropped.
"""

from __future__ import annotations

import io
from typing import Final

from agent.consent.statements import Region
from agent.media.mp4 import boxes

_ONE: Final = 0x10000  # 16.16 fixed point
_LAST_ONE: Final = 0x40000000  # 2.30
_FACTORS: Final = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))  # a, b, c, d
_MATRIX_BYTES: Final = 36
_MATRIX_AT: Final = {0: 40, 1: 52}  # in a tkhd box, by its version


def read_rotation(file: bytes) -> int:
    """The quarter turns, clockwise, of the first track of an MP4 that begins with ``file``."""
    content = file
    for wanted in ("moov", "trak", "tkhd"):
        found = boxes(io.BytesIO(content))
        at, size = next(((at, size) for kind, at, size in found if kind == wanted), (0, 0))
        content = content[at + 8 : at + size]
    at = _MATRIX_AT.get(content[0], 0) if content else 0
    matrix = content[at : at + _MATRIX_BYTES] if at else b""
    numbers = [
        int.from_bytes(matrix[place : place + 4], "big", signed=True) for place in (0, 4, 12, 16)
    ]
    factors = [tuple(_ONE * one for one in each) for each in _FACTORS]
    return factors.index(tuple(numbers)) if tuple(numbers) in factors else 0


def write_matrix(rotation: int, width: int, height: int) -> list[int]:
    """The nine numbers of the matrix for pictures of this coded size."""
    a, b, c, d = (_ONE * factor for factor in _FACTORS[rotation])
    right = _ONE * {1: height, 2: width}.get(rotation, 0)
    down = _ONE * {2: height, 3: width}.get(rotation, 0)
    return [a, b, 0, c, d, 0, right, down, _LAST_ONE]


def coded_region(shown: Region, rotation: int) -> Region:
    """The place in the coded pictures of a place in the pictures as they are shown."""
    left, top, right, bottom = shown.left, shown.top, shown.right, shown.bottom
    if rotation == 1:
        return Region(top, 1 - right, bottom, 1 - left)
    if rotation == 2:
        return Region(1 - right, 1 - bottom, 1 - left, 1 - top)
    if rotation == 3:
        return Region(1 - bottom, left, 1 - top, right)
    return shown
