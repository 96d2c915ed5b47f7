"""A requester's text is shown as data, and cannot pass for a line of ours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace

import jwt
import msgspec
import pytest
from rich.console import Console, RenderableType

from agent.consent import signing
from agent.consent.cards import DeviceCard, decode_base64url, format_fingerprint
from agent.consent.statements import (
    ApprovedClip,
    Disclosure,
    HouseholdOwner,
    LegalOrder,
    Proposal,
    Redaction,
    Trim,
)
from agent.errors import MalformedStatement
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner import as_json
from agent.owner.decisions import sign
from agent.owner.decisions.choice import NOTHING_TOLD, Choice, choose
from agent.owner.decisions.sign import Terms
from agent.owner.inbox import lookup
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import Answer, OpenRequest, Overview, RequestPage
from agent.owner.inbox.verify import read_request
from agent.owner.terminal import confirm_view, inbox_view, request_view
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.support.time_zone import time_zone


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    with time_zone("America/New_York"):
        yield


def shown(what: RenderableType, width: int = 120) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, markup=False, emoji=False, highlight=False, force_terminal=False
    )
    console.print(what)
    return out.getvalue()


def receive(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys, **changes: object
) -> OpenRequest:
    request = make_request(requester, **changes)
    offers = [camera.record(b"a"), camera.record(b"b", truncated=True, clock_synced=False)]
    topic = topics.parse(topics.inbox(camera.name, signing.digest(request)[:16]), feed="")
    assert topic is not None
    inbox.take(topic, camera.report(request, offers), keys, now=NOW)
    return lookup.open_request(inbox, signing.digest(request))


def plan(
    item: OpenRequest, clips: tuple[ApprovedClip, ...], disclose: Disclosure
) -> sign.ReleasePlan:
    seal = Keys.generate()
    card = DeviceCard(
        role="device", name=item.device, sign=seal.signing.public.text, seal=seal.recipient
    )
    return sign.approval(item, clips, Terms(device=card, disclose=disclose, now=NOW))


def test_markup_in_a_request_is_text(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    hostile = "[bold red]LEGAL[/] [link=https://evil]click[/link] :warning:"
    item = receive(
        inbox,
        camera,
        keys,
        requester,
        title=hostile,
        text=hostile,
        incident=hostile,
        reference=hostile,
        contact=hostile,
    )
    text = shown(request_view.request(RequestPage(item), NOW))
    assert text.count(hostile) >= 5
    assert "[bold red]" in shown(inbox_view.inbox(Overview(requests=[item]), NOW))
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J", "a\rb", "\x9b31m", "\u202eevil", "\u2028", "tab\there"]
)
def test_a_terminal_escape_never_gets_into_a_statement(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys, hostile: str
) -> None:
    with pytest.raises(MalformedStatement):
        receive(inbox, camera, keys, requester, text=hostile)


def test_a_terminal_escape_in_a_letter_is_refused(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    # A requester does not sign with our software, so the check on reading must hold too.
    payload = msgspec.json.decode(decode_base64url(make_request(requester).split(".")[1]))
    payload["text"] = "\x1b]0;owned\x07"
    headers = {"typ": "clip-request+jwt", "kid": requester.fingerprint}
    forged = jwt.PyJWS().encode(
        json.dumps(payload).encode(), requester.signing._key, algorithm="EdDSA", headers=headers
    )
    with pytest.raises(MalformedStatement, match=r"U\+001B"):
        read_request(forged)


def test_each_line_of_a_requests_text_stands_behind_a_bar(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(
        inbox, camera, keys, requester, text="Please.\nGoes to    https://harmless\n\nThanks."
    )
    lines = shown(request_view.request(RequestPage(item), NOW)).splitlines()
    (fake,) = [line for line in lines if "harmless" in line]
    assert fake.strip().startswith("│")


def test_a_long_line_is_wrapped_behind_its_bar(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester, text="word " * 200 + "x" * 500)
    lines = shown(request_view.request(RequestPage(item), NOW)).splitlines()
    for line in lines:
        if "word word" in line or "xxxx" in line:
            assert line.strip().startswith("│")


def test_show_says_all_that_matters(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    text = shown(request_view.request(RequestPage(item), NOW))
    for expected in (
        "voluntary request",
        "Springfield PD",
        format_fingerprint(requester.fingerprint),
        "has asked 3 times since January 2024",
        "2024-001234",
        "Det. A. Example",
        "theft",
        "Wed 24 Jan 2024, 11:30 EST",
        "square miles around 42.1015, -72.5900",
        "https://evidence.example.org/files/",
        "5 days left",
        "end is missing",
        f"clip-agent owner approve {item.digest[:8]} 1",
        f"clip-agent owner decline {item.digest[:8]}",
        item.digest,
    ):
        assert expected in text


def test_a_legal_order_is_said_plainly(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    order = LegalOrder(court="District Court", docket="24-CV-1", document_sha256="a" * 64)
    item = receive(inbox, camera, keys, requester, kind="legal-order", order=order)
    text = shown(request_view.request(RequestPage(item), NOW))
    for expected in (
        "THIS IS A LEGAL ORDER",
        "District Court",
        "24-CV-1",
        "a" * 64,
        "Nothing was fetched and nothing is sent by itself. You still decide",
        "by a telephone number that you looked up yourself",
        "a question for a lawyer",
    ):
        assert expected in " ".join(text.replace("│", " ").split())
    assert "LEGAL ORDER" in shown(inbox_view.inbox(Overview(requests=[item]), NOW))
    assert "You need not answer" not in text  # to a court, silence may not be one


def test_the_confirmation_page_says_exactly_what_leaves(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    chosen = choose(
        item.report.clips, Choice(["1"], trims=[("1", Trim(from_seconds=2, to_seconds=6))])
    )
    told = Disclosure(email="ann@example.org")
    text = shown(confirm_view.release(plan(item, chosen, told)))
    assert item.report.clips[0].id in text
    assert item.report.clips[1].id not in text
    assert "only 2 s to 6 s" in text
    assert "your email ann@example.org, and nothing else" in text
    nothing = shown(confirm_view.release(plan(item, chosen, Disclosure())))
    assert "no name, no address, no e-mail" in nothing


def test_json_is_plain_and_keeps_keys_out(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    text = json.dumps(as_json.request(item))
    assert item.report.clips[0].sealed_key not in text
    assert json.loads(text)["request"]["window"] == {"from": NOW - 7_200, "to": NOW - 3_600}


def test_an_empty_inbox_says_so() -> None:
    assert "No open requests" in shown(inbox_view.inbox(Overview(), NOW))


def test_everything_fits_eighty_columns_and_no_id_is_broken(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    chosen = choose(
        item.report.clips, Choice(["1", "2"], trims=[("1", Trim(from_seconds=2, to_seconds=6))])
    )
    for what in (
        inbox_view.inbox(Overview(requests=[item]), NOW),
        request_view.request(RequestPage(item), NOW),
        confirm_view.release(plan(item, chosen, Disclosure())),
    ):
        text = shown(what, 80)
        assert all(len(line) <= 80 for line in text.splitlines())
        assert item.name in text
    for offer in item.report.clips:
        (line,) = [
            one
            for one in shown(request_view.request(RequestPage(item), NOW), 80).splitlines()
            if offer.id in one
        ]
        assert "24 Jan, 12:06:40 EST" in line and line.rstrip().endswith("kB")


def test_a_legal_order_stands_first_whatever_expires_before_it(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    order = LegalOrder(court="District Court", docket="24-CV-1", document_sha256="a" * 64)
    receive(inbox, camera, keys, requester, title="Soon over", exp=NOW + 3_600)
    receive(inbox, camera, keys, requester, title="An order", kind="legal-order", order=order)
    text = shown(inbox_view.inbox(Overview(requests=inbox.requests()), NOW), 80)
    assert text.index("An order") < text.index("Soon over")
    (last,) = [line for line in text.splitlines() if "To read one in full" in line]
    (order_item,) = [item for item in inbox.requests() if item.request.order is not None]
    assert last.endswith(order_item.name)


def test_the_numbers_to_type_and_the_commands_to_copy_survive_a_narrow_screen(
    inbox: Inbox,
    camera: FakeCamera,
    keys: Keys,
    requester: Keys,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    item = receive(inbox, camera, keys, requester)
    table = shown(request_view.request(RequestPage(item), NOW), 60)
    for number, offer in enumerate(item.report.clips, 1):
        (line,) = [one for one in table.splitlines() if offer.id in one]
        assert line.split()[0] == str(number)
    box = Redaction.still(x=0.1, y=0.2, width=0.3, height=0.3)
    monkeypatch.setenv("COLUMNS", "60")
    confirm_view.show(
        [plan(item, choose(item.report.clips, Choice(["1"], (), [("1", (box,))])), NOTHING_TOLD)]
    )
    command = f"clip-agent owner preview 1 --request {item.name} --redact 1=0.1,0.2,0.3,0.3"
    assert command in capsys.readouterr().out


def test_an_approval_of_another_owner_is_not_taken_for_ones_own(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    other = Keys.generate().fingerprint
    household = (
        HouseholdOwner(fingerprint=keys.fingerprint, name="Ann"),
        HouseholdOwner(fingerprint=other, name="Otto"),
    )
    answer = Answer(
        camera.name, "0" * 16, "Springfield PD", item.digest, "approval", NOW, "PROPOSED"
    )
    for owner, is_mine, who, awaited in (
        (other, False, "Household", f"you, to agree: clip-agent owner approve {item.name} --with"),
        (keys.fingerprint, True, "You said", "Otto"),
    ):
        clips = choose(item.report.clips, Choice(["1"]))
        proposal = Proposal(release="0" * 16, owner=owner, clips=clips, disclose=NOTHING_TOLD)
        report = msgspec.structs.replace(
            item.report, approvals_needed=2, owners=household, proposals=(proposal,)
        )
        overview = Overview(
            requests=[replace(item, report=report)],
            answers=[replace(answer, is_mine=is_mine)],
            me=keys.fingerprint,
        )
        text = shown(inbox_view.inbox(overview, NOW))
        assert f"{who:10}  waits for another owner" in text
        assert f"Waits for   {awaited}" in text
        assert ("You said" in text) == is_mine
