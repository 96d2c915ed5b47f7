"""The sums behind the figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.arithmetic import fit, percentile


def test_a_line_through_points_on_a_line_has_no_noise() -> None:
    line = fit([0, 1, 2, 3], [5, 7, 9, 11])
    assert line.slope == pytest.approx(2)
    assert line.noise == pytest.approx(0, abs=1e-9)


def test_noise_is_how_far_points_lie_off_the_line() -> None:
    line = fit([0, 1, 2, 3], [1, -1, -1, 1])
    assert line.slope == pytest.approx(0)
    assert line.noise == pytest.approx(2**0.5)


def test_two_points_say_nothing_of_noise() -> None:
    with pytest.raises(ValueError, match="three"):
        fit([0, 1], [0, 1])


@pytest.mark.parametrize(
    ("share", "found"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1), (0.995, 100)]
)
def test_a_percentile_is_one_of_the_values(share: float, found: int) -> None:
    assert percentile(list(range(1, 101)), share) == found


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40), st.floats(0.01, 1))
def test_that_share_of_the_values_does_not_exceed_a_percentile(
    values: list[int], share: float
) -> None:
    limit = percentile(values, share)
    assert sum(value <= limit for value in values) >= share * len(values) - 1e-4


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
