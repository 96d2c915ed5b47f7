"""Owners' commands by four processes: the owner's tool, broker, gateway and camera."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.media import jpeg
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


@pytest.mark.timeout(600)
def test_an_owner_looks_through_a_disarmed_camera_and_then_goes_away(
    house: Household, tmp_path: Path
) -> None:
    house.owner("disarm", "--yes", "--wait", "120")
    target = tmp_path / "look.jpg"
    said = house.owner("look", "front-door", "--output", target, "--seconds", "2")
    assert "pictures came" in said
    assert jpeg.check(target.read_bytes()) == (320, 180)
    told = [line["detail"].get("wish") for line in house.ledger_lines()]
    assert "show what it sees, for 2 seconds" in told
    looks, second = house.state / "camera" / "looks", tmp_path / "second.jpg"
    house.wait("the camera to end", lambda: not list(looks.iterdir()))

    looking = house.spawn("owner", "look", "front-door", "--output", second)
    house.wait("a picture", second.exists)
    assert list(looks.iterdir())
    looking.kill()  # as a computer that goes away
    looking.wait()
    house.wait("the camera to end", lambda: not list(looks.iterdir()))
    wishes = [line["detail"].get("wish") for line in house.ledger_lines()]
    assert wishes.count("show no more of what it sees") >= 2
