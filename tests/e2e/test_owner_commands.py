"""Owners' commands by four processes: the owner's tool, broker, gateway and camera."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.household import Household
from tests.peers.mosquitto import Mosquitto
from tests.peers.tus_server import TusServer


@pytest.fixture
def house(tmp_path: Path, mosquitto: Mosquitto, tus_server: TusServer) -> Iterator[Household]:
    household = Household(tmp_path / "house", mosquitto, tus_server)
    household.start("gateway")
    household.enrol()
    household.start("camera")
    yield household
    household.kill_all()


def camera_state(house: Household) -> str:
    return str(json.loads(house.device("status", "--json"))["camera"])


@pytest.mark.timeout(600)
def test_an_owner_deletes_a_clip_and_disarms_the_camera(house: Household) -> None:
    clip = house.wait_for_clips(1)[0]["id"]
    house.owner("clips")
    assert "The clip is deleted" in house.owner("delete", clip, "--yes", "--wait", "120")
    assert clip not in [one["id"] for one in house.clips()]
    assert "Recording is off" in house.owner("disarm", "--yes", "--wait", "120")
    house.wait("the state", lambda: "disarmed" in camera_state(house))
    told = [event for event in house.ledger() if event.startswith("camera.")]
    assert told == ["camera.told", "camera.obeyed"] * 2
