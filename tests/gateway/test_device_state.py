"""The published state: coarse health, and only at each change."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from agent.consent.statements import PauseRequests
from agent.gateway import device_state as state
from agent.mqtt import topics
from agent.vault import camera_state
from agent.vault.camera_state import StateFile
from agent.vault.locks import camera_at_work as at_work
from tests.support.board import Board
from tests.support.gateway_world import DEVICE, World

TOPIC = topics.state(DEVICE)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


@pytest.fixture
def world(tmp_path: Path, board: Board) -> World:
    return World(tmp_path / "world", machine=board.machine)


def told(world: World) -> list[dict[str, Any]]:
    return [json.loads(payload) for topic, payload in world.broker.published if topic == TOPIC]


def news(world: World) -> list[dict[str, Any]]:
    """The states that differ from the one before; the hourly repetition is left out."""
    states = [{**state, "at": None} for state in told(world)]
    return [state for state, _ in itertools.groupby(states)]


def note(world: World, state: str, detail: str, at: float, **more: Any) -> None:
    folder = world.house.config.state_dir
    camera_state.path_of(folder).parent.mkdir(exist_ok=True)
    StateFile(folder, seals_to=()).say(at=at, state=state, detail=detail, **more)
    world.run()


def test_a_device_that_just_began_says_all_there_is_to_say(world: World) -> None:
    assert told(world)[-1] == {
        "at": int(world.clock.now()),
        "camera": "never started",
        "encoder": None,
        "clock_synced": True,
        "temperature": 50,
        "under_voltage": False,
        "throttled": False,
    }


def test_every_key_is_in_the_documentation(world: World) -> None:
    assert state.__doc__ is not None
    rows = [line[:17] for line in state.__doc__.splitlines() if line.startswith("``")]
    names = {name for row in rows for name in row.replace("`", "").split()}
    assert names == set(told(world)[-1])


def test_the_cameras_health_is_published(world: World) -> None:
    encoder = "libx264 (software)"
    world.house.open_index().close()
    with at_work(world.house.config.state_dir, clock=world.clock):
        note(world, "recording", "", 5.0, last_motion_at=1_706_121_000.7, encoder=encoder)
    now = told(world)[-1]
    assert now["camera"] == "running"
    assert now["encoder"] == encoder
    world.run()
    now = told(world)[-1]
    assert now["camera"] == "not-running", "it died without a word"
    note(world, "no-frames", "rtsp://10.0.0.7/main does not answer", 6.0)
    assert told(world)[-1]["camera"] == "no-frames"
    assert "10.0.0.7" not in json.dumps(told(world)), "a broker may have other readers"


def test_a_camera_that_ends_again_and_again_for_want_of_pictures_does_not_waver(
    world: World,
) -> None:
    folder = world.house.config.state_dir
    note(world, "no-frames", "the camera gave no picture", 6.0)
    assert told(world)[-1]["camera"] == "not-running", "it was never seen at work"
    for _ in range(10):
        with at_work(folder, clock=world.clock):
            world.run()
        begun = len(told(world))
        for _ in range(20):
            world.clock.advance(1)
            world.run()
        assert len(told(world)) == begun
        assert told(world)[-1]["camera"] == "no-frames"
    world.clock.advance(60)
    world.run()
    assert told(world)[-1]["camera"] == "not-running", "nothing starts it again"


def test_readers_of_the_state_topic_learn_of_no_motion_match_or_decision(world: World) -> None:
    folder = world.house.config.state_dir
    world.house.open_index().close()
    with at_work(folder, clock=world.clock):
        note(world, "armed", "", 5.0)
        before = len(told(world))
        for state, at in (("recording", 6.0), ("armed", 7.0), ("disarmed", 8.0), ("armed", 9.0)):
            note(world, state, "", at, last_motion_at=1_706_121_000.0 + at)
        clip = world.house.record()
        world.run()
        post = world.post()
        assert world.inbox, "it matches"
        world.to_device(world.house.approve(post, [clip]))
        world.to_device(world.house.command(PauseRequests()))
        world.run()
        assert len(told(world)) == before
        world.clock.advance(3_600)
        world.run()
    assert len(told(world)) > before
    assert told(world)[before - 1] == {**told(world)[-1], "at": told(world)[before - 1]["at"]}


def test_a_clock_that_is_not_set_is_told(world: World) -> None:
    world.clock.is_synced = False
    world.run()
    assert told(world)[-1]["clock_synced"] is False


def test_a_day_of_a_wavering_board_is_told_a_few_times(world: World, board: Board) -> None:
    before = len(news(world))
    for minute in range(24 * 60):
        board.celsius(52.4 + minute % 7 / 2)
        world.clock.advance(60)
        assert world.gateway is not None
        world.gateway.step()
    assert len(news(world)) - before <= 1
    assert len(told(world)) >= 24, "it is repeated hourly"


def test_heat_and_weak_power_are_told_and_for_a_minute_held(world: World, board: Board) -> None:
    board.celsius(84)
    board.under_voltage(True)
    world.clock.advance(6)
    world.run()
    now = told(world)[-1]
    assert (now["temperature"], now["under_voltage"], now["throttled"]) == (85, True, True)
    before = len(told(world))
    for second in range(300):
        board.under_voltage(second % 20 < 5)
        world.clock.advance(1)
        world.run()
    assert len(told(world)) == before, "an alarm that comes and goes is one alarm"
    board.under_voltage(False)
    world.clock.advance(70)
    world.run()
    assert told(world)[-1]["under_voltage"] is False
