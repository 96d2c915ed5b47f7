from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.camera.sources.timeline import Timeline

ANYTHING = st.one_of(st.none(), st.floats(-1e6, 1e6))
WAITS = st.floats(0, 30)


@given(st.booleans(), st.lists(st.tuples(ANYTHING, WAITS), max_size=60))
def test_whatever_the_camera_says_time_never_steps_back(
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
