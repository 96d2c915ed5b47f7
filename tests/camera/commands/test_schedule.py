"""The schedule of recording, by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.commands.schedule import Schedule
from agent.config import Period
from tests.support.time_zone import time_zone

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # changes its clock by half an hour
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NIGHTS = Schedule([Period(start="22:00", end="06:00")], BERLIN)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_without_periods_it_always_records() -> None:
    assert Schedule().armed(0.0) and Schedule().changes_at(0.0) is None


@pytest.mark.parametrize(
    ("when", "armed"),
    [
        ("2024-01-24T21:59:59+01:00", False),
        ("2024-01-24T22:00:00+01:00", True),
        ("2024-01-25T00:00:00+01:00", True),
        ("2024-01-25T05:59:59+01:00", True),
        ("2024-01-25T06:00:00+01:00", False),
    ],
)
def test_a_period_over_midnight(when: str, armed: bool) -> None:
    assert NIGHTS.armed(at(when)) is armed


@pytest.mark.parametrize(
    ("when", "armed"),
    [
        ("2024-01-26T22:00:00+01:00", True),  # Friday
        ("2024-01-27T05:00:00+01:00", True),
        ("2024-01-27T22:00:00+01:00", False),
        ("2024-01-26T05:00:00+01:00", False),
    ],
)
def test_the_days_are_those_on_which_a_period_begins(when: str, armed: bool) -> None:
    friday = Schedule([Period(start="22:00", end="06:00", days=("fri",))], BERLIN)
    assert friday.armed(at(when)) is armed


@pytest.mark.parametrize("end", ["24:00", "00:00"])
def test_a_whole_day_and_whole_days_one_after_the_other(end: str) -> None:
    weekend = Schedule([Period(start="00:00", end=end, days=("sat", "sun"))], BERLIN)
    assert not weekend.armed(at("2024-01-26T23:59:59+01:00"))
    for hour in range(48):
        assert weekend.armed(at("2024-01-27T00:00:00+01:00") + 3_600 * hour)
    assert not weekend.armed(at("2024-01-29T00:00:00+01:00"))
    assert weekend.changes_at(at("2024-01-27T12:00:00+01:00")) == at("2024-01-29T00:00:00+01:00")


def test_several_periods_add_up() -> None:
    both = Schedule(
        [Period(start="08:00", end="12:00"), Period(start="11:00", end="13:00")], BERLIN
    )
    assert [hour for hour in range(24) if both.armed(at(f"2024-01-24T{hour:02}:30:00+01:00"))] == [
        8, 9, 10, 11, 12,
    ]  # fmt: skip


def test_when_the_clock_goes_forward_a_time_that_it_skips_is_in_no_period() -> None:
    """Berlin, 31 March 2024: 02:00 is followed by 03:00."""
    early = Schedule([Period(start="02:30", end="05:00")], BERLIN)
    change = at("2024-03-31T03:00:00+02:00")
    assert not early.armed(change - 1)
    assert early.armed(change)
    assert early.changes_at(change - 60) == change
    assert early.changes_at(change) == at("2024-03-31T05:00:00+02:00")
    skipped = Schedule([Period(start="02:10", end="02:50")], BERLIN)
    midnight = at("2024-03-31T00:00:00+01:00")
    assert not any(skipped.armed(midnight + 60 * n) for n in range(23 * 60))


def test_when_the_clock_goes_back_a_time_that_it_shows_twice_is_in_a_period_twice() -> None:
    """New York, 3 November 2024: 01:00 to 02:00 comes twice."""
    hour = Schedule([Period(start="01:00", end="02:00")], NEW_YORK)
    first, second = at("2024-11-03T01:30:00-04:00"), at("2024-11-03T01:30:00-05:00")
    assert hour.armed(first) and hour.armed(second)
    assert hour.changes_at(first) == at("2024-11-03T02:00:00-05:00")
    half = Schedule([Period(start="01:30", end="02:00")], NEW_YORK)
    assert half.changes_at(first) == at("2024-11-03T01:00:00-05:00"), "back to 01:00"
    assert half.changes_at(second - 1) == second


def test_a_night_has_nine_hours_when_the_clock_goes_back_and_seven_when_it_goes_forward() -> None:
    for evening, hours in (("2024-10-26T22:00:00+02:00", 9), ("2024-03-30T22:00:00+01:00", 7)):
        assert NIGHTS.changes_at(at(evening)) == at(evening) + 3_600 * hours


def test_the_systems_time_zone() -> None:
    with time_zone("America/New_York"):
        here = Schedule(NIGHTS.periods)
        assert here.armed(at("2024-07-04T22:00:00-04:00"))
        assert not here.armed(at("2024-07-04T21:59:59-04:00"))
        assert here.changes_at(at("2024-07-04T12:00:00-04:00")) == at("2024-07-04T22:00:00-04:00")


CLOCKS = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.integers(0, 59))
PERIODS = st.builds(
    lambda start, end, days: Period(start=start, end=end, days=tuple(sorted(days))),
    CLOCKS,
    st.one_of(CLOCKS, st.just("24:00")),
    st.sets(st.sampled_from(DAYS), min_size=1),
)
MOMENTS = st.integers(1_700_000_000, 1_740_000_000)  # through two changes each way
ZONES = st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("UTC")])


def oracle(period: Period, when: float, zone: ZoneInfo) -> bool:
    """Minutes of the week: a period is an interval of them, which may go over Sunday's end."""
    local = datetime.fromtimestamp(when, UTC).astimezone(zone)
    week, minute = 7 * 1_440, local.weekday() * 1_440 + local.hour * 60 + local.minute
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (period.start, period.end))
    length = end - start if end > start else end - start + 1_440
    begins = [DAYS.index(day) * 1_440 + start for day in period.days]
    return any((minute - begin) % week < length for begin in begins)


@given(st.lists(PERIODS, min_size=1, max_size=3), MOMENTS, ZONES)
def test_it_is_armed_as_the_minutes_of_the_week_say(
    periods: list[Period], when: int, zone: ZoneInfo
) -> None:
    expected = any(oracle(period, when, zone) for period in periods)
    assert Schedule(periods, zone).armed(when) is expected


@given(st.lists(PERIODS, min_size=1, max_size=2), MOMENTS, ZONES)
def test_the_next_change_is_the_first_one(periods: list[Period], when: int, zone: ZoneInfo) -> None:
    schedule = Schedule(periods, zone)
    change, now = schedule.changes_at(when), schedule.armed(when)
    end = change if change is not None else when + timedelta(days=8).total_seconds()
    minutes = range(0, int(end - when), 60 * 7)
    assert all(schedule.armed(when + second) == now for second in minutes)
    if change is not None:
        assert schedule.armed(change) != now
        assert schedule.armed(change - 1) == now
