"""JPEG pictures as a camera makes them, for tests."""

from __future__ import annotations

import cv2
import numpy as np


def jpeg(shade: int = 100, *, width: int = 320, height: int = 180, noisy: bool = False) -> bytes:
    """A baseline JPEG of one grey, or of noise, in the size of a thumbnail."""
    picture = np.full((height, width, 3), shade, np.uint8)
    if noisy:
        picture = np.random.default_rng(shade).integers(0, 255, picture.shape).astype(np.uint8)
    made, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 75])
    assert made
    return data.tobytes()
