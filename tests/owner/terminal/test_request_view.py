"""Warnings on a request's page: legal orders, changed texts, mutes, ended requests."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import msgspec
import pytest

from agent.consent import signing
from agent.consent.statements import (
    ApprovedClip,
    Disclosure,
    LogPlace,
    Notice,
    Proposal,
    Redaction,
    Repost,
    RequesterRecord,
    Tally,
    Trim,
    Window,
)
from agent.errors import MalformedStatement
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.inbox import lookup
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import NoticeItem, OpenRequest, Overview, RequestPage, RequestStatus
from agent.owner.terminal import diff_view, inbox_view, request_view
from agent.owner.wording import difference
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.owner.terminal.test_inbox_view import shown
from tests.support.time_zone import time_zone

Take = Callable[..., OpenRequest]
RECORD = RequesterRecord(
    name="Springfield PD",
    first_seen=NOW - 300 * 86_400,
    requests=12,
    refused=2,
    withdrawn=3,
    edited=1,
    kinds=(Tally(name="voluntary", count=12),),
    incidents=(Tally(name="burglary", count=7), Tally(name="theft", count=5)),
    refusals=(Tally(name="window-too-long", count=1), Tally(name="too-many-today", count=1)),
    median_square_miles=0.2,
    median_window_seconds=7_200,
)


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    with time_zone("America/New_York"):
        yield


@pytest.fixture
def take(inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys) -> Take:
    def take(request: str = "", /, **report: object) -> OpenRequest:
        request = request or make_request(requester)
        topic = topics.parse(topics.inbox(camera.name, signing.digest(request)[:16]), feed="")
        assert topic is not None
        inbox.take(topic, camera.report(request, [camera.record(b"a")], **report), keys, now=NOW)
        return lookup.open_request(inbox, signing.digest(request))

    return take


def flat(text: str) -> str:
    """Without the frames and line breaks that a narrow screen brings."""
    return " ".join(re.sub("[│╭╰─╮╯]", " ", text).split())


@pytest.mark.parametrize("width", [80, 100])
def test_the_record_of_a_requester_in_a_few_lines(take: Take, width: int) -> None:
    text = flat(shown(request_view.request(RequestPage(take(record=RECORD)), NOW), width))
    for expected in (
        "has asked 12 times since March 2023",
        "3 withdrawn; 2 refused by your camera (time asked about too long 1, too many today 1)",
        "once with a text changed",
        "usually voluntary 12; burglary 7, theft 5",
        "typical area 0.2 square miles, typical time asked about 2 h",
    ):
        assert expected in text


def test_a_new_requester_has_no_record(take: Take) -> None:
    first = RequesterRecord(name="X", first_seen=NOW, requests=1, refused=0, withdrawn=0)
    assert "nothing else of them so far" in shown(
        request_view.request(RequestPage(take(record=first)), NOW)
    )


def test_posts_beyond_the_daily_limit_are_counted_on_the_page(take: Take) -> None:
    flooding = msgspec.structs.replace(RECORD, requests=1, withdrawn=0, counted=9_950)
    text = flat(shown(request_view.request(RequestPage(take(record=flooding)), NOW)))
    assert "at least 9,950 more posts were too many for one day: not read, only counted" in text


def test_the_place_in_the_public_log(take: Take) -> None:
    place = LogPlace(origin="log.example/requests", index=41, size=57)
    text = flat(shown(request_view.request(RequestPage(take(log=place)), NOW)))
    assert "entry 41 of 57 in log.example/requests; your camera has checked" in text
    assert "was not set up to check" in shown(request_view.request(RequestPage(take()), NOW))
    forked = msgspec.structs.replace(place, forked=True)
    text = flat(shown(request_view.request(RequestPage(take(log=forked)), NOW)))
    assert "PERHAPS NOT PUBLIC" in text and "which proves nothing now" in text
    assert "your camera has checked that" not in text


def test_the_list_of_requests_fits_a_narrow_screen_with_all_that_matters(
    take: Take, requester: Keys, inbox: Inbox
) -> None:
    long = {"title": "An order for all video of the night " * 3, "incident": "aggravated burglary"}
    take(make_request(requester, **long), record=RECORD, approvals_needed=2, more_clips=41)
    said = shown(inbox_view.inbox(Overview(requests=inbox.requests()), NOW), 80)
    assert all(len(line) <= 80 for line in said.splitlines())
    assert "Matching    42 clips of front-door" in said
    assert "Open until  Mon 29 Jan 2024, 13:30 EST (5 days left)" in said


# Edited


def test_an_edited_request_shows_both_texts_and_marks_what_differs(
    take: Take, requester: Keys, inbox: Inbox
) -> None:
    jti = signing.new_jti(os.urandom(16))
    first = make_request(requester, jti=jti)
    second = make_request(
        requester,
        jti=jti,
        title="Bicycle theft on Main Street",
        window=Window(start=NOW - 40_000, end=NOW - 3_600),
    )
    item = take(first, reposts=(Repost(received_at=NOW + 60, request=second),))
    assert item.changed
    text = shown(request_view.request(RequestPage(item), NOW), 100)
    assert "CAREFUL: THE TEXT WAS CHANGED" in text
    assert "you answer the first text only" in flat(text)
    assert "»Elm«" in text and "»Main«" in text
    assert "»Wed 24 Jan 2024, 02:23 EST«" in text
    assert "The same in both: text, kind, order, reference" in text
    assert "posted twice" in flat(
        shown(inbox_view.inbox(Overview(requests=inbox.requests()), NOW), 160)
    )


@pytest.mark.parametrize("changes", [{"jti": "B" * 22}, {}])
def test_a_text_of_another_request_does_not_pass_for_an_edit(
    take: Take, requester: Keys, changes: dict[str, object]
) -> None:
    first = make_request(requester, jti="A" * 22)
    other = make_request(requester, **changes) if changes else first
    with pytest.raises(MalformedStatement, match="another request"):
        take(first, reposts=(Repost(received_at=NOW, request=other),))


def test_an_edit_by_another_author_does_not_count(take: Take, requester: Keys) -> None:
    first = make_request(requester, jti="A" * 22)
    other = make_request(Keys.generate(), jti="A" * 22)
    with pytest.raises(MalformedStatement, match="another request"):
        take(first, reposts=(Repost(received_at=NOW, request=other),))


def test_texts_made_to_be_compared_slowly_are_marked_as_a_whole() -> None:
    runs = difference.marked("a " * 2_000, "b a " * 1_000, prose=True)
    first, second = map(diff_view.marked, runs)
    assert (first.plain, second.plain) == (f"»{('a ' * 2_000).rstrip()}« ", second.plain)
    assert second.plain.count("»") == 1


# Muted, closed, withdrawn


def test_a_request_of_a_muted_requester_says_how_to_unmute(
    take: Take, inbox: Inbox, camera: FakeCamera
) -> None:
    digest = take().digest
    inbox.settle(camera.name, set())
    item = lookup.anything(inbox, digest)
    assert isinstance(item, OpenRequest) and item.closed
    text = flat(
        shown(request_view.request(RequestPage(item, status=RequestStatus(muted_at=NOW)), NOW), 80)
    )
    for expected in (
        "You muted Springfield PD on Wed 24 Jan 2024, 13:30 EST",
        "without telling anybody, and keeps them in its ledger; `clip-agent requests` prints",
        f"clip-agent owner unmute {digest[:8]}",
        "It was closed when you muted the requester",
        "A red bicycle was taken.",
    ):
        assert expected in text
    assert "owner approve" not in text


@pytest.mark.parametrize(
    ("standing", "why"),
    [
        (RequestStatus(declined_at=NOW), "You declined it on Wed 24 Jan"),
        (RequestStatus(paused_at=NOW), "it comes back"),
        (RequestStatus(), "It ended, or another owner"),
    ],
)
def test_a_closed_request_says_why(
    take: Take, inbox: Inbox, camera: FakeCamera, standing: RequestStatus, why: str
) -> None:
    digest = take().digest
    inbox.settle(camera.name, set())
    item = lookup.anything(inbox, digest)
    assert isinstance(item, OpenRequest)
    assert why in flat(shown(request_view.request(RequestPage(item, status=standing), NOW)))


def test_a_request_that_comes_back_is_open_again(
    take: Take, inbox: Inbox, camera: FakeCamera, requester: Keys
) -> None:
    request = make_request(requester)
    take(request)
    inbox.settle(camera.name, set())
    assert inbox.requests() == [] and len(inbox.closed_requests()) == 1
    take(request)
    assert len(inbox.requests()) == 1 and inbox.closed_requests() == []


def test_only_the_newest_closed_requests_are_kept(
    take: Take, inbox: Inbox, camera: FakeCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.owner.inbox.inbox._MAX_CLOSED", 2)
    for _ in range(4):
        take()
    inbox.settle(camera.name, set())
    assert len(inbox.closed_requests()) == 2


# Two owners


def proposal(owner: str, release: str = "0123456789abcdef") -> Proposal:
    clip = ApprovedClip(
        id="20240124-170000-aaaaaa",
        sha256="a" * 64,
        trim=Trim(from_seconds=2, to_seconds=6),
        redact=(Redaction.still(x=0, y=0, width=0.5, height=0.5),),
    )
    disclose = Disclosure(email="ann@example.org")
    return Proposal(release=release, owner=owner, clips=(clip,), disclose=disclose)


def test_what_another_owner_approved_and_how_to_agree(take: Take, keys: Keys) -> None:
    item = take(approvals_needed=2, proposals=(proposal(Keys.generate().fingerprint),))
    text = shown(request_view.request(RequestPage(item, me=keys.fingerprint), NOW))
    for expected in (
        "Two owners must approve the same",
        "Another owner (key ",
        "only 2 s to 6 s",
        "redacted: 50% x 50%",
        "your email ann@example.org",
        f"clip-agent owner approve {item.digest[:8]} --with 01234567",
    ):
        assert expected in text


def test_ones_own_approval_waits_and_can_be_taken_back(take: Take, keys: Keys) -> None:
    item = take(approvals_needed=2, proposals=(proposal(keys.fingerprint),))
    text = shown(request_view.request(RequestPage(item, me=keys.fingerprint), NOW))
    assert "You have approved" in text and "clip-agent owner revoke 01234567" in text
    assert "--with" not in text


# Notices


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("alert", "Nobody can answer an alert"),
        ("withdrawn", "Nobody asks for this any more"),
        ("edited", "clip-agent owner show cccccccc"),
        ("flood", "There is nothing to do"),
        ("log", "cannot be trusted"),
    ],
)
def test_a_notice_says_that_it_needs_no_answer(kind: str, said: str) -> None:
    notice = Notice(
        kind=kind,  # type: ignore[arg-type]
        at=NOW,
        until=NOW + 60,
        who="[bold]Springfield PD",
        title="[red]Boil your water",
        text="Until Friday.\nGoes to    nowhere",
        subject="c" * 64,
    )
    text = shown(request_view.notice(NoticeItem("front-door", notice)), 80)
    assert said in flat(text)
    assert "[bold]Springfield PD" in text and "[red]Boil" in text
    (fake,) = [line for line in text.splitlines() if "nowhere" in line]
    assert fake.strip().startswith("│")
