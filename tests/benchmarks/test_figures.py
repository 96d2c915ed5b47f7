"""The table: what counts as met, and that nothing unmeasured does."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, summary, table


@pytest.mark.parametrize(
    ("value", "target", "verdict"),
    [
        (1.0, 1.0, "met"),
        (1.01, 1.0, "MISSED"),
        (0, 0, "met"),
        (float("inf"), 1.0, "MISSED"),
        (float("nan"), 1.0, "MISSED"),
        (None, 1.0, "not measured"),
        (5.0, None, ""),
        (None, None, ""),
    ],
)
def test_a_target_is_an_upper_bound(
    value: float | None, target: float | None, verdict: str
) -> None:
    assert Figure("x", value, "s", target).verdict == verdict


def test_a_ratio_reads_as_a_fraction() -> None:
    figure = Figure("x", 0.05, "ratio", 1 / 15)
    assert (figure.measured, figure.at_most) == ("1/20.0", "<= 1/15.0")
    assert Figure("x", 1.5, "ratio").measured == "1.50"


def test_every_figure_stands_in_the_table_with_its_verdict_and_note() -> None:
    found = [Figure("cost", 3.25, "s", 3, "slow"), Figure("peer", None, "s", 3, "no peer")]
    lines = table([("part", found)]).splitlines()
    assert lines[2] == "part"
    assert lines[3].split() == ["cost", "3.2", "s", "<=", "3", "s", "MISSED;", "slow"]
    assert lines[4].split() == ["peer", "-", "<=", "3", "s", "not", "measured;", "no", "peer"]
    assert summary(found) == "2 targets: 0 met, 1 MISSED, 1 not measured"
