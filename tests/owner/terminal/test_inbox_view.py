"""What a requester wrote is shown as data, and cannot pass for a line of ours."""

from __future__ import annotations

import io
import json
import time

import pytest
from rich.console import Console, RenderableType

from agent.consent import signing
from agent.consent.cards import decode_base64url
from agent.consent.statements import Disclosure, LegalOrder, Trim
from agent.errors import MalformedStatement
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner import as_json as plain
from agent.owner.decisions import selection as choosing
from agent.owner.inbox import lookup as finding
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import OpenRequest
from agent.owner.terminal import confirm_view as asking
from agent.owner.terminal import inbox_view as view
from agent.owner.terminal import request_view as page
from tests.owner.camera import NOW, FakeCamera, make_request


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()


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
    return finding.open_request(inbox, signing.digest(request))


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
    text = shown(page.request(item, NOW))
    assert text.count(hostile) >= 5
    assert "[bold red]" in shown(view.inbox([item], [], NOW))
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
    import jwt
    import msgspec

    from agent.owner.inbox.verify import read_request

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
    lines = shown(page.request(item, NOW)).splitlines()
    (fake,) = [line for line in lines if "harmless" in line]
    assert fake.strip().startswith("│")


def test_a_long_line_is_wrapped_behind_its_bar(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester, text="word " * 200 + "x" * 500)
    lines = shown(page.request(item, NOW)).splitlines()
    for line in lines:
        if "word word" in line or "xxxx" in line:
            assert line.strip().startswith("│")


def test_show_says_all_that_matters(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    text = shown(page.request(item, NOW))
    for expected in (
        "voluntary request",
        "Springfield PD",
        requester.fingerprint,
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
    text = shown(page.request(item, NOW))
    for expected in (
        "THIS IS A LEGAL DEMAND",
        "District Court",
        "24-CV-1",
        "a" * 64,
        "Nothing was fetched and nothing is sent by itself. You still decide",
        "by a telephone number that you looked up yourself",
        "a question for a lawyer",
    ):
        assert expected in " ".join(text.replace("│", " ").split())
    assert "LEGAL DEMAND" in shown(view.inbox([item], [], NOW))
    assert "an answer too" not in text  # to a court, silence may not be one


def test_before_consent_it_says_exactly_what_leaves(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    chosen = choosing.choose(
        item.report.clips, ["1"], trims=[("1", Trim(from_seconds=2, to_seconds=6))]
    )
    told = Disclosure(email="ann@example.org")
    text = shown(asking.approval(item, chosen, told, NOW + 60, now=NOW))
    assert item.report.clips[0].id in text
    assert item.report.clips[1].id not in text
    assert "only 2 s to 6 s" in text
    assert "your email ann@example.org, and nothing else" in text
    nothing = shown(asking.approval(item, chosen, Disclosure(), NOW + 60, now=NOW))
    assert "no name, no address, no e-mail" in nothing


def test_json_is_plain_and_keeps_keys_out(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    text = json.dumps(plain.request(item))
    assert item.report.clips[0].sealed_key not in text
    assert json.loads(text)["request"]["window"] == {"from": NOW - 7_200, "to": NOW - 3_600}


def test_an_empty_inbox_says_so() -> None:
    assert "No open requests" in shown(view.inbox([], [], NOW))


def test_everything_fits_eighty_columns_and_no_id_is_broken(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    item = receive(inbox, camera, keys, requester)
    chosen = choosing.choose(
        item.report.clips, ["1", "2"], trims=[("1", Trim(from_seconds=2, to_seconds=6))]
    )
    for what in (
        view.inbox([item], [], NOW),
        page.request(item, NOW),
        asking.approval(item, chosen, Disclosure(), NOW + 60, now=NOW),
    ):
        text = shown(what, 80)
        assert all(len(line) <= 80 for line in text.splitlines())
        assert item.name in text
    for offer in item.report.clips:
        (line,) = [
            one for one in shown(page.request(item, NOW), 80).splitlines() if offer.id in one
        ]
        assert "24 Jan, 12:06:40 EST" in line and line.rstrip().endswith("kB")


def test_a_legal_demand_stands_first_whatever_expires_before_it(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    order = LegalOrder(court="District Court", docket="24-CV-1", document_sha256="a" * 64)
    receive(inbox, camera, keys, requester, title="Soon over", exp=NOW + 3_600)
    receive(inbox, camera, keys, requester, title="An order", kind="legal-order", order=order)
    text = shown(view.inbox(inbox.requests(), [], NOW), 80)
    assert text.index("An order") < text.index("Soon over")
    (last,) = [line for line in text.splitlines() if "To read one in full" in line]
    (demand,) = [item for item in inbox.requests() if item.request.order is not None]
    assert last.endswith(demand.name)
