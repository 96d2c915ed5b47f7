"""Times, outcomes and places in words."""

from __future__ import annotations

import pytest

from agent.owner.wording import text
from tests.support import statements

HOUR, DAY = 3_600, 86_400


def test_the_time_that_is_left_or_gone_is_told_in_its_largest_unit() -> None:
    for seconds, left in (
        (-5, "expired"),
        (0, "expired"),
        (90 * 60, "90 minutes left"),
        (2 * HOUR, "2 hours left"),
        (2 * DAY - 1, "48 hours left"),
        (2 * DAY, "2 days left"),
    ):
        assert text.remaining(seconds) == left
    for seconds, gone in ((0, "just now"), (119, "just now"), (2 * DAY, "2 days ago")):
        assert text.ago(seconds) == gone


def test_a_refusal_for_a_time_asks_for_this_computers_clock_unless_it_names_one() -> None:
    question = "(is this computer's clock right?)"
    for detail, asks in (
        ("issued-in-future: by 300 seconds", True),
        ("expired: at noon", True),
        ("expired: the camera's clock is ahead", False),
        ("not-seen: it was cut off", False),
    ):
        said = text.outcome("REFUSED", detail)
        assert said.startswith(f"refused by your camera: {detail}")
        assert said.endswith(question) == asks


def test_a_place_is_told_by_its_size_and_middle_or_why_it_has_no_size() -> None:
    square = statements.square_around(42.1, -72.6)
    size, _, middle = text.place(square).partition(" square miles around ")
    assert middle == "42.1000, -72.6000"
    assert float(size) == pytest.approx(0.228, abs=0.005)  # 890 by 662 m
    crossed = statements.polygon((-72.6, 42.1), (-72.5, 42.2), (-72.5, 42.1), (-72.6, 42.2))
    assert text.place(crossed).startswith("of no size (")
