"""Requesters: their record and requests, mute and unmute."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from agent.consent import signing
from agent.consent.cards import format_fingerprint
from agent.consent.statements import Command, Mute
from agent.keyfile import Keys
from agent.mqtt import topics
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import make_request
from tests.owner.console.test_requests import HOSTILE, words
from tests.support.clock import SimulatedClock


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(wall_seconds=float(int(time.time())))


@pytest.fixture
def asked(owner: OwnerAtHome, requester: Keys, browser: TestClient) -> str:
    """A request that lies in the inbox; its digest."""
    now = int(time.time())
    request = make_request(requester, title=f"Bicycle {HOSTILE}", iat=now, exp=now + 86_400)
    owner.post(request)
    browser.get("/?now=1")
    return signing.digest(request)


def commands(owner: OwnerAtHome) -> list[object]:
    key = owner.folder.card().key
    letters = owner.camera.decisions
    return [signing.verify(one.jws, Command, {key.fingerprint: key}).command for one in letters]


def test_nobody_has_asked_yet(browser: TestClient) -> None:
    assert "Nobody has asked yet." in browser.get("/requesters").text


def test_a_requester_has_a_page_with_key_record_and_requests(
    browser: TestClient, requester: Keys, asked: str
) -> None:
    key = format_fingerprint(requester.fingerprint)
    listed = browser.get("/requesters").text
    assert key in listed and "Springfield PD" in listed
    page = browser.get(f"/requesters/{requester.fingerprint}").text
    assert key in page and f'href="/requests/{asked}"' in page
    assert "has asked 3 times" in page
    assert "Bicycle &lt;script&gt;" in page and "<script>alert" not in page


def test_a_mute_and_its_end_reach_the_camera(
    browser: TestClient, owner: OwnerAtHome, requester: Keys, asked: str
) -> None:
    address = f"/requesters/{requester.fingerprint}"
    with owner.camera.serve(owner.broker):
        browser.post(f"{address}/mute")
        assert "Springfield PD is muted." in words(browser.get(address).text)
        status = topics.status(owner.camera.name, owner.folder.card().fingerprint)
        owner.retain([(status, owner.camera.status(muted=(requester.fingerprint,)))])
        browser.get("/?now=1")
        page = browser.get(address).text
        assert f'action="{address}/unmute"' in page and "Muted" in page
        browser.post(f"{address}/unmute")
    assert "is no longer muted." in words(browser.get(address).text)
    mutes = [one for one in commands(owner) if isinstance(one, Mute)]
    assert mutes == [Mute(requester=requester.fingerprint, muted=one) for one in (True, False)]


def test_what_a_camera_refuses_is_said(
    browser: TestClient, owner: OwnerAtHome, requester: Keys, asked: str
) -> None:
    owner.camera.command_answer = ("REFUSED", "unknown-requester: no card")
    address = f"/requesters/{requester.fingerprint}"
    with owner.camera.serve(owner.broker):
        browser.post(f"{address}/mute")
    assert "has refused it: unknown-requester" in words(browser.get(address).text)


def test_the_history_holds_the_posts_as_signed_and_no_keys_of_clips(
    browser: TestClient, owner: OwnerAtHome, requester: Keys, asked: str
) -> None:
    answer = browser.get(f"/requesters/{requester.fingerprint}/history.json")
    assert "attachment" in answer.headers["content-disposition"]
    (said,) = answer.json()["requests"]
    assert signing.digest(said["posted"]) == asked == said["digest"]
    assert "sealed_key" not in answer.text


@pytest.mark.parametrize("path", ["", "/history.json"])
def test_an_unknown_requester_is_named(browser: TestClient, path: str) -> None:
    answer = browser.get("/requesters/" + "x" * 43 + path)
    assert answer.status_code == 409


@pytest.fixture
def post(browser: TestClient) -> Callable[[str], int]:
    return lambda path: browser.post(path).status_code


def test_nobody_unknown_is_muted(post: Callable[[str], int]) -> None:
    assert post("/requesters/" + "x" * 43 + "/mute") == 409
