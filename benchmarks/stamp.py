"""A moment written into a picture so that it survives H.264 and scaling: blocks of black and white.

One row of 40 blocks along the top: 32 bits of milliseconds, and 8 bits of their sum,
so that a picture that was damaged says nothing rather than something wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TIME_BITS, _SUM_BITS = 32, 8
BITS = _TIME_BITS + _SUM_BITS
_BLACK, _WHITE, _BETWEEN = 32, 220, 126
_HEIGHT_SHARE = 0.1  # of the picture, for the row

Luma = NDArray[np.uint8]  # [height, width]


def write(picture: Luma, milliseconds: int) -> None:
    """Put ``milliseconds`` (modulo 2**32) into ``picture``, whose width 40 divides."""
    value = milliseconds % (1 << _TIME_BITS)
    word = value << _SUM_BITS | _sum(value)
    bits = [word >> (BITS - 1 - place) & 1 for place in range(BITS)]
    row = np.where(np.repeat(bits, picture.shape[1] // BITS), _WHITE, _BLACK)
    picture[: round(picture.shape[0] * _HEIGHT_SHARE)] = row


def read(picture: Luma) -> int | None:
    """The milliseconds in ``picture``, of any size; None if there are none to be trusted."""
    height, width = picture.shape
    rows = picture[round(height * 0.03) : round(height * 0.07)].mean(axis=0)
    middles = [round((place + 0.5) * width / BITS) for place in range(BITS)]
    word = 0
    for middle in middles:
        word = word << 1 | int(rows[middle - 1 : middle + 2].mean() > _BETWEEN)
    value = word >> _SUM_BITS
    return value if word & ((1 << _SUM_BITS) - 1) == _sum(value) else None


def _sum(value: int) -> int:
    return (sum(value.to_bytes(4, "big")) + 90) % 256  # black all over is no moment
