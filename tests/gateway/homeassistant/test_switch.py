"""Switch in Home Assistant, from its topic to the camera: it obeys only where no owner spoke."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.camera.app import build
from agent.camera.daemon import CameraApp
from agent.consent.statements import Arm
from agent.vault import camera_state, wishes
from tests.support.home_assistant import Home

Make = Callable[..., Home]
HOUR, DAY = 3_600, 86_400


class Switched:
    """A gateway with a switch, and a camera that looks at its wishes once a second."""

    def __init__(self, home: Home) -> None:
        self.home, self.world, self.house = home, home.world, home.world.house
        self.camera = self.start_camera()

    def start_camera(self) -> CameraApp:
        self.camera = build(self.house.config, clock=self.house.clock, notify=lambda _: None)
        self.look()
        return self.camera

    def look(self) -> None:
        self.camera.commands.look()
        self.home.wait(6)

    def flip(self, word: str, *, retained: bool = False) -> bool:
        """Use the switch; the camera's answer."""
        self.home.flip(word, retained=retained)
        self.look()
        return self.camera.commands.armed

    def owner(self, **command: bool) -> bool:
        self.world.clock.advance(2)
        self.world.to_device(self.house.command(Arm(**command)))
        self.look()
        return self.camera.commands.armed

    def lines(self) -> list[tuple[str, str]]:
        return [(event, detail["wish"]) for event, detail in self.world.events("camera.switch")]


@pytest.fixture
def switched(make: Make) -> Switched:
    return Switched(make(may_arm=True))


def test_the_switch_disarms_and_arms_with_a_line_of_the_ledger_each(switched: Switched) -> None:
    assert switched.camera.commands.armed
    assert not switched.flip("OFF")
    assert switched.home.state()["armed"] == "OFF"
    assert switched.flip("ON")
    assert switched.home.state()["armed"] == "ON"
    assert switched.lines() == [
        ("camera.switched", "stop recording"), ("camera.switched", "record"),
    ]  # fmt: skip


def test_the_state_names_the_switch_and_no_owner(switched: Switched) -> None:
    switched.flip("OFF")
    said = camera_state.read(switched.house.config.state_dir)
    assert said is not None
    assert (said.arming.armed, said.arming.switched, said.arming.owner) == (False, True, None)


def test_a_word_that_changes_nothing_has_no_line(switched: Switched) -> None:
    for _ in range(5):
        assert not switched.flip("OFF")
    assert len(switched.lines()) == 1


@pytest.mark.parametrize("armed", [False, True])
def test_an_owners_own_word_stands_whatever_the_switch_says(
    switched: Switched, armed: bool
) -> None:
    assert switched.owner(armed=armed) is armed
    assert switched.flip("OFF" if armed else "ON") is armed
    assert [event for event, _ in switched.lines()] == ["camera.switch-ignored"]
    assert switched.home.state()["armed"] == ("ON" if armed else "OFF")


def test_an_owner_hands_back_and_what_the_switch_said_before_counts_no_more(
    switched: Switched,
) -> None:
    assert not switched.flip("OFF")
    assert switched.owner(armed=True)
    assert switched.owner(armed=True, scheduled=True)
    assert switched.camera.commands.armed, "the old word is over"
    switched.world.clock.advance(2)
    assert not switched.flip("OFF")


def test_the_switch_survives_restarts_and_lost_wishes(switched: Switched) -> None:
    assert not switched.flip("OFF")
    switched.world.restart()
    switched.start_camera()
    assert not switched.camera.commands.armed
    wishes.path_of(switched.house.config.state_dir).unlink()
    switched.start_camera()
    assert not switched.camera.commands.armed


@pytest.mark.parametrize("word", ["", "on", "ON ", "TRUE", "ON\n", "x" * 10_000])
def test_other_words_do_nothing(switched: Switched, word: str) -> None:
    assert switched.flip(word)
    assert switched.lines() == []


def test_a_retained_word_does_nothing(switched: Switched) -> None:
    assert switched.flip("OFF", retained=True)
    assert switched.lines() == []


def test_a_switch_that_is_not_allowed_is_not_heard(make: Make) -> None:
    without = Switched(make())
    assert without.flip("OFF")
    assert without.lines() == []
    assert wishes.read(without.house.config.state_dir).switch is None


def test_a_flood_of_words_fills_no_ledger_and_its_last_one_counts(switched: Switched) -> None:
    for number in range(40):
        switched.home.flip("ON" if number % 2 else "OFF")
    switched.home.flip("OFF")
    assert len(switched.lines()) <= 21
    switched.home.wait(HOUR)
    switched.look()
    assert not switched.camera.commands.armed
    lines = len(switched.lines())
    assert lines <= 22
    for _ in range(40):
        switched.world.clock.advance(30)
        switched.home.flip("ON" if switched.camera.commands.armed is False else "OFF")
        switched.camera.commands.look()
    assert len(switched.lines()) - lines <= 13 + 40 * 30 / 300
