"""Words of the messages: the deadline as people say it, one sentence for any number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.statements import WatchItem
from agent.owner.watch import text
from tests.owner.watch.conftest import item
from tests.support.time_zone import time_zone

NOW = datetime.fromisoformat("2024-01-24T18:30:00+01:00").timestamp()  # a Wednesday
DAY = 86_400


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    with time_zone("Europe/Berlin"):
        yield


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("2024-01-24T19:00:00+01:00", "today 19:00"),
        ("2024-01-25T00:00:00+01:00", "tomorrow 00:00"),
        ("2024-01-26T18:00:00+01:00", "Friday 18:00"),
        ("2024-01-30T18:00:00+01:00", "Tuesday 18:00"),
        ("2024-01-31T18:00:00+01:00", "Wed 31 Jan 2024, 18:00"),
        ("2024-01-23T18:00:00+01:00", "Tue 23 Jan 2024, 18:00"),
        ("2024-04-01T18:00:00+02:00", "Mon 01 Apr 2024, 18:00"),
    ],
)
def test_a_deadline_as_people_say_it(when: str, said: str) -> None:
    assert text.deadline(datetime.fromisoformat(when).timestamp(), NOW) == said


FRIDAY = int(datetime.fromisoformat("2024-01-26T18:00:00+01:00").timestamp())


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([item(1, until=FRIDAY)], "A request waits, until Friday 18:00"),
        ([item(1, until=FRIDAY, clips=1)], "A request waits, until Friday 18:00 (1 clip matches)"),
        (
            [item(1, until=FRIDAY), item(2, until=FRIDAY + DAY)],
            "2 requests wait, the first until Friday 18:00",
        ),
        ([item(1, "legal-order", until=FRIDAY)], "A LEGAL ORDER waits, until Friday 18:00"),
        (
            [item(1, "legal-order", until=FRIDAY, near=True)],
            "Little time is left: a LEGAL ORDER waits, until Friday 18:00",
        ),
        (
            [item(1, "agreement", until=FRIDAY)],
            "An approval of another owner waits for you, until Friday 18:00",
        ),
        ([item(1, "failed")], "An approved release was not sent: clip-agent owner inbox"),
        (
            [item(1, "held", until=FRIDAY)],
            "An approved release is held until you run: clip-agent owner inbox",
        ),
        (
            [item(1, "rejected")],
            "A release was sent, and its recipient rejected it: clip-agent owner inbox",
        ),
        ([item(1, "refused")], "The camera refused your answer: clip-agent owner inbox"),
        (
            [item(1, until=FRIDAY, title="Theft", who="Springfield PD")],
            "A request waits, until Friday 18:00\n“Theft”, Springfield PD",
        ),
    ],
)
def test_items_in_a_sentence(found: list[WatchItem], said: str) -> None:
    assert text.items(found, NOW) == said


KINDS = ["request", "legal-order", "agreement", "held", "failed", "rejected", "refused"]


@given(
    st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=9),
    st.sampled_from(KINDS),
    st.booleans(),
)
def test_every_kind_and_number_makes_a_sentence(ends: list[int], kind: str, near: bool) -> None:
    said = text.items([item(n, kind, until=end, near=near) for n, end in enumerate(ends)], NOW)
    assert said[0] == said[0].upper() and not said.startswith("-") and "\n" not in said
    assert len(ends) == 1 or str(len(ends)) in said


def test_each_kind_has_a_sentence_for_one_and_one_for_several() -> None:
    for kind in get_args(get_type_hints(WatchItem)["kind"]):
        one = text.items([item(1, kind)], NOW)
        several = text.items([item(1, kind), item(2, kind), item(3, kind)], NOW)
        assert "3" in several, kind
        assert one != several.replace("3", "1"), kind
