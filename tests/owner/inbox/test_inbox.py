"""Letters that are not what they seem, and the few that are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.letters import Letter
from agent.consent.statements import HouseholdOwner, InboxReport, Notice, Outcome
from agent.errors import MalformedStatement, Refused, UnreadableLetter, UntrustedSignature
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox import lookup, verify
from agent.owner.inbox.inbox import Inbox
from tests.owner.camera import NOW, FakeCamera, make_request

Take = Callable[[bytes, str], None]


@pytest.fixture
def take(inbox: Inbox, keys: Keys) -> Take:
    def take(payload: bytes, name: str) -> None:
        topic = topics.parse(topics.inbox("front-door", name), feed="")
        assert topic is not None
        inbox.take(topic, payload, keys, now=NOW)

    return take


def name_of(request: str) -> str:
    return signing.digest(request)[:16]


def test_a_letter_becomes_an_open_request(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    offer = camera.record(b"clip")
    take(camera.report(request, [offer]), name_of(request))
    (item,) = inbox.requests()
    assert item.digest == signing.digest(request)
    assert item.request.title == "Bicycle theft on Elm Street"
    assert item.report.clips == (offer,)
    assert inbox.warnings == []


def test_a_letter_signed_by_a_stranger(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    stranger = FakeCamera(camera.name, camera.owner)
    with pytest.raises(UntrustedSignature, match="no key card"):
        take(stranger.report(request, []), name_of(request))
    assert inbox.requests() == []


def test_a_letter_with_a_changed_signature(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    jws = mail.open_letter(camera.report(request, []), keys.identity).jws
    head, payload, signature = jws.split(".")
    forged = ".".join([head, payload, "A" * 86 if signature[0] != "A" else "B" * 86])
    with pytest.raises((UntrustedSignature, MalformedStatement)):
        take(camera.seal(forged), name_of(request))
    assert inbox.requests() == []


def test_a_letter_whose_request_was_exchanged(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    shown, other = make_request(requester), make_request(requester, title="Something else")
    with pytest.raises(MalformedStatement, match="not the one its topic names"):
        take(camera.report(other, []), name_of(shown))
    assert inbox.requests() == []


def test_a_request_that_does_not_decode(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    for request in ("", "a.b.c", make_request(requester)[:-10]):
        with pytest.raises(MalformedStatement):
            take(camera.report(request, []), name_of(request))
    assert inbox.requests() == []


def test_a_letter_that_speaks_for_another_camera(
    camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    with pytest.raises(UntrustedSignature, match="back-door"):
        take(camera.report(request, [], device="back-door"), name_of(request))


def test_a_letter_sealed_to_somebody_else(
    camera: FakeCamera, keys: Keys, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    jws = mail.open_letter(camera.report(request, []), keys.identity).jws
    sealed = mail.seal(Letter(jws=jws, keys={}), [requester.recipient])
    with pytest.raises(UnreadableLetter):
        take(sealed, name_of(request))
    with pytest.raises(UnreadableLetter):
        take(b"noise", name_of(request))


def test_another_statement_of_the_camera_is_no_report(camera: FakeCamera, take: Take) -> None:
    with pytest.raises(MalformedStatement, match="does not belong on this topic"):
        take(camera.outcome("0123456789abcdef", "SENT"), "0123456789abcdef")


def test_an_outcome_under_the_name_of_another_release(
    inbox: Inbox, camera: FakeCamera, keys: Keys
) -> None:
    topic = topics.parse(topics.release("front-door", "0" * 16), feed="")
    assert topic is not None
    with pytest.raises(MalformedStatement, match="another release"):
        inbox.take(topic, camera.outcome("f" * 16, "SENT"), keys, now=NOW)
    assert inbox.releases() == []


def test_a_bad_letter_does_not_replace_a_good_one(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    take(camera.report(request, [camera.record(b"clip")]), name_of(request))
    with pytest.raises(Refused):
        take(FakeCamera(camera.name, camera.owner).report(request, []), name_of(request))
    assert len(inbox.requests()[0].report.clips) == 1


def test_a_later_letter_brings_more_clips(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    first = camera.record(b"1")
    take(camera.report(request, [first]), name_of(request))
    take(camera.report(request, [first, camera.record(b"2")]), name_of(request))
    assert len(inbox.requests()[0].report.clips) == 2


def test_a_closed_request_disappears(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    take(camera.report(request, []), name_of(request))
    take(b"", name_of(request))
    assert inbox.requests() == []
    take(camera.report(request, []), name_of(request))
    inbox.settle("front-door", set())
    assert inbox.requests() == []


def test_letters_can_be_read_offline_and_are_verified_again(
    home: OwnerFolder, inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    take(camera.report(request, []), name_of(request))
    assert len(Inbox(home, {camera.name: camera.card}).requests()) == 1
    stranger = FakeCamera(camera.name, camera.owner)
    later = Inbox(home, {camera.name: stranger.card})
    assert later.requests() == []
    assert "kept letter" in later.warnings[0]


def test_a_letter_changed_on_disk_is_told_and_left_out(
    home: OwnerFolder, inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    take(camera.report(request, []), name_of(request))
    (path,) = (home.path / "letters").rglob("*.json")
    letter = json.loads(path.read_text())
    letter["jws"] = letter["jws"][:-1] + ("A" if letter["jws"][-1] != "A" else "B")
    path.write_text(json.dumps(letter))
    assert inbox.requests() == []
    assert inbox.warnings


def test_two_texts_under_one_id_are_marked(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    jti = "A" * 22
    for title in ("A stolen bicycle", "Who went to the meeting"):
        request = make_request(requester, jti=jti, title=title)
        take(camera.report(request, []), name_of(request))
    other = make_request(requester)
    take(camera.report(other, []), name_of(other))
    assert sorted(item.changed for item in inbox.requests()) == [False, True, True]


def test_a_ledger_that_went_back_is_told(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    camera.ledger_seq = 20
    request = make_request(requester)
    take(camera.report(request, []), name_of(request))
    assert inbox.warnings == []
    camera.ledger_seq = 5
    again = make_request(requester)
    take(camera.report(again, [], iat=NOW + 500), name_of(again))
    assert "older state" in inbox.warnings[0]


def test_a_ledger_rewritten_at_the_same_line_is_told(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    from agent.consent.statements import LedgerHead

    first, second = make_request(requester), make_request(requester)
    take(camera.report(first, [], ledger=LedgerHead(size=9, root="a" * 64)), name_of(first))
    take(camera.report(second, [], ledger=LedgerHead(size=9, root="b" * 64)), name_of(second))
    assert inbox.warnings


def test_older_letters_that_arrive_later_are_no_rollback(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    old, new = make_request(requester), make_request(requester)
    old_letter, new_letter = camera.report(old, []), camera.report(new, [])
    take(new_letter, name_of(new))
    take(old_letter, name_of(old))
    assert inbox.warnings == []


def test_a_request_is_found_by_the_start_of_its_digest(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    requests = [make_request(requester) for _ in range(20)]  # 20 texts share some first digit
    for request in requests:
        take(camera.report(request, []), name_of(request))
    digest = signing.digest(requests[3])
    assert lookup.open_request(inbox, digest[:12]).digest == digest
    assert lookup.open_request(inbox, digest[:12].upper()).digest == digest
    firsts = [signing.digest(request)[0] for request in requests]
    shared = next(digit for digit in firsts if firsts.count(digit) > 1)
    with pytest.raises(Refused, match="could be"):
        lookup.open_request(inbox, shared)
    for nothing in ("", "xyz", digest + "0"):
        with pytest.raises(Refused, match="no open request"):
            lookup.open_request(inbox, nothing)


def test_a_clip_is_named_by_number_or_id(
    inbox: Inbox, camera: FakeCamera, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    first, second = camera.record(b"1"), camera.record(b"2")
    take(camera.report(request, [first, second]), name_of(request))
    (item,) = inbox.requests()
    assert item.clip("2") == second
    assert lookup.clip(inbox, first.id) == (camera.name, first)
    assert lookup.clip(inbox, "1", request=item.digest[:8]) == (camera.name, first)
    for nothing in ("0", "3", "-1", "²", "x", ""):
        with pytest.raises(Refused, match="no clip"):
            item.clip(nothing)
    with pytest.raises(Refused, match="needs --request"):
        lookup.clip(inbox, "1")


def test_a_camera_that_was_set_up_anew_under_its_name_is_heard(
    home: OwnerFolder, camera: FakeCamera, keys: Keys, requester: Keys, take: Take
) -> None:
    """Its card broke, its keys are new, its owner enrolled it again."""
    request = make_request(requester)
    take(camera.report(request, [camera.record(b"clip")]), name_of(request))
    anew = FakeCamera(camera.name, camera.owner)
    inbox = Inbox(home, {anew.name: anew.card})
    topic = topics.parse(topics.inbox(camera.name, name_of(request)), feed="")
    assert topic is not None
    inbox.take(topic, anew.report(request, []), keys, now=NOW)
    assert [warning for warning in inbox.warnings if "other keys" in warning]
    (item,) = inbox.requests()
    assert item.report.clips == ()


def test_a_message_on_no_topic_of_an_enrolled_camera_is_refused(
    inbox: Inbox, camera: FakeCamera, keys: Keys
) -> None:
    for place in (topics.notices("back-door"), topics.availability(camera.name)):
        topic = topics.parse(place, feed="")
        assert topic is not None
        with pytest.raises(Refused, match="no topic of an enrolled camera"):
            inbox.take(topic, camera.notices(), keys, now=NOW)
    assert inbox.heard_at(camera.name) is None


def test_what_a_camera_takes_back_is_forgotten(
    inbox: Inbox, camera: FakeCamera, keys: Keys, take: Take
) -> None:
    notice = Notice(
        kind="alert", at=NOW, until=NOW + 9, who="PD", title="Water", text="", subject="c" * 64
    )
    release, kept = "0" * 16, "1" * 16
    for place, letter in (
        (topics.notices(camera.name), camera.notices(notice)),
        (topics.release(camera.name, release), camera.outcome(release, "SENT")),
        (topics.release(camera.name, kept), camera.outcome(kept, "REFUSED", "expired")),
        (topics.release(camera.name, release), b""),
    ):
        topic = topics.parse(place, feed="")
        assert topic is not None
        inbox.take(topic, letter, keys, now=NOW)
    assert set(inbox.outcomes(camera.name)) == {kept}
    assert inbox.refusal(camera.name, release) is None
    refusal = inbox.refusal(camera.name, kept)
    assert refusal is not None and refusal.detail == "expired"
    assert [one.notice for one in inbox.notices()] == [notice]
    topic = topics.parse(topics.notices(camera.name), feed="")
    assert topic is not None
    inbox.take(topic, b"", keys, now=NOW)
    assert inbox.notices() == []
    take(b"", "f" * 16)  # a request that this owner never saw
    assert inbox.all_requests() == []


def test_the_newest_report_names_the_household_until_a_status_does(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys, take: Take
) -> None:
    assert inbox.household(camera.name) == ()
    ann, otto, eve = (
        HouseholdOwner(fingerprint=Keys.generate().fingerprint, name=name)
        for name in ("Ann", "Otto", "Eve")
    )
    for iat, owners in ((NOW + 9, (ann, otto)), (NOW + 5, (ann, eve))):
        request = make_request(requester)
        letter = camera.report(request, [], iat=iat, owners=owners, approvals_needed=2)
        take(letter, name_of(request))
    assert inbox.household(camera.name) == (ann, otto)
    topic = topics.parse(topics.status(camera.name, keys.fingerprint), feed="")
    assert topic is not None
    for needed, household in ((2, (ann, eve)), (1, ())):
        letter = camera.status(owners=(ann, eve), approvals_needed=needed)
        inbox.take(topic, letter, keys, now=NOW)
        assert inbox.household(camera.name) == household


def test_a_kept_list_whose_camera_has_new_keys_is_told_and_left_out(
    home: OwnerFolder, inbox: Inbox, camera: FakeCamera, keys: Keys
) -> None:
    topic = topics.parse(topics.notices(camera.name), feed="")
    assert topic is not None
    inbox.take(topic, camera.notices(more=3), keys, now=NOW)
    assert inbox.older_notices() == 3
    anew = Inbox(home, {camera.name: FakeCamera(camera.name, camera.owner).card})
    assert anew.older_notices() == 0
    assert any("kept letter notices/notices" in warning for warning in anew.warnings)


def test_a_camera_writes_its_owner_only_statements_of_its_own(
    camera: FakeCamera, keys: Keys, requester: Keys, take: Take
) -> None:
    request = make_request(requester)
    with pytest.raises(MalformedStatement, match="a camera does not write this to its owner"):
        take(camera.seal(request), name_of(request))
    outcome = camera.outcome("0" * 16, "SENT")
    jws = mail.open_letter(outcome, keys.identity).jws
    with pytest.raises(MalformedStatement, match=re.escape(f"typ must be {InboxReport.TYP}")):
        verify.read_report(jws, camera.card)
    notices = mail.open_letter(camera.notices(), keys.identity).jws
    with pytest.raises(MalformedStatement, match=re.escape(f"typ must be {Outcome.TYP}")):
        verify.read_outcome(notices, camera.card)
    assert verify.read_outcome(jws, camera.card).subject == "0" * 16


def test_a_quoted_request_names_the_key_that_signed_it(
    camera: FakeCamera, requester: Keys, take: Take
) -> None:
    header, _, signature = make_request(requester).split(".")
    payload = make_request(Keys.generate()).split(".")[1]
    forged = f"{header}.{payload}.{signature}"
    with pytest.raises(MalformedStatement, match="`iss` is not the key that signed") as refused:
        take(camera.report(forged, []), name_of(forged))
    assert refused.value.rule == "wrong-issuer"
