"""Cameras: what each says of itself, and what its owner tells it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from agent.consent import signing
from agent.consent.cards import format_card, format_fingerprint
from agent.consent.statements import Arm, Arming, Command, PauseRequests, ResumeRequests
from agent.mqtt import topics
from agent.pairing import knock
from agent.pairing.code import PairingCode
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.owner.console.test_requests import second_camera, words
from tests.support.clock import SimulatedClock
from tests.support.pairing import FakeDevice


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(wall_seconds=time.time())


def say(owner: OwnerAtHome, **changes: Any) -> None:
    topic = topics.status(owner.camera.name, owner.folder.card().fingerprint)
    owner.retain([(topic, owner.camera.status(**changes))])


def commands(owner: OwnerAtHome, camera: FakeCamera) -> list[object]:
    key = owner.folder.card().key
    letters = camera.decisions
    return [signing.verify(one.jws, Command, {key.fingerprint: key}).command for one in letters]


def test_a_camera_tells_its_health_keys_space_and_share(
    browser: TestClient, owner: OwnerAtHome
) -> None:
    say(owner, recorded=0.125)
    page = words(browser.get("/devices").text)
    for said in (
        "armed, since",
        "Clock set",
        "12.5% of the last 24 hours",
        "1.0 GB free",
        "your key; your recovery sheet",
        "Owners Ann Example",
        "just now",
    ):
        assert said in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clock_synced": False}, "its clock is not set"),
        ({"seals_to": ("age1" + "q" * 58,)}, "it still seals clips without your key"),
        ({"arming": Arming(armed=False)}, "recording is off"),
        ({"warnings": ("the card is read-only",)}, "front-door: the card is read-only."),
    ],
)
def test_what_is_wrong_stands_first(
    browser: TestClient, owner: OwnerAtHome, changes: dict[str, Any], said: str
) -> None:
    say(owner, **changes)
    assert said in words(browser.get("/devices").text)


def test_a_camera_that_is_silent_is_never_shown_as_well(
    browser: TestClient, owner: OwnerAtHome
) -> None:
    assert "Nothing has been heard from front-door" in browser.get("/devices").text
    owner.retain([(topics.availability("front-door"), topics.OFFLINE)])
    assert "it is offline" in browser.get("/devices?now=1").text


@pytest.mark.parametrize(
    ("how", "command", "said"),
    [
        ("arm", Arm(armed=True), "It records when something moves."),
        ("disarm", Arm(armed=False), "Recording is off."),
        ("schedule", Arm(armed=True, scheduled=True), "in the times of"),
    ],
)
def test_recording_is_switched(
    browser: TestClient, owner: OwnerAtHome, how: str, command: Arm, said: str
) -> None:
    with owner.camera.serve(owner.broker):
        browser.post("/devices/arm", data={"camera": "front-door", "how": how})
    assert commands(owner, owner.camera) == [command]
    assert said in words(browser.get("/devices").text)


def test_requests_are_paused_and_resumed_on_all_cameras(
    browser: TestClient, owner: OwnerAtHome
) -> None:
    back = second_camera(owner)
    with owner.camera.serve(owner.broker), back.camera.serve(owner.broker):
        browser.post("/devices/pause", data={"camera": "", "how": "pause"})
        assert "requests paused since" in words(browser.get("/devices?now=1").text)
        browser.post("/devices/pause", data={"camera": "", "how": "resume"})
    for camera in (owner.camera, back.camera):
        assert commands(owner, camera) == [PauseRequests(), ResumeRequests()]


@pytest.mark.parametrize("data", [{}, {"how": "explode"}, {"how": "arm", "camera": "garden"}])
def test_what_no_page_offers_is_refused(browser: TestClient, data: dict[str, str]) -> None:
    assert browser.post("/devices/arm", data=data).status_code == 409


def garden_shows(code: str, monkeypatch: pytest.MonkeyPatch, owner: OwnerAtHome) -> FakeDevice:
    """A camera `garden` that shows ``code`` at the broker of the owner's other camera."""
    garden = FakeCamera("garden", owner.camera.owner)
    device = FakeDevice(PairingCode.parse(code), garden.card)
    monkeypatch.setattr(knock, "Meeting", device.meeting)
    return device


def test_a_camera_that_shows_a_code_is_paired(
    browser: TestClient, owner: OwnerAtHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = garden_shows("417-062-913", monkeypatch, owner)
    browser.post("/devices/pair", data={"code": "417 062 913"})
    assert device.owners == [owner.folder.card()]
    said = words(browser.get("/devices").text)
    assert "Paired with garden." in said
    assert format_fingerprint(device.card.fingerprint) in said


@pytest.mark.parametrize("code", ["417-062-914", "417", "", "<script>"])
def test_a_wrong_code_pairs_with_nobody(
    browser: TestClient, owner: OwnerAtHome, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    device = garden_shows("417-062-913", monkeypatch, owner)
    answer = browser.post("/devices/pair", data={"code": code})
    assert answer.status_code == 409
    assert "the device" in answer.text
    assert (device.owners, list(owner.folder.devices())) == ([], ["front-door"])


def test_a_card_that_is_pasted_enrols_a_camera_and_it_can_be_removed(
    browser: TestClient, owner: OwnerAtHome
) -> None:
    garden = FakeCamera("garden", owner.camera.owner)
    browser.post("/devices/enrol", data={"card": format_card(garden.card)})
    assert "garden is enrolled." in words(browser.get("/devices").text)
    browser.post("/devices/garden/remove")
    assert "garden is forgotten." in words(browser.get("/devices").text)
    assert list(owner.folder.devices()) == ["front-door"]


def test_a_renamed_camera_replaces_its_old_card(browser: TestClient, owner: OwnerAtHome) -> None:
    text = format_card(owner.camera.card).replace("front-door", "porch")
    browser.post("/devices/enrol", data={"card": text})
    assert list(owner.folder.devices()) == ["porch"]


@pytest.mark.parametrize(
    "card", ["", "x", "role: owner", "name: ../../x", "\u202e" * 50, "- " * 900]
)
def test_a_card_that_is_none_is_refused(browser: TestClient, owner: OwnerAtHome, card: str) -> None:
    assert browser.post("/devices/enrol", data={"card": card}).status_code == 409
    assert list(owner.folder.devices()) == ["front-door"]


def test_the_last_camera_is_not_removed(browser: TestClient, owner: OwnerAtHome) -> None:
    assert browser.post("/devices/front-door/remove").status_code == 409
    assert list(owner.folder.devices()) == ["front-door"]
