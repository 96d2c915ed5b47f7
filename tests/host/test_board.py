"""The board's own word about itself: read below another /sys, steady for those who are told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.host.board import Machine, Steady, Vitals
from tests.support.board import Board
from tests.support.clock import SimulatedClock


def test_a_pi_reports_temperature_and_power(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.celsius(61.3)
    assert board.machine.vitals() == Vitals(61.3, under_voltage=False, throttled=False)


def test_under_voltage_and_heat_are_reported(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.celsius(80.0)
    board.under_voltage(True)
    vitals = board.machine.vitals()
    assert vitals == Vitals(80.0, under_voltage=True, throttled=True)
    assert str(vitals) == "80 °C, too hot: it slows down, under-voltage"


def test_a_machine_without_sensors_is_no_error(tmp_path: Path) -> None:
    vitals = Machine(tmp_path / "nothing").vitals()
    assert vitals == Vitals(None, None, None)
    assert str(vitals) == ""


def test_another_board_has_a_temperature_and_is_not_judged_by_a_pis_limits(tmp_path: Path) -> None:
    board = Board(tmp_path, model="Radxa ROCK 4")
    board.celsius(85)
    assert board.machine.vitals() == Vitals(85.0, under_voltage=False, throttled=None)


@pytest.mark.parametrize("text", ["", "N/A\n", "12.5\n", "\x00"])
def test_a_sensor_without_a_number_gives_none(tmp_path: Path, text: str) -> None:
    board = Board(tmp_path)
    board.break_sensors(text)
    assert board.machine.vitals() == Vitals(None, None, None)


def test_an_unreadable_sensor_gives_none(tmp_path: Path) -> None:
    board = Board(tmp_path)
    zone = board.sys / "class/thermal/thermal_zone1/temp"
    zone.unlink()
    zone.mkdir()  # a read fails, as it does while the firmware is busy
    assert board.machine.vitals() == Vitals(None, under_voltage=False, throttled=None)


def told(board: Board, degrees: Sequence[float]) -> list[float | None]:
    """The reports of these temperatures, one every ten seconds."""
    clock = SimulatedClock()
    steady = Steady(board.machine, clock=clock)
    said = []
    for each in degrees:
        board.celsius(each)
        said.append(steady.vitals().celsius)
        clock.advance(10)
    return said


def test_a_wavering_temperature_is_reported_once(tmp_path: Path) -> None:
    wavering = [52.0, 53.1, 52.2, 53.5, 51.0, 53.9]
    assert set(told(Board(tmp_path), wavering)) == {50.0}
    assert told(Board(tmp_path), [52.0, 54.5, 53.0, 51.5, 50.0]) == [50, 55, 55, 55, 50]


@given(degrees=st.lists(st.floats(-20, 110), min_size=1, max_size=20))
def test_the_reported_temperature_is_a_step_near_the_true_one(
    tmp_path_factory: pytest.TempPathFactory, degrees: list[float]
) -> None:
    for said, true in zip(
        told(Board(tmp_path_factory.mktemp("board")), degrees), degrees, strict=True
    ):
        assert said is not None
        assert said % 5 == 0
        assert abs(said - true) <= 4.001


def test_an_alarm_that_comes_and_goes_is_one_alarm(tmp_path: Path) -> None:
    board, clock = Board(tmp_path), SimulatedClock()
    steady = Steady(board.machine, clock=clock)
    said = []
    for second in range(0, 200, 5):
        board.under_voltage(second in (20, 40, 60, 65))
        said.append(steady.vitals().under_voltage)
        clock.advance(5)
    assert [second for second, alarm in zip(range(0, 200, 5), said, strict=True) if alarm] == list(
        range(20, 125, 5)
    )


def test_the_machine_is_read_every_few_seconds(tmp_path: Path) -> None:
    board, clock = Board(tmp_path), SimulatedClock()
    steady = Steady(board.machine, clock=clock)
    assert steady.vitals().celsius == 50
    board.celsius(70)
    clock.advance(1)
    assert steady.vitals().celsius == 50
    clock.advance(5)
    assert steady.vitals().celsius == 70
