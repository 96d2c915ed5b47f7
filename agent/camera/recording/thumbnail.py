"""A clip's picture: a small frame as a JPEG, in colour where its colours are known.

Small frames are YUV in video range (:mod:`agent.camera.sources.luma`). They are read
by BT.601 for every camera: few say what they use, and on a thumbnail the difference
is a shade of green.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.source import LUMA_WIDTH, Frame
from agent.camera.zones import BLACK

_JPEG_QUALITY = 75
_WHITE = 235  # luma in video range


def jpeg(frame: Frame) -> bytes | None:
    """``frame`` as a JPEG of its own size; None if it cannot be made."""
    made, data = cv2.imencode(".jpg", picture(frame), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes() if made else None


def picture(frame: Frame) -> NDArray[np.uint8]:
    """``frame`` for OpenCV in full range: [180, 320, 3] blue, green, red; or grey, [180, 320]."""
    if frame.chroma is None:
        scale = 255 / (_WHITE - BLACK)
        stretched = cv2.convertScaleAbs(np.maximum(frame.luma, BLACK) - BLACK, alpha=scale)
        return np.asarray(stretched, np.uint8)
    # OpenCV wants the three planes one below the other, two rows of colour to a line.
    planes = np.vstack((frame.luma, frame.chroma.reshape(-1, LUMA_WIDTH)))
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420), np.uint8)
