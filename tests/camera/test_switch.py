"""Home Assistant's switch at the camera: a wish of the gateway that counts only where it may."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent import config
from agent.camera.app import build
from agent.camera.commands.owner_commands import OwnerCommands
from agent.consent import letters as mail
from agent.consent.statements import Arm, Arming
from agent.gateway import device_keys
from agent.vault import camera_state, wishes
from agent.vault.wishes import Switch, Wishes, WishFile
from tests.support.house import House

START = 1_706_121_000  # Wednesday, 18:30 UTC
NIGHTS = (config.Period(start="22:00", end="06:00"),)


class Wished:
    """A camera whose wishes the test writes, as a gateway could that was taken over."""

    def __init__(
        self, root: Path, *, may_arm: bool = True, armed: tuple[config.Period, ...] = ()
    ) -> None:
        self.house = House.build(
            root,
            homeassistant=config.HomeAssistant(may_arm=may_arm),
            camera=config.Camera(armed=armed),
            time=config.Time(synced_marker=None, zone="UTC"),
        )
        self.keys = device_keys.load_or_create(self.house.config.state_dir, name="front-door")
        self.signed: list[str] = []
        self.restart()

    def restart(self) -> None:
        app = build(self.house.config, clock=self.house.clock, notify=lambda _: None)
        self.commands: OwnerCommands = app.commands
        self.commands.look()

    def wish(self, armed: bool, *, at: int | None = None) -> bool:
        """Let the switch say this; the camera's answer."""
        word = Switch(armed=armed, at=int(self.house.clock.now()) if at is None else at)
        WishFile(self.house.config.state_dir).write(
            Wishes(commands=tuple(self.signed), switch=word)
        )
        self.commands.look()
        return self.commands.armed

    def owner(self, *, armed: bool, scheduled: bool = False) -> bool:
        """Let an owner say this, after a second."""
        self.house.clock.advance(1)
        letter = self.house.command(Arm(armed=armed, scheduled=scheduled))
        self.signed = [*self.signed, mail.open_letter(letter, self.keys.identity).jws][-20:]
        before = wishes.read(self.house.config.state_dir).switch
        WishFile(self.house.config.state_dir).write(
            Wishes(commands=tuple(self.signed), switch=before)
        )
        self.commands.look()
        return self.commands.armed

    @property
    def arming(self) -> Arming:
        said = camera_state.read(self.house.config.state_dir)
        assert said is not None
        return said.arming


def test_a_gateway_that_was_taken_over_switches_nothing_where_the_owner_allows_no_switch(
    tmp_path: Path,
) -> None:
    wished = Wished(tmp_path, may_arm=False)
    assert wished.wish(armed=False, at=START + 10_000)
    wished.restart()
    assert wished.commands.armed


def test_it_arms_nothing_that_an_owner_disarmed_whatever_time_it_claims(tmp_path: Path) -> None:
    wished = Wished(tmp_path)
    assert not wished.owner(armed=False)
    assert not wished.wish(armed=True, at=253_402_300_799)
    wished.restart()
    assert not wished.commands.armed


def test_a_switch_that_is_allowed_no_more_hands_back_to_the_schedule(tmp_path: Path) -> None:
    wished = Wished(tmp_path)
    assert not wished.wish(armed=False)
    wished.house.config = replace(wished.house.config, homeassistant=None)
    wished.restart()
    assert wished.commands.armed
    assert not wished.arming.switched


def test_it_overrides_the_schedule_until_an_owner_hands_back(tmp_path: Path) -> None:
    wished = Wished(tmp_path, armed=NIGHTS)
    assert not wished.commands.armed, "by day"
    assert wished.wish(armed=True)
    wished.house.clock.advance(10 * 3_600)
    assert not wished.wish(armed=False), "by night"
    assert wished.owner(armed=True, scheduled=True)
    assert wished.arming.scheduled


def test_it_needs_no_clock_that_is_set(tmp_path: Path) -> None:
    wished = Wished(tmp_path)
    wished.house.clock.is_synced = False
    assert not wished.wish(armed=False)


def test_a_damaged_state_is_no_way_to_arm_against_an_owner(tmp_path: Path) -> None:
    wished = Wished(tmp_path)
    wished.owner(armed=False)
    camera_state.path_of(wished.house.config.state_dir).write_text("{")
    (wished.house.config.state_dir / "camera/arming.jws").write_text("garbage")
    wished.restart()
    assert not wished.wish(armed=True, at=START + 10_000)


@pytest.mark.untraced
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from(["on", "off", "arm", "disarm", "back", "restart"]), max_size=8)
)
def test_the_last_of_owner_and_switch_counts_but_the_switch_only_if_no_owner_spoke(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    wished = Wished(tmp_path_factory.mktemp("wished"))
    owner: bool | None = None  # an owner's own word
    switch: bool | None = None  # the switch's since an owner handed back
    for step in steps:
        wished.house.clock.advance(2)
        match step:
            case "on" | "off":
                switch = step == "on"
                wished.wish(armed=switch)
            case "arm" | "disarm":
                owner = step == "arm"
                wished.owner(armed=owner)
            case "back":
                owner = switch = None
                wished.owner(armed=True, scheduled=True)
            case _:
                wished.restart()
        expected = owner if owner is not None else switch if switch is not None else True
        assert wished.commands.armed is expected, steps
