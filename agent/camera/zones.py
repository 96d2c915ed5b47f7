"""Zones: where motion counts, and what is painted over before anything is recorded.

Zones are polygons in relative coordinates, [0, 0] top left to [1, 1]. A point
belongs to a polygon if the outline winds around it (non-zero rule): where an outline
crosses itself nothing is left open, and a hole is drawn by going around it the
other way.

A privacy zone is rounded outward: every pixel that it touches is painted, and its
neighbours. A block of the detector's grid counts by its centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH
from agent.errors import ConfigError

GRID_WIDTH, GRID_HEIGHT = LUMA_WIDTH // 4, LUMA_HEIGHT // 4
BLACK, NO_COLOUR = 16, 128  # luma and chroma in video range

Mask = NDArray[np.uint8]  # [GRID_HEIGHT, GRID_WIDTH], 0 or 255
Plane = NDArray[np.uint8]  # [height, width]
Polygon = Sequence[tuple[float, float]]  # corners (x, y), each 0..1

_SUBPIXEL_BITS = 4
_SQUARE_3 = np.ones((3, 3), np.uint8)

_Patch = tuple[tuple[slice, slice], NDArray[np.bool_]]  # a part of a plane, and where in it


class PrivacyMask:
    """Paints polygons over pictures of any size; false if there are none.

    The pixels of each polygon are computed once a size, and kept.
    """

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._polygons = tuple(polygons)
        self._patches: dict[tuple[int, ...], tuple[_Patch, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._polygons)

    def paint(self, plane: Plane, value: int) -> None:
        """Set the private pixels of ``plane``, writable and of any strides, to ``value``."""
        patches = self._patches.get(plane.shape)
        if patches is None:
            height, width = plane.shape
            patches = tuple(_patch(polygon, width, height) for polygon in self._polygons)
            self._patches[plane.shape] = patches
        for box, where in patches:
            np.copyto(plane[box], np.uint8(value), where=where)

    def blacken(self, planes: Iterable[Plane]) -> None:
        """Paint the private part black in luma, and in Cb and Cr if given (video range)."""
        for plane, level in zip(planes, (BLACK, NO_COLOUR, NO_COLOUR), strict=False):
            self.paint(plane, level)


def motion_mask(
    include: Sequence[Polygon], exclude: Sequence[Polygon], privacy: Sequence[Polygon]
) -> Mask | None:
    """The blocks where motion counts, 255 there; None means everywhere.

    Those are the blocks whose centre lies in an ``include`` polygon, if there is
    one, and in no other. Raises :class:`ConfigError` if none is left.
    """
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
    return None if counts.all() else np.where(counts, np.uint8(255), np.uint8(0))


def _inside(polygon: Polygon, width: int, height: int) -> NDArray[np.bool_]:
    """The pixels of a [height, width] plane that have their centre in ``polygon``.

    Along each row the winding number changes where an edge is crossed, by the
    edge's direction; a pixel is inside where it is not zero.
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
    """The pixels of a [height, width] plane that ``polygon`` touches, and one pixel around."""
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
