"""Owners' commands by four processes: the owner's tool, broker, gateway and camera."""

from __future__ import annotations

import json

import pytest

from tests.e2e.household import Household


@pytest.fixture
def house(house: Household) -> Household:
    """Whose gateway and camera run."""
    house.start("gateway")
    house.enrol()
    house.start("camera")
    return house


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
