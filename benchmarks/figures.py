"""The figures of a benchmark and their targets, as one table.

Every target is an upper bound. A figure without a value was not measured, which is
never taken for met: its note says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["met", "MISSED", "not measured", ""]

_COLUMNS = ("", "measured", "target", "")


class NotMeasured(Exception):
    """A part that cannot run here; its text says what is missing, and how to get it."""


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``target`` is the most that ``value`` may be; None asks nothing.

    The unit ``ratio`` is for costs compared with a peer's, and is printed as a fraction.
    """

    what: str
    value: float | None
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict on the value by its target."""
        if self.target is None:
            return ""
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.target else "MISSED"

    @property
    def measured(self) -> str:
        """The value as text."""
        return "-" if self.value is None else _text(self.value, self.unit)

    @property
    def at_most(self) -> str:
        """The target as text."""
        return "" if self.target is None else f"<= {_text(self.target, self.unit)}"


def _text(value: float, unit: str) -> str:
    if unit == "ratio":
        return f"1/{1 / value:.1f}" if 0 < value < 1 else f"{value:.2f}"
    digits = 0 if float(value).is_integer() or abs(value) >= 1000 else 3 if abs(value) < 2 else 1
    return f"{value:.{digits}f} {unit}".rstrip()


def table(parts: Sequence[tuple[str, Sequence[Figure]]]) -> str:
    """All figures, a block a part, in columns."""
    rows = [_COLUMNS]
    for title, figures in parts:
        rows += [("", "", "", ""), (title, "", "", "")]
        rows += [(f"  {f.what}", f.measured, f.at_most, _remark(f)) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for what, measured, at_most, remark in rows:
        line = f"{what:{widths[0]}}  {measured:>{widths[1]}}  {at_most:>{widths[2]}}  {remark}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _remark(figure: Figure) -> str:
    return "; ".join(part for part in (figure.verdict, figure.note) if part)


def summary(figures: Sequence[Figure]) -> str:
    """The number of targets that were met, in one line."""
    verdicts = [figure.verdict for figure in figures if figure.verdict]
    counts = [(name, verdicts.count(name)) for name in ("met", "MISSED", "not measured")]
    return f"{len(verdicts)} targets: " + ", ".join(f"{count} {name}" for name, count in counts)
