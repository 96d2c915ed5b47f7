"""A fuzzing target: a decoder, its seeds, and its properties.

``run`` takes any bytes and returns. The errors that a decoder documents it catches
itself; any other error, and an invariant that does not hold, is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """``seeds``: good and hostile inputs to begin with. None is longer than ``max_bytes``."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    max_bytes: int = 20_000
