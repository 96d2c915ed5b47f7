"""The few sums that several parts need."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A straight line through points: its slope, and how far points lie off it (1 sigma)."""

    slope: float
    noise: float


def fit(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """Least squares. Needs three points at least, not all at one x."""
    if len(xs) < 3:
        raise ValueError("a line with noise needs three points")
    slope, intercept = statistics.linear_regression(xs, ys)
    residuals = [y - (slope * x + intercept) for x, y in zip(xs, ys, strict=True)]
    return Line(slope, (sum(r * r for r in residuals) / (len(xs) - 2)) ** 0.5)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of ``values`` do not exceed (nearest rank)."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = max(1, -(-round(share * 1e6) * len(ordered) // 1_000_000))
    return ordered[rank - 1]
