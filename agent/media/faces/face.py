"""Pictures that are searched for faces, and what is found in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.consent.statements import Region

Picture = NDArray[np.uint8]
"""Height x width x 3: blue, green, red."""


class Face(NamedTuple):
    """A face in a picture, and how likely it is one, from 0 to 1."""

    region: Region
    score: float
