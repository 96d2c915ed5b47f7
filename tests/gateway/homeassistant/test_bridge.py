"""State, birth message, reconnection and removal of a device in Home Assistant."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent import config
from agent.consent.statements import Arming
from agent.gateway.app import build
from agent.mqtt import topics
from tests.support.gateway_world import DEVICE, World
from tests.support.home_assistant import Home
from tests.support.peers import FakeBroker, FakeLink

Make = Callable[..., Home]
HOUR = 3_600


def change(home: Home, **section: object) -> None:
    """Another run, with this ``homeassistant:`` section, or none."""
    changed = config.HomeAssistant(**section) if section else None  # type: ignore[arg-type]
    home.world.house.config = replace(home.world.house.config, homeassistant=changed)
    home.world.restart()


def ours(home: Home) -> set[str]:
    """The retained topics that only Home Assistant reads."""
    return {one for one in home.world.broker.retained if "homeassistant" in one or "ha/" in one}


def test_without_the_section_nothing_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.house.record()
    world.post()
    home = Home(world)
    home.wait()
    assert not [topic for topic, _ in world.broker.published if "homeassistant" in topic]
    assert not (world.house.config.state_dir / "gateway/homeassistant.json").exists()
    world.kill()


def test_the_state_tells_motion_recording_and_arming_as_the_camera_says_them(home: Home) -> None:
    home.camera(state="recording", motion=True, last_motion_at=1_706_121_000.0)
    found = home.state()
    assert (found["motion"], found["recording"], found["armed"]) == ("ON", "ON", "ON")
    assert found["last_motion"] == "2024-01-24T18:30:00+00:00"
    assert (found["problem"], found["problems"]) == ("OFF", [])
    home.camera(state="recording", motion=False)
    assert (home.state()["motion"], home.state()["recording"]) == ("OFF", "ON")
    home.camera(state="disarmed", arming=Arming(armed=False))
    found = home.state()
    assert (found["motion"], found["recording"], found["armed"]) == ("OFF", "OFF", "OFF")
    assert found["problem"] == "OFF"


@pytest.mark.parametrize(
    ("state", "problem"),
    [("no-frames", "blind"), ("disk-full", "disk-full"), ("failed", "stopped")],
)
def test_a_camera_that_does_not_record_is_a_problem_by_name(
    home: Home, state: str, problem: str
) -> None:
    home.camera(state=state)
    assert (home.state()["problem"], home.state()["problems"]) == ("ON", [problem])


def test_a_camera_that_has_never_run_is_stopped_and_its_switch_unknown(home: Home) -> None:
    found = home.state()
    assert (found["armed"], found["problems"]) == (None, ["stopped"])


def test_a_dead_camera_does_not_go_on_moving(home: Home) -> None:
    home.camera(state="recording", motion=True)
    home.wait(120)
    assert (home.state()["motion"], home.state()["recording"]) == ("OFF", "OFF")
    assert home.state()["problems"] == ["stopped"]


def test_open_requests_and_the_next_deadline_are_counted(home: Home) -> None:
    assert (home.state()["requests"], home.state()["deadline"]) == (0, None)
    home.world.house.record()
    home.world.post()
    home.wait(6)
    assert home.state()["requests"] == 1
    assert home.state()["deadline"].startswith("2024-01-26T18:3")


def test_the_device_is_seen_again_and_again_but_not_every_second(home: Home) -> None:
    first = home.state()["last_seen"]
    home.wait(60)
    assert home.state()["last_seen"] == first
    home.wait(300)
    assert home.state()["last_seen"] > first


def test_an_unset_clock_tells_no_times_and_no_events(make: Make) -> None:
    home = make()
    home.world.clock.is_synced = False
    home.world.restart()
    home.world.house.record()
    home.world.post()
    home.wait()
    assert (home.state()["last_seen"], home.told()) == (None, [])
    assert "clock" in home.state()["problems"]


def test_without_motion_new_clips_are_told_by_the_hour(make: Make) -> None:
    home = make(tells=("armed", "requests"))
    home.wait()
    before = home.world.broker.published[:]
    home.camera(state="recording", motion=True)
    home.world.house.record()
    home.wait(60)
    states = [one for one in home.world.broker.published[len(before) :] if "homeass" in one[0]]
    assert all(json.loads(payload)["clips"] == 0 for _, payload in states)
    assert not {"motion", "recording", "last_motion"} & set(home.state())
    home.wait(HOUR)
    assert home.state()["clips"] == 1


def test_the_birth_message_brings_everything_again_but_not_in_a_flood(home: Home) -> None:
    home.wait()

    def sent() -> int:
        return [topic for topic, _ in home.world.broker.published].count(
            topics.discovery("homeassistant", DEVICE)
        )

    before = sent()
    for _ in range(20):
        home.say("online")
    assert sent() == before + 1
    home.wait(60)
    home.say("online")
    assert sent() == before + 2


def test_events_wait_until_home_assistant_is_back(home: Home) -> None:
    home.world.house.record()
    home.wait()
    home.say("offline")
    home.world.post()
    home.wait(10 * HOUR)
    assert home.events() == []
    home.say("online")
    assert home.events() == []
    home.wait(6)
    assert home.events() == ["request"]


def test_after_a_reconnection_events_wait_until_home_assistant_is_back_too(home: Home) -> None:
    home.world.house.record()
    home.wait()
    link = home.link
    link.drop()
    home.world.run()
    home.world.broker.connect(link)
    home.world.post()
    assert home.events() == [], "both may have lost the broker, and be back one after the other"
    home.wait(15)
    assert home.events() == []
    home.wait(10)
    assert home.events() == ["request"]


@pytest.mark.parametrize("word", ["", "ONLINE", "x" * 100_000, "\x00"])
def test_other_words_on_its_status_topic_do_nothing(home: Home, word: str) -> None:
    home.wait()
    before = len(home.world.broker.published)
    home.say(word)
    assert len(home.world.broker.published) == before


def test_a_new_connection_is_told_all_that_is_retained(home: Home) -> None:
    link = home.link
    link.drop()
    home.world.broker.retained.clear()
    home.world.run()
    home.world.broker.connect(link)
    home.world.run()
    assert home.message()["cmps"]
    assert home.state()["clips"] == 0


@pytest.mark.parametrize("wanted", [True, False])
def test_a_connection_that_is_gone_at_once_ends_nothing_and_the_next_tells_all(
    make: Make, wanted: bool
) -> None:
    home = make()
    if not wanted:
        settings = home.world.house.config
        home.world.house.config = replace(settings, homeassistant=None)
        home.world.kill()
        home.world.broker = FakeBroker(retained=home.world.broker.retained)
        home.world.restart()
    part, broker = home.world.gateway, home.world.broker
    assert part is not None
    broker.client = None  # before anybody noticed
    part.homeassistant.connected()
    part.homeassistant.repeat()
    home.wait()
    broker.connect(home.link)
    home.world.run()
    assert bool(ours(home)) is wanted


def test_a_broker_that_lost_what_it_retained_gets_it_within_the_hour(home: Home) -> None:
    home.world.broker.retained.clear()
    home.wait(HOUR)
    assert home.message()["cmps"]
    assert "clips" in home.state()


def test_all_is_removed_when_the_section_goes(home: Home) -> None:
    file = home.world.house.config.state_dir / "gateway/homeassistant.json"
    assert len(ours(home)) == 2
    assert file.exists()
    change(home)
    assert ours(home) == set()
    assert not file.exists()
    before = len(home.world.broker.published)
    home.world.restart()
    assert not [one for one, _ in home.world.broker.published[before:] if "homeassist" in one]


def test_a_removal_that_the_broker_did_not_confirm_is_done_again(home: Home) -> None:
    file = home.world.house.config.state_dir / "gateway/homeassistant.json"
    settings = replace(home.world.house.config, homeassistant=None)
    home.world.kill()
    link = FakeLink(FakeBroker())
    link.swallows = True
    gateway = build(settings, clock=home.world.clock, owner_link=link)
    gateway.start()
    gateway.step()
    assert file.exists()
    change(home)
    assert not file.exists()
    assert ours(home) == set()


def test_another_prefix_or_name_leaves_nothing_under_the_old_one(home: Home) -> None:
    change(home, discovery_prefix="ha/ours")
    assert ours(home) == {
        topics.discovery("ha/ours", DEVICE), topics.homeassistant(DEVICE, "state"),
    }  # fmt: skip
    settings = home.world.house.config
    named = replace(settings.device, name="back-door")
    home.world.house.config = replace(settings, device=named)
    home.world.restart()
    assert ours(home) == {
        topics.discovery("ha/ours", "back-door"), topics.homeassistant("back-door", "state"),
    }  # fmt: skip


def test_a_prefix_that_was_left_is_removed_even_after_a_crash_in_between(home: Home) -> None:
    home.world.kill()
    changed = config.HomeAssistant(discovery_prefix="ha")
    settings = replace(home.world.house.config, homeassistant=changed)
    link = FakeLink(FakeBroker())
    link.swallows = True
    gateway = build(settings, clock=home.world.clock, owner_link=link)
    gateway.start()
    gateway.step()  # the power goes before the broker has confirmed anything
    change(home)
    assert ours(home) == set()


def test_the_coarse_state_for_all_readers_is_the_same_with_and_without(
    home: Home, tmp_path: Path
) -> None:
    plain = World(tmp_path / "plain")
    topic = topics.state(DEVICE)
    mine, other = (json.loads(one.broker.retained[topic]) for one in (home.world, plain))
    assert {**mine, "at": 0} == {**other, "at": 0}
    plain.kill()
