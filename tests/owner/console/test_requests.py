"""The inbox and the page of a request, with letters of one and of two cameras."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from agent.consent import signing
from agent.consent.cards import format_card
from agent.consent.statements import (
    ApprovedClip,
    Decline,
    Disclosure,
    HouseholdOwner,
    LegalOrder,
    Notice,
    Proposal,
    Recipient,
    Repost,
)
from agent.consent.statements.status import CameraPlace
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.console.context import Console
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera, make_request
from tests.support import statements
from tests.support.clock import SimulatedClock
from tests.support.pictures import jpeg

HOSTILE = "<script>alert(1)</script><b onmouseover=x>'\"&amp;"
ORDER = LegalOrder(court="Hampden <b>Court</b>", docket="24-CR-7", document_sha256="ab" * 32)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(wall_seconds=float(int(time.time())))


@pytest.fixture
def make(requester: Keys, clock: SimulatedClock) -> Callable[..., str]:
    now = int(clock.now())
    return lambda **changes: make_request(requester, iat=now, exp=now + 86_400, **changes)


def second_camera(owner: OwnerAtHome) -> OwnerAtHome:
    camera = FakeCamera("back-door", owner.camera.owner)
    card = owner.folder.path / "back.yaml"
    card.write_text(format_card(camera.card))
    owner.folder.enrol(card)
    return OwnerAtHome(owner.folder, owner.broker, camera)


def words(page: str) -> str:
    """A page without its tags, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_inbox_is_empty_and_says_so(browser: TestClient, owner: OwnerAtHome) -> None:
    page = words(browser.get("/").text)
    assert "No open request has arrived." in page, "no camera was heard"
    status = topics.status(owner.camera.name, owner.folder.card().fingerprint)
    owner.retain([(status, owner.camera.status())])
    assert "Nothing waits for you." in words(browser.get("/?now=1").text)


def test_the_inbox_says_that_a_camera_is_offline(browser: TestClient, owner: OwnerAtHome) -> None:
    owner.retain([(topics.availability(owner.camera.name), topics.OFFLINE)])
    assert "front-door is offline. Its messages, and yours" in words(browser.get("/").text)


def test_without_the_broker_the_last_known_inbox_is_shown(
    browser: TestClient,
    owner: OwnerAtHome,
    make: Callable[..., str],
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner.post(make(title="Bicycle theft"))
    assert "Bicycle theft" in browser.get("/").text
    (owner.folder.path / "owner.yaml").write_text("mqtt: {host: 127.0.0.1, port: 1}\n")
    page = browser.get("/?now=1")
    assert page.status_code == 200
    assert "Bicycle theft" in page.text
    assert "could not be fetched" in page.text


def test_a_request_of_two_cameras_is_one_card_with_the_clips_of_both(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str]
) -> None:
    request, back = make(title="Bicycle theft"), second_camera(owner)
    owner.post(request, 2)
    back.post(request, 1)
    page = browser.get("/").text
    assert page.count("Bicycle theft") == 1
    assert "1 clip of back-door, 2 clips of front-door" in words(page)
    shown = browser.get(f"/requests/{signing.digest(request)}").text
    drawn = re.findall(r'<rect class="clip" x="[^"]+" y="(\d+)"', shown)
    assert sorted(drawn) == ["32", "32", "6"], "each camera's clips are in its own lane"
    chosen = re.findall(r'type="checkbox" name="clips" value="([^"]+)"', shown)
    assert set(chosen) == {*owner.camera.offers, *back.camera.offers}
    assert f'action="/requests/{signing.digest(request)}/decide"' in shown


def test_a_decline_goes_to_each_camera_in_one_click(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str], requester: Keys
) -> None:
    request, back = make(), second_camera(owner)
    owner.post(request)
    back.post(request)
    browser.get("/")
    digest = signing.digest(request)
    answers = (("DONE", ""),)
    with (
        owner.camera.serve(owner.broker, answers=answers),
        back.camera.serve(owner.broker, answers=answers),
    ):
        answer = browser.post(f"/requests/{digest}/decline", data={"mute": "yes"})
    assert answer.headers["location"] == f"/requests/{digest}"
    for camera in (owner.camera, back.camera):
        key = owner.folder.card().key
        said = signing.verify(camera.decisions[-1].jws, Decline, {key.fingerprint: key})
        assert (said.request, said.mute) == (digest, True)
    page = words(browser.get(f"/requests/{digest}").text)
    assert "front-door: done. The request is closed, and nobody was told." in page
    assert "is muted." in page
    assert "You muted Springfield PD" in page
    assert "done." not in words(browser.get(f"/requests/{digest}").text), "it is said once"


def test_a_decline_waits_for_a_camera_that_is_offline(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str]
) -> None:
    owner.post(request := make())
    owner.retain([(topics.availability(owner.camera.name), topics.OFFLINE)])
    browser.get("/")
    browser.post(f"/requests/{signing.digest(request)}/decline")
    page = words(browser.get(f"/requests/{signing.digest(request)}").text)
    assert "It obeys as soon as it is back" in page


def test_a_legal_order_is_unmistakable(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str]
) -> None:
    owner.post(make(title="Voluntary one"))
    owner.post(request := make(title="The order", kind="legal-order", order=ORDER))
    home = browser.get("/").text
    assert home.index("The order") < home.index("Voluntary one")
    page = browser.get(f"/requests/{signing.digest(request)}").text
    assert "THIS IS A LEGAL ORDER" in page and "order-page" in page
    for said in ("Hampden &lt;b&gt;Court&lt;/b&gt;", "24-CR-7", "ab" * 32, "question for a lawyer"):
        assert said in page
    assert "ask that court, or a lawyer, before you decline" in page


def test_texts_of_strangers_are_texts(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str]
) -> None:
    fields = ("title", "text", "contact", "incident", "reference")
    request = make(**{name: f"{name} {HOSTILE}" for name in fields})
    owner.post(request)
    for page in (browser.get("/").text, browser.get(f"/requests/{signing.digest(request)}").text):
        assert "<script>alert" not in page and "<b onmouseover" not in page
        assert "title &lt;script&gt;" in page


def test_a_changed_text_stands_beside_the_first(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str], requester: Keys
) -> None:
    first = make(title="A red bicycle", jti="A" * 22)
    other = make(title="A blue <i>bicycle</i>", jti="A" * 22)
    name = signing.digest(first)[:16]
    repost = Repost(received_at=int(time.time()), request=other)
    offers = [owner.camera.record(b"x")]
    letter = owner.camera.report(first, offers, reposts=(repost,))
    owner.retain([(topics.inbox(owner.camera.name, name), letter)])
    assert "posted twice, with different texts" in browser.get("/").text
    page = browser.get(f"/requests/{signing.digest(first)}").text
    assert "<mark>red </mark>" in page
    assert "<mark>blue &lt;" in page and "<i>" not in page
    assert "CAREFUL: THE TEXT WAS CHANGED" in page


def test_the_approval_of_another_owner_asks_for_ones_own(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str]
) -> None:
    request, offer, me = make(), owner.camera.record(b"x"), owner.folder.card()
    clip = ApprovedClip(id=offer.id, sha256=offer.sha256, trim=None, redact=())
    omar = HouseholdOwner(fingerprint="o" * 43, name="Omar <3")
    proposal = Proposal(
        release="8c31fb0a" * 2, owner=omar.fingerprint, clips=(clip,), disclose=Disclosure()
    )
    letter = owner.camera.report(
        request,
        [offer],
        approvals_needed=2,
        proposals=(proposal,),
        owners=(omar, HouseholdOwner(fingerprint=me.fingerprint, name=me.name)),
    )
    owner.retain([(topics.inbox(owner.camera.name, signing.digest(request)[:16]), letter)])
    assert "Omar &lt;3 (key" in browser.get("/").text
    page = browser.get(f"/requests/{signing.digest(request)}").text
    assert "has approved 1 clip of front-door. It waits for you." in words(page)
    assert f"/agree?release={proposal.release}" in page


def test_a_share_of_another_owner_waits_on_the_first_page_and_ones_own_does_not(
    browser: TestClient, owner: OwnerAtHome, keys: Keys
) -> None:
    other, to, camera = Keys.generate(), Keys.generate(), owner.camera
    offer = camera.record(b"x")
    recipient = Recipient(name="Ann <3", key=to.signing.public.text, seal=to.recipient)
    clips = [ApprovedClip(id=offer.id, sha256=offer.sha256, trim=None, redact=())]
    for name, author in (("1" * 16, other), ("2" * 16, keys)):
        said = statements.share(author.fingerprint, camera.card.key.fingerprint, recipient, clips)
        decision = author.signing.sign(said)
        letter = camera.outcome(name, "PROPOSED", decision=decision)
        owner.retain([(topics.release(camera.name, name), letter)])
    cut = ".".join([decision.split(".")[0], "e30", "AAAA"])
    letter = camera.outcome("3" * 16, "PROPOSED", decision=cut)
    owner.retain([(topics.release(camera.name, "3" * 16), letter)])
    page = browser.get("/").text
    assert "Another owner shares clips of front-door with Ann &lt;3." in page
    assert re.findall(r"/share/agree\?release=(\w+)", page) == ["1" * 16]


def test_a_closed_request_stays_readable_and_cannot_be_answered(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str]
) -> None:
    name = owner.post(request := make())
    browser.get("/")
    owner.retain([(topics.inbox(owner.camera.name, name), b"")])
    browser.get("/?now=1")
    page = browser.get(f"/requests/{signing.digest(request)}").text
    assert "This request can no longer be answered." in page
    assert "checkbox" not in page and "/decline" not in page


def test_the_map_shows_the_cameras_own_place(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str]
) -> None:
    status = topics.status(owner.camera.name, owner.folder.card().fingerprint)
    place = CameraPlace(latitude=42.1015, longitude=-72.5898)
    owner.retain([(status, owner.camera.status(place=place))])
    owner.post(request := make())
    browser.get("/")
    page = browser.get(f"/requests/{signing.digest(request)}").text
    assert "front-door is in the area." in page and "<circle" in page


def test_two_hundred_clips_of_a_request_are_one_page(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str]
) -> None:
    offer = owner.camera.record(b"x")
    offers = [
        msgspec.structs.replace(
            offer, id=f"20240124-{n:06d}-abcdef", started_at=offer.started_at + n
        )
        for n in range(200)
    ]
    owner.post(request := make(), offers=offers)
    browser.get("/")
    page = browser.get(f"/requests/{signing.digest(request)}").text
    assert page.count('type="checkbox"') == 200


def test_the_thumbnails_of_a_request_are_fetched_and_shown(
    browser: TestClient, owner: OwnerAtHome, make: Callable[..., str], console: Console
) -> None:
    picture = jpeg()
    offers = [owner.camera.record(b"x", thumbnail=picture), owner.camera.record(b"y")]
    owner.post(request := make(), offers=offers)
    browser.get("/")
    address = f"/requests/{signing.digest(request)}/thumbnails"
    with owner.camera.serve(owner.broker):
        job = browser.post(address).json()["job"]
        while (state := browser.get(f"/jobs/{job}").json())["state"] == "running":
            time.sleep(0.01)
    shown = f"front-door/{offers[0].id}"
    assert state["said"] == {"shown": [shown]}
    answer = browser.get(f"{address}/{shown}.jpg")
    assert (answer.content, answer.headers["content-type"]) == (picture, "image/jpeg")
    for other in (f"front-door/{offers[1].id}", "front-door/x", f"garden/{offers[0].id}"):
        assert browser.get(f"{address}/{other}.jpg").status_code == 404


def test_an_unknown_request_is_named(browser: TestClient) -> None:
    answer = browser.get("/requests/" + "0" * 64)
    assert answer.status_code == 409
    assert "no open request" in answer.text


@pytest.mark.parametrize("kind", ["alert", "withdrawn", "edited", "muted-order", "flood", "log"])
def test_a_notice_is_for_information(
    browser: TestClient, owner: OwnerAtHome, clock: SimulatedClock, kind: Any
) -> None:
    now = int(clock.now())
    notice = Notice(
        kind=kind, at=now, until=now + 600, who=f"PD {HOSTILE}", title=f"Water {HOSTILE}",
        text="Boil it.", subject="a1" * 32,
    )  # fmt: skip
    owner.retain([(topics.notices(owner.camera.name), owner.camera.notices(notice))])
    page = browser.get("/").text
    assert "Water &lt;script&gt;" in page and "<script>alert" not in page
    clock.advance(700)
    assert "Boil it." not in browser.get("/").text, "it is over"
