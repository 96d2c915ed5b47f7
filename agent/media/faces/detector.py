"""Face detector: the network CenterFace, run by OpenCV.

Xu, Yan, Yang et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019
(arXiv:1911.03599). The network answers with a map a quarter of the picture's size. Each of its
cells says how likely a face has its centre there, and for such a face its size and the place of
its centre within the cell.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.consent.statements import Region
from agent.media.faces.face import Face, Picture

LEAST_SCORE: Final = 0.15  # of a face; see docs/decisions/faces.md
_CELL_PIXELS: Final = 4  # width and height of a cell of the answer
_STEP_PIXELS: Final = 32  # the network takes pictures of multiples of it
_OUTPUTS: Final = ("537", "538", "539", "540")  # score, log of size in cells, place, landmarks
_OVERLAP: Final = 0.3  # of two finds that are one face, as share of what both cover
_MOST_FACES: Final = 100  # in a picture; the likeliest


class Detector:
    """CenterFace. Not for use by two threads at a time."""

    def __init__(self, model: bytes, *, least_score: float = LEAST_SCORE) -> None:
        self._network = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
        self._least_score = least_score

    def find(self, picture: Picture) -> list[Face]:
        """The faces in an upright picture, the likeliest first."""
        height, width = picture.shape[:2]
        down, across = (-side % _STEP_PIXELS for side in (height, width))
        padded = np.pad(picture, ((0, down), (0, across), (0, 0)))
        self._network.setInput(cv2.dnn.blobFromImage(padded, swapRB=True))
        score, size, place = (part[0] for part in self._network.forward(_OUTPUTS)[:3])
        rows, columns = np.nonzero(score[0] >= self._least_score)
        likeliest = np.argsort(-score[0, rows, columns])[: 4 * _MOST_FACES]
        rows, columns = rows[likeliest], columns[likeliest]
        centres = np.stack([columns, rows]) + 0.5 + place[::-1, rows, columns]
        half = np.exp(size[::-1, rows, columns]) / 2
        cells = np.array([[width], [height]]) / _CELL_PIXELS
        begins, ends = (np.clip(edge / cells, 0, 1) for edge in (centres - half, centres + half))
        scores = score[0, rows, columns]
        kept = _apart(np.concatenate([begins, ends]).T)
        return [
            Face(Region(*map(float, (*begins[:, n], *ends[:, n]))), float(scores[n])) for n in kept
        ]


def _apart(edges: NDArray[np.float64]) -> list[int]:
    """The numbers of the regions (left, top, right, bottom) that no earlier one mostly covers."""
    area = np.prod(edges[:, 2:] - edges[:, :2], axis=1)
    waiting = np.nonzero(area > 0)[0]
    kept: list[int] = []
    while waiting.size and len(kept) < _MOST_FACES:
        first, waiting = waiting[0], waiting[1:]
        kept.append(int(first))
        begins = np.maximum(edges[first, :2], edges[waiting, :2])
        ends = np.minimum(edges[first, 2:], edges[waiting, 2:])
        shared = np.prod(np.maximum(ends - begins, 0), axis=1)
        waiting = waiting[shared < _OVERLAP * (area[first] + area[waiting] - shared)]
    return kept
