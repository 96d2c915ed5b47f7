"""The demo asks for clips only once the camera has an index to list them from."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from agent.camera.app import build
from agent.cli.demo.stage import Stage
from agent.requester.receiver.server import Receiver
from agent.vault import camera_state
from agent.vault.database import index
from tests.support.house import House


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, tmp_path, 1883, cast(Receiver, None), None)


def test_no_clips_are_asked_for_before_the_camera_has_said_how_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def command(_: Stage, *words: str | Path) -> str:
        asked.append(str(words[0]))
        return '{"id": "20240124-183015-3f9a2c"}\n'

    monkeypatch.setattr(Stage, "command", command)
    assert stage.clips() == [] and asked == []
    path = camera_state.path_of(stage.state)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")
    assert [clip["id"] for clip in stage.clips()] == ["20240124-183015-3f9a2c"]
    assert asked == ["clips"]


def test_a_camera_has_its_index_before_it_says_how_it_is(tmp_path: Path) -> None:
    house = House.build(tmp_path)
    app = build(house.config, clock=house.clock, notify=lambda _: None)
    state_dir = house.config.state_dir
    assert not camera_state.path_of(state_dir).exists()
    assert index.path_of(state_dir).exists()
    app.commands.state.say(at=1.0, state="armed")
    assert camera_state.path_of(state_dir).exists()
