"""The pace follows a slow camera, and stays as configured for any other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.detection.pace import Pace, PaceFollower

FPS = 7.5


def followed(follower: PaceFollower, gaps: Iterable[float], start: float = 100.0) -> list[Pace]:
    paces = [follower.at(start)]
    for gap in gaps:
        start += gap
        paces.append(follower.at(start))
    return paces


def test_a_camera_that_hiccups_or_trembles_keeps_the_rate_it_was_tuned_for() -> None:
    random = Random(7)
    gaps = [(3.0 if n % 50 == 49 else random.uniform(0.8, 1.2)) / FPS for n in range(200)]
    follower = PaceFollower(FPS)
    assert set(followed(follower, gaps)) == {follower.pace}
    assert follower.pace.frame_seconds == 1 / FPS


def test_a_camera_that_was_slow_at_night_is_as_quick_as_before_by_day() -> None:
    follower = PaceFollower(FPS)
    tuned = follower.pace
    followed(follower, [0.5] * 30)
    assert follower.pace.frame_seconds == pytest.approx(0.5, rel=0.2)
    followed(follower, [1 / FPS] * 40, start=200.0)
    assert follower.pace is tuned


@given(
    st.floats(2, 15),
    st.lists(st.one_of(st.floats(-1e9, 1e9), st.floats(0, 3)), max_size=60),
)
def test_time_constants_stay_sane_for_any_clock(fps: float, gaps: list[float]) -> None:
    follower = PaceFollower(fps)
    for pace in followed(follower, gaps):
        assert 1 / fps <= pace.frame_seconds * 1.2
        assert math.isfinite(pace.frame_seconds)
        for share in (pace.still, pace.moving, pace.relit, pace.ghost, pace.noise):
            assert 0 < share <= 1
        assert pace.start_frames >= 6
        assert pace.relearn_frames >= 3
