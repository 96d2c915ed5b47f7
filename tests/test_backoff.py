"""Pauses between attempts."""

from __future__ import annotations

import pytest

from agent.backoff import pause_seconds


@pytest.mark.parametrize(
    ("share", "pauses"), [(1.0, [1, 1, 2, 4, 32, 60, 60]), (0.0, [0.5, 0.5, 1, 2, 16, 30, 30])]
)
def test_the_pauses_double_up_to_a_limit_and_half_of_each_is_random(
    share: float, pauses: list[float]
) -> None:
    failures = (0, 1, 2, 3, 6, 7, 10_000)
    assert [pause_seconds(n, first=1, longest=60, share=share) for n in failures] == pauses
