"""Zones: where motion counts, and what is painted over before anything is recorded.

Zones are polygons in relative coordinates, [0, 0] top left to [1, 1]. A point
belongs to a polygon if the outline winds around it (non-zero rule): where an outline
crosses itself nothing is left open, and a hole is drawn by going around it the
other way.

A privacy zone is rounded outward: every pixel that it touches is painted, and its
neighbours. A block of the detector's grid counts by its centre. Who paints when is
the sources' business; what the blocks are is :mod:`agent.camera.detection.detector`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH
from agent.errors import ConfigError

GRID_WIDTH, GRID_HEIGHT = LUMA_WIDTH // 4, LUMA_HEIGHT // 4

Mask = NDArray[np.uint8]  # [GRID_HEIGHT, GRID_WIDTH], 0 or 255
Plane = NDArray[np.uint8]  # [height, width] or [height, width, channels]
Polygon = Sequence[tuple[float, float]]  # corners (x, y), each 0..1

_SUBPIXEL_BITS = 4
_SQUARE_3 = np.ones((3, 3), np.uint8)

_Patch = tuple[tuple[slice, slice], NDArray[np.bool_]]  # a part of a plane, and where in it


class PrivacyMask:
    """Paints polygons over pictures of any size; false if there are none.

    What a polygon comes to at a size is worked out once and kept.
    """

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._polygons = tuple(polygons)
        self._patches: dict[tuple[int, int], tuple[_Patch, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._polygons)

    def paint(self, plane: Plane, value: int | Sequence[int]) -> None:
        """Set what is private in ``plane`` to ``value``, in place.

        ``plane`` is writable, [height, width] or [height, width, channels], of any
        strides; then ``value`` may be one number, or one a channel.
        """
        height, width = plane.shape[:2]
        patches = self._patches.get((height, width))
        if patches is None:
            patches = tuple(_patch(polygon, width, height) for polygon in self._polygons)
            self._patches[height, width] = patches
        for box, where in patches:
            part = plane[box]
            np.copyto(
                part,
                np.asarray(value, np.uint8),
                where=where if part.ndim == 2 else where[..., None],
            )


def motion_mask(
    include: Sequence[Polygon], exclude: Sequence[Polygon], privacy: Sequence[Polygon]
) -> Mask | None:
    """The blocks where motion counts, 255 there; None means everywhere.

    Those are the blocks whose centre lies in an ``include`` polygon, if there is
    one, and in no other. Raises :class:`ConfigError` if none is left.
    """
    if not (include or exclude or privacy):
        return None
    counts = np.full((GRID_HEIGHT, GRID_WIDTH), not include, np.bool_)
    for polygon in include:
        counts |= _inside(polygon, GRID_WIDTH, GRID_HEIGHT)
    for polygon in (*exclude, *privacy):
        counts &= ~_inside(polygon, GRID_WIDTH, GRID_HEIGHT)
    if not counts.any():
        raise ConfigError(
            "camera.zones leave no part of the picture in which motion counts",
            advice="Make an include zone larger, or an exclude or privacy zone smaller",
        )
    if counts.all():
        return None
    return np.where(counts, np.uint8(255), np.uint8(0))


def _inside(polygon: Polygon, width: int, height: int) -> NDArray[np.bool_]:
    """Which pixels of a [height, width] plane have their centre in ``polygon``.

    Along each row the winding number changes where an edge is crossed, by the
    edge's direction; where it is not zero is inside.
    """
    crossings = np.zeros((height, width + 1), np.int32)
    corners = np.asarray(polygon, np.float64) * (width, height)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        first, last = (int(np.ceil(y - 0.5)) for y in sorted((y0, y1)))
        rows = np.arange(first, last)  # those whose centre the edge crosses
        if not rows.size:
            continue
        x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.intp)
        crossings[rows, columns] += 1 if y1 > y0 else -1
    inside: NDArray[np.bool_] = np.cumsum(crossings[:, :-1], axis=1) != 0
    return inside


def _patch(polygon: Polygon, width: int, height: int) -> _Patch:
    """Where ``polygon`` hides a [height, width] plane: all it touches, and a pixel around."""
    # The outline runs through pixels whose centres it leaves outside, and a drawn line may
    # miss a pixel that it only grazes: hence the neighbours, for which the canvas has a rim.
    canvas = np.pad(_inside(polygon, width, height).astype(np.uint8), 1)
    corners = (np.asarray(polygon, np.float64) * (width, height) + 0.5) * (1 << _SUBPIXEL_BITS)
    outline = np.rint(corners).astype(np.int32)
    cv2.polylines(canvas, [outline], True, 1, thickness=1, shift=_SUBPIXEL_BITS)
    hidden = np.asarray(cv2.dilate(canvas, _SQUARE_3)[1:-1, 1:-1], np.uint8)
    left, top, across, down = cv2.boundingRect(hidden)
    box = (slice(top, top + down), slice(left, left + across))
    return box, hidden[box].astype(np.bool_)
