from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.sources.timeline import Timeline

ANYTHING = st.one_of(st.none(), st.floats(-1e6, 1e6))
WAITS = st.floats(0, 30)


@given(st.booleans(), st.lists(st.tuples(ANYTHING, WAITS), max_size=60))
def test_no_stamp_of_a_camera_makes_time_step_back(
    follow: bool, packets: list[tuple[float | None, float]]
) -> None:
    timeline, arrival, last = Timeline(follow=follow), 1000.0, float("-inf")
    for stamp, wait in packets:
        arrival += wait
        seconds = timeline.place(stamp, arrival if follow else 1000.0)
        assert seconds > last
        last = seconds


@given(st.lists(st.tuples(ANYTHING, WAITS), max_size=60), st.floats(0, 1e6))
def test_after_any_confusion_a_live_stream_is_back_at_its_time_of_arrival(
    packets: list[tuple[float | None, float]], stamp: float
) -> None:
    timeline, arrival = Timeline(follow=True), 1000.0
    for strange, wait in packets:
        arrival += wait
        timeline.place(strange, arrival)
    for _ in range(60 * 15):
        arrival, stamp = arrival + 1 / 15, stamp + 1 / 15
        seconds = timeline.place(stamp, arrival)
    assert abs(seconds - arrival) <= 5.0


@given(st.lists(st.tuples(ANYTHING, WAITS), max_size=60))
def test_a_live_packet_is_never_placed_far_from_when_it_came(
    packets: list[tuple[float | None, float]],
) -> None:
    timeline, arrival = Timeline(follow=True), 1000.0
    for number, (stamp, wait) in enumerate(packets):
        arrival += wait
        seconds = timeline.place(stamp, arrival)
        assert arrival - 10.5 <= seconds <= arrival + 0.51 + number * 0.001


CONFUSIONS: dict[str, Callable[[int], float | None]] = {
    "forward": lambda n: n / 15 + (n >= 100) * 3600,
    "a little forward": lambda n: n / 15 + (n >= 100) * 3,
    "back": lambda n: n / 15 - (n >= 100) * 3600,
    "a little back": lambda n: n / 15 - (n >= 100) * 2,
    "at 0 again": lambda n: 7e5 + n / 15 if n < 100 else (n - 100) / 15,
    "standing still": lambda n: min(n, 100) / 15,
    "standing still for a while": lambda n: n / 15 if n < 100 or n > 145 else 100 / 15,
    "missing": lambda n: None if n >= 100 else n / 15,
    "missing now and then": lambda n: None if n % 3 else n / 15,
    "MPEG-TS wraps": lambda n: (2**33 - 9e6 + n * 6000) % 2**33 / 9e4,
    "RTP wraps": lambda n: (2**32 - 6e5 + n * 6000) % 2**32 / 9e4,
}


@pytest.mark.parametrize("confusion", CONFUSIONS)
def test_no_fault_of_a_cameras_clock_makes_a_gap_in_the_recording(confusion: str) -> None:
    timeline, random = Timeline(follow=True), Random(3)
    placed = [
        timeline.place(CONFUSIONS[confusion](number), 50 + number / 15 + random.random() * 0.05)
        for number in range(300)
    ]
    steps = [later - earlier for earlier, later in itertools.pairwise(placed)]
    assert all(0 < step < 0.2 for step in steps)
    assert all(abs(at - 50 - number / 15) < 0.2 for number, at in enumerate(placed))


def test_a_network_that_stalls_for_seconds_does_not_reach_the_recording() -> None:
    timeline = Timeline(follow=True)
    arrivals = [max(50 + n / 15, 58.0) if n > 60 else 50 + n / 15 for n in range(300)]
    placed = [timeline.place(n / 15, arrival) for n, arrival in enumerate(arrivals)]
    steps = [later - earlier for earlier, later in itertools.pairwise(placed)]
    assert max(abs(step - 1 / 15) for step in steps) < 0.005


def test_a_lasting_delay_is_made_good_little_by_little() -> None:
    timeline, arrival, seconds = Timeline(follow=True), 0.0, 0.0
    for number in range(15 * 60):
        arrival = 50 + number / 15 + (2.0 if number > 150 else 0.0)
        before, seconds = seconds, timeline.place(number / 15, arrival)
        assert number == 0 or seconds - before < 1.06 / 15
    assert abs(seconds - arrival) < 0.1


def test_jitter_does_not_reach_the_recording() -> None:
    timeline = Timeline(follow=True)
    placed = [
        timeline.place(number / 15, 50 + number / 15 + (0.4 if number % 7 == 3 else 0.0))
        for number in range(300)
    ]
    steps = [later - earlier for earlier, later in itertools.pairwise(placed)]
    assert max(abs(step - 1 / 15) for step in steps) < 0.005


def test_a_camera_whose_clock_runs_slow_or_fast_is_followed() -> None:
    for rate in (0.9995, 1.0005):
        timeline, seconds, arrival = Timeline(follow=True), 0.0, 0.0
        for number in range(3600 * 5):
            arrival = 100 + number / 5
            seconds = timeline.place(number / 5 * rate, arrival)
        assert abs(seconds - arrival) < 0.1


def test_a_file_keeps_its_own_steps_wherever_it_is_placed() -> None:
    timeline = Timeline(follow=False)
    placed = [timeline.place(stamp, 7.0) for stamp in (3.0, 3.5, 60.0)]
    assert placed == [7.0, 7.5, 64.0]
