"""How long a camera may be silent: within ``no_frame_seconds``, all in all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.camera import daemon as loop
from agent.camera import stall as silence
from agent.camera.stall import StallDetector, source_patience
from agent.config import Recording
from agent.errors import CameraFault
from tests.support.clock import SimulatedClock

LIMIT = Recording().no_frame_seconds


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


def seconds_until_fault(
    clock: SimulatedClock, silent: StallDetector, *meanwhile: Callable[[], None]
) -> float:
    """By the loop's own steps, while everything in ``meanwhile`` goes on."""
    began = clock.monotonic()
    while clock.monotonic() - began < 1_000:
        try:
            silent.check()
        except CameraFault:
            return clock.monotonic() - began
        clock.advance(loop._POLL_SECONDS)
        for each in meanwhile:
            each()
    return float("inf")


def test_the_process_has_left_a_camera_that_stalls_within_the_limit(clock: SimulatedClock) -> None:
    """Seen by the loop, the clip's last syncs, and a source that hangs while it is closed."""
    silent = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    silent.opened()
    seen = seconds_until_fault(clock, silent)
    syncs = 0.5
    assert seen + syncs + loop._LEAVE_SECONDS <= LIMIT == 10


def test_the_source_which_knows_better_is_the_first_to_speak(clock: SimulatedClock) -> None:
    for limit in (2.0, LIMIT, 120.0):
        silent = StallDetector(no_frame_seconds=limit, clock=clock)
        silent.opened()
        assert source_patience(limit) < seconds_until_fault(clock, silent)


def test_whoever_was_held_up_by_a_disk_does_not_blame_the_camera(clock: SimulatedClock) -> None:
    silent = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    silent.opened()
    for _ in range(5):
        clock.advance(30)
        silent.check(deaf_seconds=30)
        silent.packet()
    assert seconds_until_fault(clock, silent) < LIMIT, "and still notices a camera that is gone"


def test_a_loop_that_is_always_a_little_busy_is_no_excuse(clock: SimulatedClock) -> None:
    silent = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    silent.opened()
    with pytest.raises(CameraFault):
        for _ in range(20):
            clock.advance(0.9)
            silent.check(deaf_seconds=0.9)


def test_packets_alone_and_pictures_alone_are_silence(clock: SimulatedClock) -> None:
    silent = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    silent.opened()
    assert seconds_until_fault(clock, silent, silent.packet) < LIMIT
    silent.opened()
    assert seconds_until_fault(clock, silent, silent.picture) < LIMIT
    silent.opened()
    assert seconds_until_fault(clock, silent, silent.packet, silent.picture) == float("inf")


def test_a_camera_that_is_being_opened_has_its_several_waits(clock: SimulatedClock) -> None:
    silent = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    opening = silence.OPENING_WAITS * LIMIT
    assert opening < seconds_until_fault(clock, silent) < opening + 1


def test_a_camera_that_is_lost_has_until_its_next_try_and_its_waits(clock: SimulatedClock) -> None:
    silent = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    silent.opened()
    clock.advance(5)
    silent.opening(60)
    expected = 60 + silence.OPENING_WAITS * LIMIT
    assert expected < seconds_until_fault(clock, silent) < expected + 1
