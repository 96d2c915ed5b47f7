"""A look in the browser: the newest picture, while the page asks for it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from agent.consent.statements import Look, StopLooking
from agent.vault import stills
from agent.vault.stills import Still
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import NOW, FakeCamera
from tests.support.clock import SimulatedClock
from tests.support.pictures import jpeg

SHOWN = jpeg()


@pytest.fixture
def served(owner: OwnerAtHome, camera: FakeCamera) -> Iterator[None]:
    def make(digest: str) -> bytes:
        text = base64.b64encode(SHOWN).decode()
        return stills.sealed(Still(look=digest, number=0, at=NOW, picture=text), camera.owner.seal)

    camera.looks = [make]
    with camera.serve(owner.broker):
        yield


def wait(browser: TestClient, ready: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The state of the look once it is ``ready``."""
    deadline = time.monotonic() + 60
    while True:
        state: dict[str, Any] = browser.get("/look/state").json()
        if ready(state):
            return state
        assert time.monotonic() < deadline, state
        time.sleep(0.02)


def commands(camera: FakeCamera) -> list[type]:
    return [type(camera._command(letter)) for letter in camera.decisions]


@pytest.mark.usefixtures("served")
def test_the_page_shows_the_newest_picture_until_it_is_told_to_end(
    browser: TestClient, camera: FakeCamera
) -> None:
    assert "front-door" in browser.get("/look").text
    assert browser.post("/look", data={"camera": "front-door"}).status_code == 200
    assert wait(browser, lambda state: state["number"] == 1)["at"]
    answer = browser.get("/look/picture")
    assert (answer.content, answer.headers["content-type"]) == (SHOWN, "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"
    browser.post("/look/end")
    assert wait(browser, lambda state: state["over"])["error"] == ""
    assert browser.get("/look/picture").status_code == 404
    assert commands(camera) == [Look, StopLooking]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("how", ["goes away", "is locked", "begins anew"])
def test_a_browser_that_leaves_ends_the_look(
    browser: TestClient, camera: FakeCamera, clock: SimulatedClock, how: str
) -> None:
    browser.post("/look", data={"camera": "front-door"})
    wait(browser, lambda state: state["number"] == 1)
    match how:
        case "goes away":
            clock.advance(6)
        case "is locked":
            browser.post("/lock")
        case "begins anew":
            browser.post("/look", data={"camera": "front-door"})
    deadline = time.monotonic() + 60
    while StopLooking not in commands(camera):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_camera_that_is_unknown_or_offline_is_told(
    browser: TestClient, owner: OwnerAtHome, camera: FakeCamera
) -> None:
    assert browser.get("/look/state").status_code == 409
    assert browser.post("/look", data={"camera": "garden"}).status_code == 409
    with camera.serve(owner.broker):
        pass
    browser.post("/look", data={"camera": "front-door"})
    assert "offline" in wait(browser, lambda state: state["over"])["error"]
