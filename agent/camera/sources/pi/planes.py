"""The planes of a picture in a camera's buffer, as libcamera lays them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.errors import CameraFault

# The places of Cb and Cr: of two planes, or of two samples by turns in one plane.
_PLANAR = {"YUV420": (0, 1), "YVU420": (1, 0)}
_INTERLEAVED = {"NV12": (0, 1), "NV21": (1, 0)}

FORMATS = frozenset(_PLANAR) | frozenset(_INTERLEAVED)


class Planes(NamedTuple):
    """A YUV 4:2:0 picture; writable views, valid only as long as the buffer is mapped."""

    luma: NDArray[np.uint8]  # [height, width]
    cb: NDArray[np.uint8]  # [height / 2, width / 2]
    cr: NDArray[np.uint8]


def planes_of(buffer: NDArray[np.uint8], stream: Mapping[str, Any]) -> Planes:
    """The planes in ``buffer``, uint8 [bytes], by picamera2's stream configuration.

    That gives ``format``, ``size`` (width, height; even) and ``stride`` (bytes from one
    row of luma to the next). Raises :class:`CameraFault` for another format, and for a
    buffer that is too small.
    """
    name, (width, height), stride = stream["format"], stream["size"], stream["stride"]
    needed = stride * height * 3 // 2
    if name not in FORMATS or stride < width or buffer.size < needed:
        raise CameraFault(
            f"the camera gives pictures as {name}, {width}x{height}, rows of {stride} in"
            f" {buffer.size} bytes, and only 4:2:0 with all its planes in one buffer will do",
            advice="Use a camera on the board's own connector, or camera.source.type webcam",
        )
    luma = buffer[: stride * height].reshape(height, stride)[:, :width]
    rest = buffer[stride * height : needed]
    if name in _PLANAR:
        two = rest.reshape(2, height // 2, stride // 2)[:, :, : width // 2]
        cb, cr = _PLANAR[name]
        return Planes(luma, two[cb], two[cr])
    turns = rest.reshape(height // 2, stride)[:, :width].reshape(height // 2, width // 2, 2)
    cb, cr = _INTERLEAVED[name]
    return Planes(luma, turns[:, :, cb], turns[:, :, cr])
