"""Notices and lists of clips: letters like any other, with the ledger's head in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args, get_type_hints

import msgspec
import pytest

from agent.consent import signing
from agent.consent.statements import LedgerHead, Notice
from agent.errors import MalformedStatement, Refused, UntrustedSignature
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.inbox import lookup
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import NoticeItem, Overview
from agent.owner.terminal import inbox_view, request_view
from agent.owner.terminal.layout import listing
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.owner.terminal.test_inbox_view import shown

Put = Callable[[str, bytes], None]

ALERT = Notice(
    kind="alert",
    at=NOW,
    until=NOW + 600,
    who="Springfield PD",
    title="Boil your water",
    text="Until Friday.",
    subject="c" * 64,
)


@pytest.fixture
def put(inbox: Inbox, keys: Keys) -> Put:
    def put(topic: str, payload: bytes) -> None:
        parsed = topics.parse(topic, feed="")
        assert parsed is not None
        inbox.take(parsed, payload, keys, now=NOW)

    return put


def notices(camera: FakeCamera) -> str:
    return topics.notices(camera.name)


def test_notices_are_listed_and_found_until_they_are_over(
    inbox: Inbox, camera: FakeCamera, put: Put
) -> None:
    put(notices(camera), camera.notices(ALERT, more=3))
    assert [told.notice for told in inbox.notices()] == [ALERT]
    assert inbox.older_notices() == 3
    overview = Overview(notices=inbox.notices(), older_notices=inbox.older_notices())
    assert "3 older notices did not fit" in shown(inbox_view.inbox(overview, NOW))
    assert lookup.anything(inbox, "cccc") == inbox.notices()[0]
    table = shown(inbox_view.inbox(Overview(notices=inbox.notices()), NOW))
    assert "nothing here can be answered" in table and "cccccccc" in table
    assert "cccccccc" not in shown(inbox_view.inbox(Overview(notices=inbox.notices()), NOW + 601))
    with pytest.raises(Refused, match="nobody can answer"):
        lookup.open_request(inbox, "cccc")


@pytest.mark.parametrize("kind", get_args(get_type_hints(Notice)["kind"]))
def test_every_kind_of_notice_can_be_listed_and_read(kind: str) -> None:
    told = NoticeItem("front-door", msgspec.structs.replace(ALERT, kind=kind))
    assert "Boil your water" in shown(inbox_view.inbox(Overview(notices=[told]), NOW))
    assert "Until Friday." in shown(request_view.notice(told))


def test_a_legal_order_of_a_muted_requester_is_named_as_one() -> None:
    told = NoticeItem("front-door", msgspec.structs.replace(ALERT, kind="muted-order"))
    assert "legal order" in shown(inbox_view.inbox(Overview(notices=[told]), NOW))
    assert "since you muted who asks" in " ".join(shown(request_view.notice(told)).split())


def test_a_later_letter_replaces_an_earlier_and_an_older_one_does_not_come_back(
    inbox: Inbox, camera: FakeCamera, put: Put
) -> None:
    old, new = camera.notices(ALERT), camera.notices()
    put(notices(camera), new)
    put(notices(camera), old)
    assert inbox.notices() == []
    assert inbox.warnings == []


def test_notices_of_a_stranger_are_refused(inbox: Inbox, camera: FakeCamera, put: Put) -> None:
    with pytest.raises(UntrustedSignature):
        put(notices(camera), FakeCamera(camera.name, camera.owner).notices(ALERT))
    with pytest.raises(UntrustedSignature, match="back-door"):
        put(notices(camera), camera.notices(ALERT, device="back-door"))
    assert inbox.notices() == []


def test_a_letter_counts_on_its_own_topic_alone(camera: FakeCamera, put: Put) -> None:
    release = topics.release(camera.name, "0" * 16)
    with pytest.raises(MalformedStatement, match="does not belong"):
        put(release, camera.notices(ALERT))
    with pytest.raises(MalformedStatement, match="does not belong"):
        put(notices(camera), camera.listing([]))


def test_a_list_of_clips_names_them_for_other_commands(
    inbox: Inbox, camera: FakeCamera, put: Put
) -> None:
    first, second = camera.record(b"1"), camera.record(b"2")
    put(topics.release(camera.name, "0" * 16), camera.listing([first, second], more_clips=4))
    assert lookup.clip(inbox, "2") == (camera.name, second)
    assert lookup.clip(inbox, first.id, camera=camera.name) == (camera.name, first)
    assert lookup.listed(inbox, ["1", second.id]) == {camera.name: (first, second)}
    with pytest.raises(Refused, match="is known"):
        lookup.clip(inbox, "1", camera="back-door")
    assert "4 older clips" in shown(listing(inbox.listings()[0]))


def test_the_answer_to_a_command_is_not_kept(inbox: Inbox, camera: FakeCamera, put: Put) -> None:
    put(topics.release(camera.name, "1" * 16), camera.outcome("1" * 16, "DONE"))
    assert inbox.releases() == []


def letter(
    kind: str, camera: FakeCamera, head: LedgerHead, iat: int, author: Keys
) -> tuple[str, bytes]:
    """A letter of ``kind`` that says its ledger stands at ``head``."""
    match kind:
        case "notices":
            return notices(camera), camera.notices(ledger=head, iat=iat)
        case "listing":
            topic = topics.release(camera.name, "2" * 16)
            return topic, camera.listing([], ledger=head, iat=iat)
        case "outcome":
            topic = topics.release(camera.name, "3" * 16)
            return topic, camera.outcome("3" * 16, "DONE", ledger=head, iat=iat)
    request = make_request(author)
    topic = topics.inbox(camera.name, signing.digest(request)[:16])
    return topic, camera.report(request, [], ledger=head, iat=iat)


KINDS = ["report", "notices", "listing", "outcome"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", KINDS)
def test_every_letter_takes_part_in_watching_the_ledger(
    inbox: Inbox, camera: FakeCamera, put: Put, requester: Keys, before: str, kind: str
) -> None:
    seen, older = LedgerHead(size=20, root="a" * 64), LedgerHead(size=19, root="b" * 64)
    forked, grown = LedgerHead(size=20, root="c" * 64), LedgerHead(size=21, root="d" * 64)
    put(*letter(before, camera, seen, NOW, requester))
    put(*letter(kind, camera, seen, NOW + 1, requester))
    put(*letter(kind, camera, older, NOW - 1, requester))  # a letter from before, late
    assert inbox.warnings == []
    put(*letter(kind, camera, older, NOW + 2, requester))
    assert "set back to an older state" in inbox.warnings[-1]
    put(*letter(kind, camera, forked, NOW + 3, requester))
    assert "forked" in inbox.warnings[-1] and len(inbox.warnings) == 2
    put(*letter(kind, camera, grown, NOW + 4, requester))
    assert len(inbox.warnings) == 2
