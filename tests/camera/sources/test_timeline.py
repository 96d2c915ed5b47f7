"""Recorded times against streams whose truth is known (:mod:`tests.support.stream_clock`)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.camera.sources.timeline import Arrival, FileTimeline, Timeline, UsualStep
from tests.support.stream_clock import Sent, Stream, changing, errors, place_all, steady

EXTREME = float(2**63)
ANYTHING = st.one_of(
    st.none(), st.floats(-1e6, 1e6), st.sampled_from([EXTREME, -EXTREME, EXTREME / 9e4])
)
WAITS = st.floats(0, 30)
PACKETS = st.lists(st.tuples(ANYTHING, WAITS, st.booleans()), min_size=1, max_size=60)
RATES = [0.3, 0.4, 0.5, 0.84, 0.97, 1.0, 1.06, 1.5, 2.0, 3.0]


def arrivals_of(packets: Sequence[tuple[float | None, float, bool]]) -> list[Arrival]:
    times = itertools.accumulate((wait for _, wait, _ in packets), initial=1000.0)
    return [
        Arrival(stamp, at, fresh) for (stamp, _, fresh), at in zip(packets, times, strict=False)
    ]


# Any rate


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames_per_second", [1.0, 5.0, 12.5, 30.0])
def test_a_clock_of_any_rate_is_measured_from_the_first_picture_on(
    rate: float, frames_per_second: float
) -> None:
    stream = Stream(rate=steady(rate), frames_per_second=frames_per_second, jitter_seconds=0.02)
    found = errors([*stream.sent()])
    assert found.start <= 0.1
    assert found.length <= 0.005
    assert found.step <= 1.5 / frames_per_second


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", [1, 2])
def test_jitter_of_a_second_does_not_hide_the_rate(rate: float, seed: int) -> None:
    sent = [*Stream(seconds=75, rate=steady(rate), jitter_seconds=1.0, seed=seed).sent()]
    assert errors(sent).start <= 1.02
    later = errors(sent, since=20, clip_seconds=15)
    assert later.length <= 0.025
    assert later.start <= 0.75
    assert later.step <= 0.2


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_stalls_and_the_bursts_after_them_do_not_reach_the_recording(rate: float) -> None:
    stalls = ((12.0, 14.0), (30.0, 33.0), (45.0, 53.0))
    found = errors([*Stream(rate=steady(rate), stalls=stalls, jitter_seconds=0.05).sent()])
    assert found.start <= 0.2
    assert found.length <= 0.01
    assert found.step <= 0.1


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_a_camera_that_sends_a_second_of_pictures_at_once_is_dated_by_its_last(
    rate: float,
) -> None:
    sent = [*Stream(seconds=57.6, rate=steady(rate), batch=12).sent()]
    assert errors(sent).start <= 1.0
    later = errors(sent, since=15)
    assert later.start <= 0.3
    assert later.length <= 0.02
    assert later.step <= 0.1


@pytest.mark.parametrize("rate", [0.3, 0.84, 1.0, 3.0])
@pytest.mark.parametrize("piled_up", [0.5, 2.0, 4.0])
def test_packets_that_piled_up_at_the_join_are_dated_by_the_pace_of_those_behind(
    rate: float, piled_up: float
) -> None:
    stream = Stream(rate=steady(rate), piled_up_seconds=piled_up, jitter_seconds=0.01)
    found = errors([*stream.sent()])
    assert found.start <= 0.3
    assert found.length <= 0.02


# Rates that change


@pytest.mark.parametrize(
    ("before", "after"), [(1.0, 0.5), (0.5, 1.0), (1.0, 0.84), (0.84, 1.0), (0.5, 2.0), (2.0, 0.9)]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_rate_that_changes_by_day_and_night_is_followed_within_a_second(
    before: float, after: float, seed: int
) -> None:
    rate = changing((0, before), (20, after), (40, before))
    sent = [*Stream(rate=rate, jitter_seconds=0.05, seed=seed).sent()]
    found = errors(sent)
    assert found.start <= 1.0
    assert found.step <= 0.5
    assert errors(sent, since=50, clip_seconds=8).length <= 0.02


@settings(max_examples=15)
@given(st.floats(0.3, 3.0), st.floats(0.0, 0.3), st.sampled_from([5.0, 12.5, 25.0]), st.integers())
def test_any_rate_with_some_jitter_is_right_within_a_third_of_a_second(
    rate: float, jitter: float, frames_per_second: float, seed: int
) -> None:
    stream = Stream(
        seconds=40,
        rate=steady(rate),
        jitter_seconds=jitter,
        frames_per_second=frames_per_second,
        seed=seed,
    )
    sent = [*stream.sent()]
    assert errors(sent).start <= 0.05 + 1.1 * jitter
    assert errors(sent, since=15).length <= 0.02


def test_a_clock_that_drifts_is_followed() -> None:
    for rate in (0.9995, 1.0005):
        found = errors([*Stream(seconds=600, frames_per_second=2, rate=steady(rate)).sent()])
        assert found.start <= 0.1
        assert found.length <= 0.002


def test_a_reader_that_is_too_slow_does_not_take_the_clock_of_its_camera_for_slow() -> None:
    """Its packets come later and later, but none had to be waited for."""
    sent = [*Stream(seconds=90).sent()]
    slow = [
        one
        if one.truth < sent[0].truth + 20
        else Sent(
            one.truth, Arrival(one.arrival.stamp, 1.3 * one.truth - 0.3 * sent[250].truth, False)
        )
        for one in sent
    ]
    found = errors(slow)
    assert found.start <= 0.1
    assert found.step <= 0.1


# Faulty stamps


@given(PACKETS, st.integers(0, 5))
def test_no_stamp_of_a_camera_makes_time_step_back(
    packets: list[tuple[float | None, float, bool]], held: int
) -> None:
    arrivals = arrivals_of(packets)
    timeline = Timeline()
    placed = timeline.begin(arrivals[: held + 1])
    placed += [timeline.place(arrival) for arrival in arrivals[held + 1 :]]
    assert all(after > before for before, after in itertools.pairwise(placed))
    assert 0 < timeline.step_seconds <= 10.0


@settings(max_examples=20)
@given(PACKETS, st.floats(0, 1e6))
def test_after_any_confusion_a_live_stream_is_back_at_its_time_of_arrival(
    packets: list[tuple[float | None, float, bool]], stamp: float
) -> None:
    timeline = Timeline()
    for arrival in arrivals_of(packets):
        timeline.place(arrival)
    seconds = arrival.seconds
    for _ in range(30 * 15):
        seconds, stamp = seconds + 1 / 15, stamp + 1 / 15
        placed = timeline.place(Arrival(stamp, seconds))
    assert abs(placed - seconds) <= 1.1


@given(PACKETS)
def test_no_packet_is_placed_long_after_it_came(
    packets: list[tuple[float | None, float, bool]],
) -> None:
    timeline = Timeline()
    for number, arrival in enumerate(arrivals_of(packets)):
        assert timeline.place(arrival) <= arrival.seconds + 0.11 + number * 0.001


CONFUSIONS: dict[str, Callable[[int], float | None]] = {
    "forward": lambda n: n / 15 + (n >= 100) * 3600,
    "a little forward": lambda n: n / 15 + (n >= 100) * 3,
    "back": lambda n: n / 15 - (n >= 100) * 3600,
    "a little back": lambda n: n / 15 - (n >= 100) * 2,
    "at 0 again": lambda n: 7e5 + n / 15 if n < 100 else (n - 100) / 15,
    "at 0 again each three seconds": lambda n: n % 45 / 15,
    "standing still": lambda n: min(n, 100) / 15,
    "standing still from the beginning": lambda _: 7.0,
    "standing still for a while": lambda n: n / 15 if n < 100 or n > 145 else 100 / 15,
    "missing": lambda n: None if n >= 100 else n / 15,
    "missing from the beginning": lambda _: None,
    "missing at the beginning": lambda n: None if n < 8 else n / 15,
    "missing now and then": lambda n: None if n % 3 else n / 15,
    "MPEG-TS wraps": lambda n: (2**33 - 9e6 + n * 6000) % 2**33 / 9e4,
    "RTP wraps": lambda n: (2**32 - 6e5 + n * 6000) % 2**32 / 9e4,
    "at the limit of a number": lambda n: n / 15 if n % 50 else 2**63 / 9e4,
    "beyond all limits": lambda n: (-1) ** n * 2.0**63,
    "in the order of display": lambda n: (n + (1, 3, 1)[n % 3] - n % 3) / 15,
}


@pytest.mark.parametrize("confusion", CONFUSIONS)
def test_no_fault_of_a_cameras_clock_makes_a_gap_in_the_recording(confusion: str) -> None:
    random, stamps = Random(3), CONFUSIONS[confusion]
    truth = [50 + number / 15 for number in range(300)]
    placed = place_all(
        [
            Sent(at, Arrival(stamps(number), at + random.random() * 0.05))
            for number, at in enumerate(truth)
        ]
    )
    steps = [later - earlier for earlier, later in itertools.pairwise(placed)]
    assert all(0 < step < 0.2 for step in steps)
    assert all(abs(at - true) < 0.25 for at, true in zip(placed, truth, strict=True))


# Evenness


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_small_jitter_does_not_reach_the_steps_of_a_recording(rate: float) -> None:
    found = errors([*Stream(rate=steady(rate), jitter_seconds=0.1).sent()])
    assert 0.075 <= found.least_step <= found.step <= 0.085


def test_a_lasting_delay_is_made_good_little_by_little() -> None:
    timeline, before, steps = Timeline(), 0.0, []
    for number in range(15 * 30):
        arrival = 50 + number / 15 + (2.0 if number > 150 else 0.0)
        seconds = timeline.place(Arrival(number / 15, arrival))
        steps.append(seconds - before)
        before = seconds
    assert max(steps[1:]) <= 2.05 / 15
    assert abs(seconds - arrival) < 0.15


def test_pictures_that_were_missing_for_long_leave_a_gap_of_their_length() -> None:
    """The camera paused, and its stamps with it."""
    timeline = Timeline()
    for number in range(15 * 40):
        arrival = 50 + number / 15 + (20.0 if number > 150 else 0.0)
        seconds = timeline.place(Arrival(number / 15, arrival))
    assert abs(seconds - arrival) < 0.15


def test_the_usual_step_is_no_extreme() -> None:
    usual = UsualStep()
    for step in (0.04, 0.04, 0.04, EXTREME, -5.0, 0.0, 100.0, 0.2):
        usual.note(step)
    assert usual.seconds == pytest.approx(0.04)


def test_a_file_keeps_its_own_steps_wherever_it_is_placed() -> None:
    timeline = FileTimeline(7.0)
    stamps = [3.0, 3.5, 60.0, 60.5, 1.0, None, 1.5]
    placed = [timeline.place(stamp) for stamp in stamps]
    assert placed == [7.0, 7.5, 64.0, 64.5, 65.0, 65.5, 66.0]
    assert timeline.step_seconds == 0.5
