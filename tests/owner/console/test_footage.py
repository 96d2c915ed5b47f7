"""Clips in the player: fetched once, made ready by the release's own code, served in pieces."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from agent.consent.statements import ClipOffer, Redaction, Redactions, Region
from agent.media.faces import detector, finder
from agent.owner.client import OwnerClient
from agent.owner.console.context import Console
from agent.owner.console.editing.screening import Screening
from agent.owner.decisions import seen
from agent.owner.decisions.seen import SeenClip
from agent.owner.pictures import footage as opened_clips
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.support import face_films, footage

CLIP = footage.record(4)
EDITS = {
    "trim": {"from_seconds": 1, "to_seconds": 3},
    "redact": [{"positions": [[0, 0.5, 0, 0.5, 1]]}],
}


@pytest.fixture
def offer(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str, browser: TestClient
) -> Iterator[ClipOffer]:
    """A clip that a request offers, while its camera answers."""
    offer = camera.record(CLIP, duration_seconds=4.0)
    owner.post(request_jws, offers=[offer])
    browser.get("/?now=1")
    with camera.serve(owner.broker):
        yield offer


def make_ready(
    browser: TestClient, offer: ClipOffer, edited: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The state of the job at its end."""
    fields = {"camera": "front-door", "clip": offer.id}
    if edited is not None:
        fields["edits"] = json.dumps({"clips": [{"id": offer.id, **edited}]})
    begun = browser.post("/footage", data=fields)
    assert begun.status_code == 200, begun.text
    while (state := browser.get(f"/jobs/{begun.json()['job']}").json())["state"] == "running":
        time.sleep(0.02)
    found: dict[str, Any] = state
    return found


def previews(camera: FakeCamera) -> int:
    """Number of times that the camera was asked for a clip."""
    return len(camera.decisions)


def test_an_edited_clip_is_to_the_byte_what_would_be_sent(
    browser: TestClient, offer: ClipOffer
) -> None:
    said = make_ready(browser, offer, EDITS)["said"]
    sent = footage.prepared(CLIP, (1, 3), Redaction.still(x=0.5, y=0, width=0.5, height=1))
    assert browser.get(said["src"]).content == sent
    assert said["sha256"] == hashlib.sha256(sent).hexdigest()
    assert said["plays"] and said["count"] == 20
    assert said["pictures"].startswith("20 pictures, H.264, from ")


def test_a_clip_is_fetched_once_for_all_edits(
    browser: TestClient, offer: ClipOffer, camera: FakeCamera
) -> None:
    sources = {make_ready(browser, offer, edited)["said"]["src"] for edited in (None, EDITS, {})}
    assert len(sources) == 2  # as recorded, and with edits
    assert previews(camera) == 1


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-50", -50, None),
        ("bytes=10-999999999", 10, None),
    ],
)
def test_a_player_gets_the_range_that_it_asks_for(
    browser: TestClient, offer: ClipOffer, header: str, start: int, end: int | None
) -> None:
    source = make_ready(browser, offer)["said"]["src"]
    whole = browser.get(source).content
    part = browser.get(source, headers={"range": header})
    assert (part.status_code, part.content) == (206, whole[start:end])
    first = start if start >= 0 else len(whole) + start
    last = first + len(part.content) - 1
    assert part.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"


@pytest.mark.parametrize("header", ["bytes=-", "bytes=1-2,5-6", "pictures=1-2", "bytes=a-b", ""])
def test_a_range_that_is_none_gives_the_whole(
    browser: TestClient, offer: ClipOffer, header: str
) -> None:
    source = make_ready(browser, offer)["said"]["src"]
    assert browser.get(source, headers={"range": header}).status_code == 200


@pytest.mark.parametrize("header", ["bytes=999999999-", "bytes=5-3", "bytes=-0"])
def test_a_range_outside_the_clip_is_refused(
    browser: TestClient, offer: ClipOffer, header: str
) -> None:
    source = make_ready(browser, offer)["said"]["src"]
    assert browser.get(source, headers={"range": header}).status_code == 416


def test_a_clip_counts_as_seen_once_the_player_has_shown_it(
    browser: TestClient, offer: ClipOffer, console: Console
) -> None:
    said = make_ready(browser, offer, EDITS)["said"]
    assert seen_by_owner(console.client()) == []
    assert browser.post(said["seen"]).status_code == 204
    (kept,) = seen_by_owner(console.client())
    assert kept.clip.trim is not None and len(kept.clip.redact) == 1
    assert kept.pictures is not None and kept.pictures.pictures == 20
    assert browser.post("/footage/nothing/seen").status_code == 409


def seen_by_owner(client: OwnerClient) -> list[SeenClip]:
    return [*seen.of(client.folder, "front-door")]


def test_the_lock_forgets_the_clips(
    browser: TestClient, offer: ClipOffer, console: Console
) -> None:
    source = make_ready(browser, offer)["said"]["src"]
    browser.post("/lock")
    assert browser.get(source).headers["location"].startswith("/unlock")
    browser.post("/unlock", data={"passphrase": "x"})
    assert browser.get(source).status_code == 404


def test_a_session_keeps_what_was_used_last(
    browser: TestClient, offer: ClipOffer, console: Console, camera: FakeCamera
) -> None:
    session = console.sessions.newest()
    assert session is not None
    session.memory["screening"] = Screening(most_bytes=1)
    source = make_ready(browser, offer)["said"]["src"]
    assert browser.get(source).status_code == 200, "what is played now stays"
    make_ready(browser, offer, EDITS)
    assert browser.get(source).status_code == 404
    assert previews(camera) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"edits": "{"}, "malformed"),
        ({"edits": '{"clips":[],"more":1}'}, "malformed"),
        ({"edits": '{"clips":[{"id":"ID","trim":{"from_seconds":3,"to_seconds":1}}]}'}, "trim"),
        ({"edits": '{"clips":[{"id":"ID","redact":[{"positions":[]}]}]}'}, "positions"),
        ({"edits": '{"clips":[{"id":"other","trim":{"from_seconds":1,"to_seconds":2}}]}'}, "other"),
        ({"clip": "other"}, "no clip 'other'"),
        ({"camera": "garden"}, "no clip"),
    ],
)
def test_edits_that_are_malformed_or_of_another_clip_are_refused(
    browser: TestClient, offer: ClipOffer, fields: dict[str, str], said: str
) -> None:
    fields = {name: value.replace("ID", offer.id) for name, value in fields.items()}
    answer = browser.post("/footage", data={"camera": "front-door", "clip": offer.id, **fields})
    assert answer.status_code == 409
    assert said in answer.json()["error"]


def test_a_clip_that_does_not_play_says_so(
    browser: TestClient, owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    hostile = camera.record(b"\x00\x00\x00\x18ftypisom" + bytes(400_000))
    owner.post(request_jws, offers=[hostile])
    browser.get("/?now=1")
    with camera.serve(owner.broker):
        state = make_ready(browser, hostile)
    assert state["state"] == "failed"
    assert "does not play" in state["error"] or "damaged" in state["error"]


def test_a_clip_that_is_too_large_for_memory_is_not_asked_for(
    browser: TestClient,
    offer: ClipOffer,
    camera: FakeCamera,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opened_clips, "MOST_BYTES", 1_000)
    state = make_ready(browser, offer)
    assert state["state"] == "failed"
    assert "clip-agent owner preview" in state["error"]
    assert previews(camera) == 0


# Faces


def propose(browser: TestClient, fields: dict[str, str]) -> dict[str, Any]:
    """The state of the search at its end."""
    begun = browser.post("/faces", data={"camera": "front-door", **fields})
    assert begun.status_code == 200, begun.text
    while (state := browser.get(f"/jobs/{begun.json()['job']}").json())["state"] == "running":
        time.sleep(0.02)
    found: dict[str, Any] = state
    return found


def test_faces_are_proposed_as_boxes_in_the_form_that_is_signed(
    browser: TestClient,
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finder, "find_model", lambda: b"")
    monkeypatch.setattr(detector, "Detector", lambda _: face_films.MarkerDetector())
    place, times = Region(0.3, 0.4, 0.4, 0.55), [number / 10 for number in range(30)]
    film = face_films.film((face_films.marked(place, 320, 180) for _ in times), times)
    offer = camera.record(film, duration_seconds=3.0)
    digest = owner.post(request_jws, offers=[offer])
    browser.get("/?now=1")
    with camera.serve(owner.broker):
        said = propose(browser, {"clip": offer.id})["said"]
        trimmed = {"id": offer.id, "trim": {"from_seconds": 1, "to_seconds": 2}}
        part = propose(browser, {"clip": offer.id, "edits": json.dumps({"clips": [trimmed]})})
    redactions = msgspec.convert(said["redact"], Redactions)
    assert said["faces"] == 1 and said["left_out"] == 0
    assert face_films.uncovered(redactions, lambda _: place, times) == []
    assert part["said"]["faces"] == 1
    assert previews(camera) == 1
    page = browser.get(f"/requests/{digest}/decide").text
    assert "Find faces" in page
    monkeypatch.setattr(finder, "find_spec", lambda _: None)
    assert "Find faces" not in browser.get(f"/requests/{digest}/decide").text
    refused = browser.post("/faces", data={"camera": "front-door", "clip": offer.id})
    assert refused.status_code == 409
    assert "clip-agent[faces]" in refused.json()["error"]


def test_a_clip_that_browsers_cannot_play_is_converted_to_be_seen_as_recorded(
    browser: TestClient, owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    offer = camera.record(footage.record(1, codec="libx265"), duration_seconds=1.0)
    owner.post(request_jws, offers=[offer])
    browser.get("/?now=1")
    with camera.serve(owner.broker):
        recorded = make_ready(browser, offer)["said"]
        leaving = make_ready(browser, offer, {})["said"]
    assert recorded["plays"] and "H.264" in recorded["pictures"]
    assert not leaving["plays"] and "H.265" in leaving["pictures"]


def test_a_clip_that_was_cut_off_is_shown_as_far_as_it_goes(
    browser: TestClient, owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    offer = camera.record(CLIP, duration_seconds=0.0, truncated=True)
    owner.post(request_jws, offers=[offer])
    browser.get("/?now=1")
    with camera.serve(owner.broker):
        said = make_ready(browser, offer, {"trim": {"from_seconds": 1, "to_seconds": 2}})["said"]
    assert said["plays"] and said["count"] == 10


def test_a_camera_that_is_offline_is_told_without_a_wait(
    browser: TestClient, owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    offer = camera.record(CLIP, duration_seconds=4.0)
    owner.post(request_jws, offers=[offer])
    browser.get("/?now=1")
    with camera.serve(owner.broker):
        pass  # it says goodbye
    state = make_ready(browser, offer)
    assert state["state"] == "failed"
    assert "front-door is offline" in state["error"]
    assert previews(camera) == 0
