"""Stall detection: the process leaves a silent camera within ``no_frame_seconds``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.camera.health.stall import OPENING_WAITS, StallDetector, source_patience
from agent.camera.sources.reader import LEAVE_SECONDS, POLL_SECONDS
from agent.config import Recording
from agent.errors import CameraFault
from tests.support.clock import SimulatedClock

LIMIT = Recording().no_frame_seconds


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


def seconds_until_fault(
    clock: SimulatedClock, stall: StallDetector, *meanwhile: Callable[[], None]
) -> float:
    """Seconds, by the loop's own steps, while everything in ``meanwhile`` goes on."""
    began = clock.monotonic()
    while clock.monotonic() - began < 1_000:
        try:
            stall.check()
        except CameraFault:
            return clock.monotonic() - began
        clock.advance(POLL_SECONDS)
        for each in meanwhile:
            each()
    return float("inf")


def test_the_process_leaves_a_stalled_camera_within_the_limit(clock: SimulatedClock) -> None:
    """The time for the loop, for the clip's last syncs, and for a source that hangs."""
    stall = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    stall.opened()
    seen = seconds_until_fault(clock, stall)
    syncs = 0.5
    assert seen + syncs + LEAVE_SECONDS <= LIMIT == 10


def test_the_source_reports_a_silent_camera_before_the_loop_does(clock: SimulatedClock) -> None:
    for limit in (2.0, LIMIT, 120.0):
        stall = StallDetector(no_frame_seconds=limit, clock=clock)
        stall.opened()
        assert source_patience(limit) < seconds_until_fault(clock, stall)


def test_a_slow_disk_is_not_taken_for_a_silent_camera(clock: SimulatedClock) -> None:
    stall = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    stall.opened()
    for _ in range(5):
        clock.advance(30)
        stall.check(deaf_seconds=30)
        stall.packet()
    assert seconds_until_fault(clock, stall) < LIMIT, "a camera that is gone is still noticed"


def test_a_loop_that_is_always_a_little_busy_still_notices_a_silent_camera(
    clock: SimulatedClock,
) -> None:
    stall = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    stall.opened()
    with pytest.raises(CameraFault):
        for _ in range(20):
            clock.advance(0.9)
            stall.check(deaf_seconds=0.9)


def test_packets_alone_and_pictures_alone_are_a_stall(clock: SimulatedClock) -> None:
    stall = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    stall.opened()
    assert seconds_until_fault(clock, stall, stall.packet) < LIMIT
    stall.opened()
    assert seconds_until_fault(clock, stall, stall.picture) < LIMIT
    stall.opened()
    assert seconds_until_fault(clock, stall, stall.packet, stall.picture) == float("inf")


def test_opening_a_camera_may_take_several_waits(clock: SimulatedClock) -> None:
    stall = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    opening = OPENING_WAITS * LIMIT
    assert opening < seconds_until_fault(clock, stall) < opening + 1


def test_a_lost_camera_has_until_its_next_try_and_several_waits(clock: SimulatedClock) -> None:
    stall = StallDetector(no_frame_seconds=LIMIT, clock=clock)
    stall.opened()
    clock.advance(5)
    stall.opening(60)
    expected = 60 + OPENING_WAITS * LIMIT
    assert expected < seconds_until_fault(clock, stall) < expected + 1
