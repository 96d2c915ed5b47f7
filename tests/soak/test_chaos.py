"""The chaos of `make soak`, briefly."""

from __future__ import annotations

import pytest

from tests.soak.chaos import run, verdict

pytestmark = [pytest.mark.timeout(900), pytest.mark.no_cover]


def test_releases_arrive_once_over_a_line_that_fails_while_both_ends_are_killed() -> None:
    told = run(2, 2, "brief")
    assert verdict(told, 2), told
    assert told["kills"] == 2
