"""Take clips out by hand: what would leave and its page, once the camera wrote its ledger."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from agent.consent import signing
from agent.consent.statements import Command, NoteExport
from agent.owner.console.context import Console
from agent.owner.console.pages import portal
from tests.owner.at_home import OwnerAtHome
from tests.owner.console.test_decide import Desk
from tests.support import footage

CLIP = footage.record(2)


@pytest.fixture
def desk(owner: OwnerAtHome, browser: TestClient, request_jws: str) -> Iterator[Desk]:
    """A request for which a camera has two clips that play."""
    desk = Desk(browser, owner, request_jws)
    desk.offers = [desk.camera.record(CLIP, duration_seconds=2.0) for _ in range(2)]
    desk.report()
    with owner.camera.serve(owner.broker):
        yield desk


def make(desk: Desk, name: str = "Springfield PD, Axon") -> dict[str, Any]:
    """The state of the job at its end, for both clips, one of them trimmed."""
    trimmed = {"id": desk.offers[0].id, "trim": {"from_seconds": 0.5, "to_seconds": 1.5}}
    draft = desk.last_page(trimmed, {"id": desk.offers[1].id})["draft"]
    begun = desk.browser.post("/decide/portal", data={"draft": draft, "portal": name}).json()
    while (state := desk.browser.get(f"/jobs/{begun['job']}").json())["state"] == "running":
        time.sleep(0.02)
    found: dict[str, Any] = state
    return found


def notes(desk: Desk) -> list[NoteExport]:
    """The lines that the camera was told to write."""
    card = desk.owner.folder.card()
    said = [
        signing.verify(letter.jws, Command, {card.fingerprint: card.key}).command
        for letter in desk.camera.decisions
    ]
    return [one for one in said if isinstance(one, NoteExport)]


def test_the_file_holds_what_would_leave_and_is_in_the_ledger(desk: Desk) -> None:
    source = make(desk)["said"]["src"]
    answer = desk.browser.get(source)
    assert "attachment" in answer.headers["content-disposition"]
    first, second = (offer.id for offer in desk.offers)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read(f"{first}-for-portal.mp4") == footage.prepared(CLIP, (0.5, 1.5))
        assert archive.read(f"{second}-for-portal.mp4") == footage.prepared(CLIP)
        assert b"Springfield PD, Axon" in archive.read(f"{first}-for-portal.html")
    assert [one.clip.id for one in notes(desk)] == [first, second]
    assert all(one.request == desk.digest for one in notes(desk))
    assert desk.browser.get(source).status_code == 409, "it is fetched once"


def test_nothing_is_made_that_the_ledger_does_not_say(desk: Desk) -> None:
    desk.camera.command_answer = ("REFUSED", "unknown-clip")
    state = make(desk)
    assert state["state"] == "failed" and "refused to write its ledger" in state["error"]
    assert "src" not in state["said"]


def test_a_portal_without_a_name_is_refused(desk: Desk) -> None:
    assert "the name of the portal" in make(desk, " ")["error"]
    assert notes(desk) == []


def test_a_file_that_is_ready_after_the_lock_is_kept_nowhere(
    desk: Desk, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job held the session's memory, and put the clips there in the clear."""
    session = console.sessions.newest()
    assert session is not None
    memory = session.memory

    def late(*_: object) -> bytes:
        console.sessions.lock()
        return b"clips in the clear"

    monkeypatch.setattr(portal, "_zip", late)
    draft = desk.last_page({"id": desk.offers[0].id})["draft"]
    desk.browser.post("/decide/portal", data={"draft": draft, "portal": "Axon"})
    console.jobs.close()
    assert memory == {}
