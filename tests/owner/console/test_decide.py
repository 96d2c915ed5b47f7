"""Decide in the browser: edit, see the last page, sign exactly what it showed."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from starlette.testclient import TestClient

from agent.consent import signing
from agent.consent.cards import RequesterCard, format_card
from agent.consent.statements import (
    Approval,
    Disclosure,
    HouseholdOwner,
    LegalOrder,
    Proposal,
    Redaction,
    Share,
    Trim,
)
from agent.errors import KeyFileError
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.console.context import Console
from agent.owner.console.editing.drafts import SHOWN_SECONDS
from agent.owner.home.folder import OwnerFolder
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import make_request
from tests.owner.conftest import PASSPHRASE
from tests.support import footage, statements
from tests.support.clock import SimulatedClock

OTHER = "o" * 43
RELEASE = "1" * 16


class Desk:
    """An owner at the console, whose camera has offered three clips for a request."""

    def __init__(self, browser: TestClient, owner: OwnerAtHome, request: str) -> None:
        self.browser, self.owner, self.camera = browser, owner, owner.camera
        self.request = request
        self.digest = signing.digest(request)
        self.offers = [self.camera.record(bytes([n]) * 500) for n in range(3)]

    def report(self, **more: object) -> None:
        """The camera's letter about the request; collected."""
        name = self.digest[:16]
        letter = self.camera.report(self.request, self.offers, **more)
        self.owner.retain([(topics.inbox(self.camera.name, name), letter)])
        self.collect()

    def collect(self) -> None:
        assert self.browser.get("/?now=1").status_code == 200

    def edits(self, *clips: dict[str, Any], **more: object) -> str:
        chosen = clips or ({"id": self.offers[0].id},)
        return json.dumps({"clips": chosen, **more})

    def last_page(self, *clips: dict[str, Any], **fields: str) -> dict[str, str]:
        """The fields of the last page's form."""
        answer = self.preview(*clips, **fields)
        assert answer.status_code == 200, answer.text
        return form_of(answer.text)

    def preview(self, *clips: dict[str, Any], **fields: str) -> Any:
        data = {"edits": self.edits(*clips), **fields}
        return self.browser.post(f"/requests/{self.digest}/decide", data=data)

    def sign(self, form: dict[str, str], passphrase: str = PASSPHRASE) -> Any:
        return self.browser.post("/decide/sign", data={**form, "passphrase": passphrase})

    def signed(self, kind: type[Any]) -> Any:
        """The one decision that the camera got."""
        self.camera.received()
        (letter,) = self.camera.decisions
        card = self.owner.folder.card()
        return signing.verify(letter.jws, kind, {card.fingerprint: card.key})


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of the form that signs."""
    form = page[page.index('action="/decide/sign"') :]
    fields = re.findall(r'<input type="hidden" name="(draft|plan)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in fields[:2]}


@pytest.fixture
def desk(owner: OwnerAtHome, browser: TestClient, request_jws: str) -> Iterator[Desk]:
    desk = Desk(browser, owner, request_jws)
    with owner.camera.serve(owner.broker):
        yield desk


@pytest.fixture
def asked(desk: Desk) -> Desk:
    desk.report()
    return desk


def test_the_page_shows_the_chosen_clips_and_no_other(asked: Desk) -> None:
    first, second, third = (offer.id for offer in asked.offers)
    page = asked.browser.get(f"/requests/{asked.digest}/decide?clips={first}&clips={third}")
    assert page.status_code == 200
    assert first in page.text and third in page.text and second not in page.text
    whole = asked.browser.get(f"/requests/{asked.digest}/decide")
    assert all(offer.id in whole.text for offer in asked.offers)


def test_a_clip_that_is_not_offered_is_not_shown(asked: Desk) -> None:
    page = asked.browser.get(f"/requests/{asked.digest}/decide?clips=nothing")
    assert page.status_code == 409
    assert "choose the clips" in page.text


def test_what_the_last_page_shows_is_what_is_signed(asked: Desk, keys: Keys) -> None:
    first, _, third = asked.offers
    box = {"positions": [[1, 0.1, 0.2, 0.3, 0.3], [4, 0.5, 0.2, 0.3, 0.3]], "from_seconds": 1}
    trimmed = {"id": first.id, "trim": {"from_seconds": 2, "to_seconds": 9}}
    covered = {"id": third.id, "redact": [box]}
    fields = {"tell-name": "Ann", "days": "3"}
    page = asked.preview(trimmed, covered, **fields).text
    for words in ("only 2 s to 9 s of it", "a box that moves", "not seen on this computer"):
        assert words in page
    assert "your name Ann, and nothing else" in page
    answer = asked.sign(form_of(page))
    assert answer.status_code == 303, answer.text
    said = asked.signed(Approval)
    assert said.request == asked.digest
    assert [clip.id for clip in said.clips] == [first.id, third.id]
    assert said.clips[0].trim == Trim(from_seconds=2, to_seconds=9)
    assert said.clips[1].redact == (msgspec.convert(box, Redaction),)
    assert said.disclose == Disclosure(name="Ann")
    assert abs(said.exp - said.iat - 3 * 86_400) < 60
    (letter,) = asked.camera.decisions
    assert set(letter.keys) == {first.id, third.id}


def test_the_signature_leads_to_what_becomes_of_it(asked: Desk) -> None:
    answer = asked.sign(asked.last_page())
    where = answer.headers["location"]
    (key,) = parse_qs(urlsplit(where).query)["release"]
    assert key.startswith("front-door/")
    deadline = time.monotonic() + 30
    while "SENT" not in (text := asked.browser.get(where).text) and "sent, no" not in text:
        assert time.monotonic() < deadline
        asked.collect()
    assert key in text


@pytest.mark.parametrize("days", ["0", "8", "-1", "nan", "inf", "many"])
def test_impossible_days_lead_back_to_the_page_with_all_edits(asked: Desk, days: str) -> None:
    clip = {"id": asked.offers[1].id, "trim": {"from_seconds": 2, "to_seconds": 9}}
    answer = asked.preview(clip, days=days)
    assert answer.status_code == 409
    assert re.search("role=.alert.*days", answer.text, re.IGNORECASE)
    assert "to_seconds&#34;:9" in answer.text, "the edits are kept"


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        ({"trim": {"from_seconds": 2, "to_seconds": 900}}, "only 12.5 seconds long"),
        ({"trim": {"from_seconds": 9, "to_seconds": 2}}, "malformed"),
        ({"redact": [{"positions": [[1, 0.9, 0.9, 0.5, 0.5]]}]}, "malformed"),
        ({"redact": [{"positions": [[1, 0, 0, 1, 1]]}] * 17}, "malformed"),
    ],
)
def test_impossible_edits_are_refused_with_the_reason(
    asked: Desk, clip: dict[str, Any], said: str
) -> None:
    answer = asked.preview({"id": asked.offers[0].id, **clip})
    assert answer.status_code == 409
    assert said in answer.text
    assert not asked.camera.decisions


def test_no_clip_at_all_is_refused(asked: Desk) -> None:
    answer = asked.browser.post(f"/requests/{asked.digest}/decide", data={"edits": '{"clips":[]}'})
    assert answer.status_code == 409
    assert "name the clips that may leave" in answer.text


def test_one_may_go_back_from_the_last_page_and_change_something(asked: Desk) -> None:
    clip = {"id": asked.offers[1].id, "trim": {"from_seconds": 2, "to_seconds": 9}}
    form = asked.last_page(clip, **{"tell-email": "ann@example.org"})
    page = asked.browser.post("/decide/change", data={"draft": form["draft"]}).text
    assert "to_seconds&#34;:9" in page and "ann@example.org" in page
    assert asked.offers[0].id not in page


# What was shown is what is signed


def test_a_page_is_signed_once(asked: Desk) -> None:
    form = asked.last_page()
    assert asked.sign(form).status_code == 303
    again = asked.sign(form)
    assert again.status_code == 409
    assert "something has changed" in again.text
    assert len(asked.camera.received()) == 1


def test_a_page_that_is_too_old_is_shown_again(asked: Desk, clock: SimulatedClock) -> None:
    form = asked.last_page()
    clock.advance(SHOWN_SECONDS + 1)
    asked.browser.post("/unlock", data={"passphrase": PASSPHRASE})
    form = asked.last_page()
    clock.advance(600)
    asked.browser.get("/news")
    clock.advance(SHOWN_SECONDS - 599)
    answer = asked.sign(form)
    assert answer.status_code == 409 and "too old" in answer.text
    assert not asked.camera.decisions
    assert asked.sign(form_of(answer.text)).status_code == 303


def test_other_edits_under_the_digest_of_a_page_are_not_signed(asked: Desk) -> None:
    form, other = asked.last_page(), asked.last_page({"id": asked.offers[2].id})
    answer = asked.sign({"draft": other["draft"], "plan": form["plan"]})
    assert answer.status_code == 409
    assert not asked.camera.decisions


@pytest.mark.parametrize("plan", ["", "0" * 64, "x"])
def test_a_page_that_was_never_shown_is_not_signed(asked: Desk, plan: str) -> None:
    form = asked.last_page()
    assert asked.sign({**form, "plan": plan}).status_code == 409
    assert not asked.camera.decisions


def test_a_page_of_another_session_is_not_signed(asked: Desk) -> None:
    form = asked.last_page()
    asked.browser.post("/lock")
    asked.browser.post("/unlock", data={"passphrase": PASSPHRASE})
    assert asked.sign(form).status_code == 409
    assert not asked.camera.decisions


def test_what_changed_since_the_page_was_shown_is_shown_first(asked: Desk, requester: Keys) -> None:
    form = asked.last_page()
    other = asked.last_page()
    assert asked.sign(other).status_code == 303  # in another tab
    answer = asked.sign(form)
    assert answer.status_code == 409
    assert "released before" in answer.text


def test_a_request_that_was_closed_meanwhile_is_not_answered(asked: Desk) -> None:
    form = asked.last_page()
    asked.owner.retain([(topics.inbox("front-door", asked.digest[:16]), b"")])
    asked.collect()
    answer = asked.sign(form)
    assert answer.status_code == 409
    assert "closed" in answer.text
    assert not asked.camera.decisions


def test_a_wrong_passphrase_signs_nothing_and_the_page_stays(
    asked: Desk, monkeypatch: pytest.MonkeyPatch, keys: Keys
) -> None:
    def unlock(self: OwnerFolder, passphrase: str) -> Keys:
        if passphrase != PASSPHRASE:
            raise KeyFileError("wrong passphrase")
        return keys

    form = asked.last_page()
    monkeypatch.setattr(OwnerFolder, "unlock", unlock)
    monkeypatch.setattr(sessions_of(asked), "_unlock", lambda p: unlock(asked.owner.folder, p))
    answer = asked.sign(form, "wrong")
    assert answer.status_code == 403
    assert not asked.camera.decisions
    assert form_of(answer.text) == form
    assert asked.sign(form).status_code == 303


def sessions_of(desk: Desk) -> Any:
    app: Any = desk.browser.app
    console: Console = app.state.console
    return console.sessions


@pytest.mark.parametrize("draft", ["", "{", "[]", '{"days":-1}', '{"more":1}', "\ud800"])
def test_a_malformed_draft_is_refused(asked: Desk, draft: str) -> None:
    data = {"draft": draft.encode("utf-8", "replace").decode(), "plan": "0" * 64}
    for path in ("/decide/sign", "/decide/change"):
        assert asked.browser.post(path, data=data).status_code == 409


# Warnings


def test_the_last_page_of_a_legal_order_says_so(
    owner: OwnerAtHome, browser: TestClient, requester: Keys
) -> None:
    now = int(time.time())
    order = LegalOrder(court="District Court", docket="17-1", document_sha256="0" * 64)
    request = make_request(requester, iat=now, exp=now + 86_400, kind="legal-order", order=order)
    desk = Desk(browser, owner, request)
    desk.report()
    page = desk.preview().text
    assert "THIS IS A LEGAL ORDER" in page
    assert "a legal order as they say" in page


@pytest.mark.parametrize("field", ["title", "reference", "contact", "text"])
def test_a_requester_s_words_are_words_on_each_page(
    owner: OwnerAtHome, browser: TestClient, requester: Keys, field: str
) -> None:
    now, attack = int(time.time()), "<script>alert(1)</script>\"'><img src=x>{{7*7}}"
    request = make_request(requester, iat=now, exp=now + 86_400, **{field: attack})
    desk = Desk(browser, owner, request)
    desk.report()
    pages = [desk.preview().text, browser.get(f"/requests/{desk.digest}/decide").text]
    assert not any("<script>alert" in page or "<img src=x" in page for page in pages)


# Two owners


def two_owners(desk: Desk, keys: Keys) -> dict[str, object]:
    people = ((keys.fingerprint, "Ann"), (OTHER, "Otto"))
    owners = tuple(HouseholdOwner(fingerprint=key, name=name) for key, name in people)
    return {"approvals_needed": 2, "owners": owners}


def proposal(desk: Desk) -> Proposal:
    offer = desk.offers[1]
    clip = statements.approved(offer.id, offer.sha256)
    return Proposal(release=RELEASE, owner=OTHER, clips=(clip,), disclose=Disclosure(name="Otto"))


def test_a_first_approval_says_for_whom_it_waits_and_brings_no_key(desk: Desk, keys: Keys) -> None:
    desk.report(**two_owners(desk, keys))
    page = desk.preview().text
    assert "nothing is sent before Otto has agreed to exactly this" in page
    assert "CAREFUL" in page, "the clips of this test are sealed to Ann alone"
    desk.sign(form_of(page))
    assert desk.camera.received()[0].keys == {}


def test_agreeing_is_one_page_with_exactly_what_the_other_signed(desk: Desk, keys: Keys) -> None:
    desk.report(**two_owners(desk, keys), proposals=(proposal(desk),))
    page = desk.browser.get(f"/requests/{desk.digest}/agree?release={RELEASE}")
    assert page.status_code == 200
    assert "Otto" in page.text and "it is sent at once" in page.text
    assert desk.sign(form_of(page.text)).status_code == 303
    said = desk.signed(Approval)
    assert [clip.id for clip in said.clips] == [desk.offers[1].id]
    assert said.disclose == Disclosure(name="Otto")
    assert set(desk.camera.received()[0].keys) == {desk.offers[1].id}


def test_what_the_other_owner_took_back_is_not_agreed_to(desk: Desk, keys: Keys) -> None:
    desk.report(**two_owners(desk, keys), proposals=(proposal(desk),))
    page = desk.browser.get(f"/requests/{desk.digest}/agree?release={RELEASE}").text
    desk.report(**two_owners(desk, keys))
    answer = desk.sign(form_of(page))
    assert answer.status_code == 409
    assert "no owner has approved anything" in html.unescape(answer.text)
    assert not desk.camera.decisions


def test_what_the_other_signed_is_seen_before_agreeing_and_the_page_says_so(
    desk: Desk, keys: Keys
) -> None:
    desk.offers[1] = desk.camera.record(footage.record(4), duration_seconds=4.0)
    box = {"positions": [[0, 0.1, 0.1, 0.3, 0.3], [4, 0.6, 0.1, 0.3, 0.3]]}
    clip = msgspec.structs.replace(
        proposal(desk).clips[0],
        trim=Trim(from_seconds=1, to_seconds=3),
        redact=(msgspec.convert(box, Redaction),),
    )
    signed = msgspec.structs.replace(proposal(desk), clips=(clip,))
    desk.report(**two_owners(desk, keys), proposals=(signed,))
    page = desk.browser.get(f"/requests/{desk.digest}/agree?release={RELEASE}").text
    form = form_of(page)
    wanted = {"camera": "front-door", "clip": clip.id, "draft": form["draft"]}
    job = desk.browser.post("/footage", data=wanted).json()["job"]
    while (state := desk.browser.get(f"/jobs/{job}").json())["state"] == "running":
        time.sleep(0.02)
    sent = footage.prepared(footage.record(4), (1, 3), *clip.redact)
    assert desk.browser.get(state["said"]["src"]).content == sent
    desk.browser.post(state["said"]["seen"])
    said = desk.browser.post("/decide/facts", data={"draft": form["draft"]}).json()
    lines = [line["text"] for fact in said["parts"][0] for line in fact["lines"]]
    assert any(line.startswith("seen on") for line in lines)
    assert any(line.startswith("20 pictures") for line in lines)
    assert desk.sign(form).status_code == 409, "the page did not say that it was seen"
    assert desk.sign({**form, "plan": said["plan"]}).status_code == 303
    other = {**wanted, "clip": desk.offers[0].id}
    assert desk.browser.post("/footage", data=other).status_code == 409


# Sharing


@pytest.fixture
def card() -> str:
    neighbour = Keys.generate()
    return format_card(
        RequesterCard(
            role="requester",
            name="The neighbour",
            sign=neighbour.signing.public.text,
            seal=neighbour.recipient,
            upload_hosts=("neighbour.example",),
        )
    )


def test_clips_are_shared_with_somebody_who_has_not_asked(asked: Desk, card: str) -> None:
    clip = asked.offers[2].id
    assert clip in asked.browser.get(f"/share?clips={clip}").text
    fields = {
        "edits": asked.edits({"id": clip}),
        "card": card,
        "url": "https://neighbour.example/f",
    }
    page = asked.browser.post("/share", data=fields)
    assert "The neighbour, who has not asked" in page.text
    assert asked.sign(form_of(page.text)).status_code == 303
    said = asked.signed(Share)
    assert (said.recipient.name, said.upload.url) == ("The neighbour", fields["url"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "https://elsewhere.example/"}, "does not list the host"),
        ({"url": "http://neighbour.example/"}, "not https"),
        ({"card": "nonsense"}, "the card"),
        ({"card": ""}, "the card"),
    ],
)
def test_a_share_goes_where_the_card_says_or_nowhere(
    asked: Desk, card: str, fields: dict[str, str], said: str
) -> None:
    clip = asked.offers[2].id
    whole = {"edits": asked.edits({"id": clip}), "card": card, "url": "https://neighbour.example/"}
    answer = asked.browser.post("/share", data={**whole, **fields})
    assert answer.status_code == 409
    assert said in html.unescape(answer.text)
    assert clip in answer.text, "the page is shown again"


# What becomes of it


def test_progress_is_told_as_values_for_the_page_that_waits(asked: Desk) -> None:
    where = asked.sign(asked.last_page()).headers["location"]
    query = urlsplit(where).query
    deadline = time.monotonic() + 30
    while True:
        (release,) = asked.browser.get(f"/releases/state?{query}").json()["releases"]
        if release["state"].startswith("sent"):
            break
        assert time.monotonic() < deadline, release
    assert release["steps"] == ["done", "done", "done", "now", "ahead"]
    assert release["stop"] is False and release["final"] is False
    assert asked.browser.get("/releases").text.count(release["key"]) == 1


def test_a_camera_that_is_offline_is_named_and_its_release_can_be_stopped(
    owner: OwnerAtHome, browser: TestClient, request_jws: str
) -> None:
    desk = Desk(browser, owner, request_jws)
    owner.retain([(topics.availability("front-door"), topics.OFFLINE)])
    desk.report()
    where = desk.sign(desk.last_page()).headers["location"]
    desk.collect()
    page = browser.get(where).text
    assert "no answer of the camera yet" in page
    assert "front-door is offline" in page
    (key,) = parse_qs(urlsplit(where).query)["release"]
    stopped = browser.post(f"/releases/{key}/revoke")
    assert stopped.headers["location"] == f"/releases/{key}"
    assert "You asked the camera to stop it" in browser.get(stopped.headers["location"]).text


def test_nothing_counts_as_sent_while_the_broker_is_away(
    asked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.errors import NetworkFault

    def fails(*_: object, **__: object) -> None:
        raise NetworkFault("the broker is away")

    form = asked.last_page()
    monkeypatch.setattr("agent.owner.client.OwnerClient.send", fails)
    answer = asked.sign(form)
    assert answer.status_code == 503
    assert "the broker is away" in answer.text
    assert form_of(answer.text)["draft"] == form["draft"], "one may try again"


@pytest.mark.parametrize("path", ["/releases/front-door/none", "/releases/sent?release=a/b"])
def test_an_unknown_release_is_refused(asked: Desk, path: str) -> None:
    assert asked.browser.get(path).status_code == 409


def test_a_clip_of_a_camera_that_is_offline_says_so(
    owner: OwnerAtHome, browser: TestClient, request_jws: str
) -> None:
    desk = Desk(browser, owner, request_jws)
    owner.retain([(topics.availability("front-door"), topics.OFFLINE)])
    desk.report()
    fields = {"camera": "front-door", "clip": desk.offers[0].id}
    job = browser.post("/footage", data=fields).json()["job"]
    while (state := browser.get(f"/jobs/{job}").json())["state"] == "running":
        time.sleep(0.02)
    assert "front-door is offline" in state["error"]


def test_a_clip_that_was_cut_off_leaves_only_after_it_was_seen(desk: Desk) -> None:
    desk.offers[0] = desk.camera.record(footage.record(2), duration_seconds=0.0, truncated=True)
    desk.report()
    answer = desk.sign(desk.last_page())
    assert answer.status_code == 409
    assert "was cut off" in answer.text and "See it first" in answer.text
    assert not desk.camera.decisions
    form = form_of(answer.text)
    wanted = {"camera": "front-door", "clip": desk.offers[0].id, "draft": form["draft"]}
    job = desk.browser.post("/footage", data=wanted).json()["job"]
    while (state := desk.browser.get(f"/jobs/{job}").json())["state"] == "running":
        time.sleep(0.02)
    desk.browser.post(state["said"]["seen"])
    said = desk.browser.post("/decide/facts", data={"draft": form["draft"]}).json()
    assert desk.sign({**form, "plan": said["plan"]}).status_code == 303


def test_what_one_of_two_cameras_did_not_get_is_told_once_and_by_no_address(
    desk: Desk,
) -> None:
    desk.report()
    where = desk.sign(desk.last_page()).headers["location"]
    told = desk.browser.get(f"{where}&fault=call+555")
    assert "This was not sent" not in told.text
    session = sessions_of(desk).newest()
    session.memory["unsent"] = ["garden: the broker is away"]
    assert "This was not sent: garden" in desk.browser.get(where).text
    assert "This was not sent" not in desk.browser.get(where).text
