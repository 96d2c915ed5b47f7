"""Time as an argument: when it may be believed, and how tests move it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.clock import EARLIEST_PLAUSIBLE_SECONDS, Clock, SystemClock
from tests.support.clock import SimulatedClock


def test_the_system_clock_counts_as_synced_once_the_marker_is_there(tmp_path: Path) -> None:
    marker = tmp_path / "synchronized"
    clock = SystemClock(marker)
    assert not clock.synced()
    marker.touch()
    assert clock.synced()


def test_without_a_marker_the_system_clock_is_always_synced() -> None:
    assert SystemClock(None).synced()


@pytest.mark.parametrize("wall", [0.0, 3600.0, EARLIEST_PLAUSIBLE_SECONDS - 1])
def test_a_clock_before_this_release_counts_as_unset_despite_the_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wall: float
) -> None:
    (tmp_path / "synchronized").touch()
    monkeypatch.setattr(time, "time", lambda: wall)
    assert not SystemClock(tmp_path / "synchronized").synced()
    assert not SystemClock(None).synced()


def test_the_system_clock_reads_the_machine() -> None:
    clock = SystemClock(None)
    before = time.time()
    assert before <= clock.now() <= time.time()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.boot_id() == clock.boot_id() != ""
    started = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() - started >= 0.001


def test_sleeping_on_a_simulated_clock_moves_both_times_and_is_remembered() -> None:
    clock = SimulatedClock()
    wall, monotonic = clock.now(), clock.monotonic()
    clock.sleep(2.5)
    clock.advance(1)
    assert (clock.now() - wall, clock.monotonic() - monotonic) == (3.5, 3.5)
    assert clock.slept == [2.5]


def test_a_step_of_the_wall_clock_leaves_monotonic_time_alone() -> None:
    clock = SimulatedClock(is_synced=False)
    wall, monotonic = clock.now(), clock.monotonic()
    clock.step_wall(-86_400)
    assert (clock.now() - wall, clock.monotonic()) == (-86_400, monotonic)
    assert not clock.synced()


def test_both_clocks_are_clocks() -> None:
    clocks: list[Clock] = [SystemClock(None), SimulatedClock()]
    assert len({clock.boot_id() for clock in clocks}) == 2
