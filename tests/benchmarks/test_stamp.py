"""A moment in a picture: read back after scaling and coding, or not at all."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import stamp


def stamped(milliseconds: int, width: int = 640, height: int = 360) -> stamp.Luma:
    picture = np.full((height, width), 128, np.uint8)
    stamp.write(picture, milliseconds)
    return picture


@given(st.integers(0, 2**32 - 1))
def test_a_moment_survives_scaling_and_strong_noise(milliseconds: int) -> None:
    small = cv2.resize(stamped(milliseconds), (320, 180), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(1).normal(0, 25, small.shape)
    noisy = np.clip(small + noise, 0, 255).astype(np.uint8)
    assert stamp.read(noisy) == milliseconds


def test_a_moment_beyond_32_bits_goes_around() -> None:
    assert stamp.read(stamped(2**32 + 5)) == 5


def test_a_picture_without_a_moment_says_none() -> None:
    for level in (0, 128, 255):
        assert stamp.read(np.full((180, 320), level, np.uint8)) is None


def test_a_damaged_block_is_noticed() -> None:
    picture = stamped(123_456_789)
    width = picture.shape[1] // stamp.BITS
    for block in range(stamp.BITS):
        damaged = picture.copy()
        span = damaged[:40, block * width : (block + 1) * width]
        np.subtract(252, span, out=span)
        assert stamp.read(damaged) != 123_456_789
