"""Back-off: the pause before another attempt grows with each failure."""

from __future__ import annotations


def pause_seconds(failures: int, *, first: float, longest: float, share: float = 1.0) -> float:
    """The pause after ``failures`` in a row: ``first``, doubled each time up to ``longest``.

    Half of it is multiplied by ``share``, drawn at random from 0 to 1, so that many
    clients of one server do not return at the same moment.
    """
    doubled = first * 2.0 ** min(max(failures - 1, 0), 30)
    return min(doubled, longest) * (0.5 + 0.5 * share)
