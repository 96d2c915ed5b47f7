"""A person names clips, requests and releases shortly; what is not one thing is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from agent.consent import signing
from agent.consent.statements import ClipOffer, Disclosure, Notice, Proposal, Recipient, Trim
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.decisions.choice import Choice
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox import lookup
from agent.owner.inbox.inbox import Inbox
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.support import statements

RELEASE = "8c31fb0a8c31fb0a"


class Letters:
    """The letters of two cameras, taken in by their owner."""

    def __init__(self, home: OwnerFolder, front: FakeCamera, keys: Keys) -> None:
        self.front, self.back = front, FakeCamera("back-door", front.owner)
        cards = {one.name: one.card for one in (self.front, self.back)}
        self.inbox, self._keys = Inbox(home, cards), keys

    def take(self, topic: str, letter: bytes) -> None:
        parsed = topics.parse(topic, feed="")
        assert parsed is not None
        self.inbox.take(parsed, letter, self._keys, now=NOW)

    def listed(self, camera: FakeCamera, *offers: ClipOffer) -> None:
        self.take(topics.release(camera.name, "0" * 16), camera.listing(offers))

    def reported(self, camera: FakeCamera, request: str, *offers: ClipOffer, **more: object) -> str:
        name = signing.digest(request)[:16]
        self.take(topics.inbox(camera.name, name), camera.report(request, offers, **more))
        return name


@pytest.fixture
def told(home: OwnerFolder, camera: FakeCamera, keys: Keys) -> Letters:
    return Letters(home, camera, keys)


@contextmanager
def refused(rule: str, words: str) -> Iterator[None]:
    with pytest.raises(Refused, match=words) as error:
        yield
    assert error.value.rule == rule


def test_a_number_that_several_cameras_list_needs_the_camera(told: Letters) -> None:
    front, back = told.front.record(b"front"), told.back.record(b"back")
    told.listed(told.front, front)
    told.listed(told.back, back)
    with refused("ambiguous", "several cameras have a clip 1"):
        lookup.clip(told.inbox, "1")
    assert lookup.clip(told.inbox, "1", camera="back-door") == ("back-door", back)
    for offer, name in ((front, "front-door"), (back, "back-door")):
        assert lookup.clip(told.inbox, offer.id) == (name, offer)


def test_clips_of_two_cameras_are_told_apart(told: Letters, requester: Keys) -> None:
    front, back, asked = (
        told.front.record(b"front"),
        told.back.record(b"back"),
        told.back.record(b"asked"),
    )
    told.listed(told.front, front)
    told.listed(told.back, back)
    told.reported(told.back, make_request(requester), asked)
    # a clip that only a request offers comes behind those of the list
    assert lookup.listed(told.inbox, [front.id, asked.id, back.id]) == {
        "front-door": (front,),
        "back-door": (back, asked),
    }


def test_a_clip_of_the_same_name_at_two_cameras_needs_the_camera(told: Letters) -> None:
    front = told.front.record(b"front")
    told.listed(told.front, front)
    told.listed(told.back, msgspec.structs.replace(told.back.record(b"forged"), id=front.id))
    with refused("ambiguous", f"several cameras offer a clip {front.id}"):
        lookup.clip(told.inbox, front.id)
    assert lookup.clip(told.inbox, front.id, camera="front-door") == ("front-door", front)


def test_a_choice_is_split_by_the_cameras_that_offer_the_clips(told: Letters) -> None:
    front, back = told.front.record(b"front"), told.back.record(b"back")
    trim = Trim(from_seconds=1, to_seconds=2)
    whole = Choice([front.id, back.id], trims=[(back.id, trim)])
    parts = whole.split([[front], [back], []])
    assert parts == [
        Choice([front.id], trims=[], redacts=[]),
        Choice([back.id], trims=[(back.id, trim)], redacts=[]),
        None,
    ]
    assert whole.split([[front]]) == [whole]
    twin = msgspec.structs.replace(back, id=front.id)
    with refused("ambiguous", f"two cameras offer a clip {front.id}"):
        Choice([front.id]).split([[front], [twin]])
    for name in ("1", "nonsense"):
        with refused("no-such-clip", "name each clip by its id"):
            Choice([name]).split([[front], [back]])
    with refused("no-clips", "name the clips"):
        Choice().split([[front], [back]])


def test_an_edit_must_be_of_the_clip_that_is_shown(told: Letters) -> None:
    first, second = told.front.record(b"1"), told.front.record(b"2")
    told.listed(told.front, first, second)
    lookup.check_all_name(told.inbox, ["1", first.id], first, request=None, camera=None)
    with refused("not-chosen", f"clip 2 is to be changed, but {first.id} is shown"):
        lookup.check_all_name(told.inbox, ["1", "2"], first, request=None, camera=None)


def test_an_owner_agrees_only_to_an_approval_of_another(told: Letters, requester: Keys) -> None:
    offer, other = told.front.record(b"clip"), Keys.generate().fingerprint
    me = told.front.owner.fingerprint
    mine, theirs = (
        Proposal(
            release=release,
            owner=owner,
            clips=(statements.approved(offer.id, offer.sha256),),
            disclose=Disclosure(),
        )
        for release, owner in ((RELEASE, me), ("1" * 16, other))
    )
    request = make_request(requester)
    name = told.reported(told.front, request, offer, proposals=(mine, theirs), approvals_needed=2)
    item = lookup.open_request(told.inbox, name)
    assert lookup.proposal([item], "11", me=me) == (item, theirs)
    with refused("own-proposal", "this is your own approval"):
        lookup.proposal([item], RELEASE[:4], me=me)
    with refused("no-such-release", "no owner has approved anything as 'ffff'"):
        lookup.proposal([item], "ffff", me=me)


def test_an_owner_agrees_only_to_a_waiting_share_of_another(told: Letters, keys: Keys) -> None:
    other, to = Keys.generate(), Keys.generate()
    offer = told.front.record(b"clip")
    recipient = Recipient(name="Ann", key=to.signing.public.text, seal=to.recipient)
    clips = [statements.approved(offer.id, offer.sha256)]
    says = [
        (subject, event, owner.signing.sign(said))
        for subject, event, owner in (
            ("1" * 16, "PROPOSED", other),
            ("2" * 16, "PROPOSED", keys),
            ("3" * 16, "SENT", other),
        )
        for said in [
            statements.share(owner.fingerprint, told.front.card.key.fingerprint, recipient, clips)
        ]
    ]
    says.append(("4" * 16, "PROPOSED", "no statement"))
    for subject, event, decision in says:
        letter = told.front.outcome(subject, event, decision=decision)
        told.take(topics.release("front-door", subject), letter)
    device, subject, said = lookup.proposed_share(told.inbox, "1", me=keys.fingerprint)
    assert (device, subject, said.iss) == ("front-door", "1" * 16, other.fingerprint)
    assert said.recipient == recipient
    with refused("own-proposal", "this is your own share"):
        lookup.proposed_share(told.inbox, "2", me=keys.fingerprint)
    for none in ("3", "4"):
        with refused("no-such-release", f"no share '{none}' waits for a second owner"):
            lookup.proposed_share(told.inbox, none, me=keys.fingerprint)


def test_a_requester_is_named_by_key_or_by_a_request_but_not_by_a_notice(
    told: Letters, requester: Keys
) -> None:
    name = told.reported(told.front, make_request(requester))
    known = (requester.fingerprint, "Springfield PD")
    assert lookup.requester(told.inbox, requester.fingerprint) == known
    assert lookup.requester(told.inbox, name) == known
    stranger = Keys.generate().fingerprint
    unknown = (stranger, "a requester without a request here")
    assert lookup.requester(told.inbox, stranger) == unknown
    subject = ("0" if name[0] != "0" else "1") * 64
    alert = Notice(
        kind="alert", at=NOW, until=NOW + 600, who="PD", title="Water", text="", subject=subject
    )
    told.take(topics.notices("front-door"), told.front.notices(alert))
    with refused("not-a-request", "is a notice, which does not name a key"):
        lookup.requester(told.inbox, subject)


def test_what_could_be_a_notice_or_another_names_both(told: Letters) -> None:
    notices = [
        Notice(
            kind="alert", at=NOW, until=NOW + 600, who="PD", title=title, text="", subject=subject
        )
        for title, subject in (("Water", "a1" * 32), ("Gas", "a2" * 32))
    ]
    told.take(topics.notices("front-door"), told.front.notices(*notices))
    with refused("ambiguous", "notice: Water.*notice: Gas|notice: Gas.*notice: Water"):
        lookup.anything(told.inbox, "a")
    assert lookup.anything(told.inbox, "a1") in told.inbox.notices()


def test_a_number_is_of_the_clip_that_it_was_when_it_was_shown(told: Letters) -> None:
    first, second = told.front.record(b"1"), told.front.record(b"2")
    told.listed(told.front, first, second)
    assert lookup.clip(told.inbox, "1") == ("front-door", first)
    told.listed(told.front, second)
    with refused("numbers-changed", f"1 was {first.id} when.*, and is {second.id} now"):
        lookup.clip(told.inbox, "1")
    changed = msgspec.structs.replace(first, sha256="0" * 64)
    told.listed(told.front, changed, second)
    with refused("numbers-changed", f"1 was {first.id}"):
        lookup.clip(told.inbox, "1")
    assert lookup.clip(told.inbox, "2") == ("front-door", second)


@pytest.fixture
def asked_of_both(told: Letters, requester: Keys) -> str:
    """A request for which each of two cameras has a clip; its id."""
    request = make_request(requester)
    for camera in (told.front, told.back):
        name = told.reported(camera, request, camera.record(camera.name.encode()))
    return name


def test_a_request_that_two_cameras_report_is_one_request(
    told: Letters, asked_of_both: str
) -> None:
    found = lookup.open_requests(told.inbox, asked_of_both)
    assert [one.device for one in found] == ["back-door", "front-door"]
    with refused("no-such-request", "no open request '.*' of garden"):
        lookup.open_requests(told.inbox, asked_of_both, camera="garden")


def test_clips_of_a_request_to_two_cameras_are_found_by_id_or_by_camera(
    told: Letters, asked_of_both: str
) -> None:
    for camera in (told.front, told.back):
        (clip,) = camera.offers
        assert lookup.clip(told.inbox, clip, request=asked_of_both)[0] == camera.name
        found = lookup.clip(told.inbox, "1", request=asked_of_both, camera=camera.name)
        assert (found[0], found[1].id) == (camera.name, clip)
    with refused("several-cameras", "each numbers its own"):
        lookup.clip(told.inbox, "1", request=asked_of_both)
    with refused("several-cameras", "each numbers its own"):
        lookup.open_request(told.inbox, asked_of_both)
    both = [*told.front.offers, *told.back.offers]
    with refused("several-cameras", "each numbers its own"):
        lookup.open_request(told.inbox, asked_of_both, numbers=both)


def test_a_request_that_one_of_two_cameras_has_closed_is_open_at_the_other(
    told: Letters, asked_of_both: str
) -> None:
    told.take(topics.inbox("back-door", asked_of_both), b"")
    assert lookup.open_request(told.inbox, asked_of_both).device == "front-door"


def test_a_notice_of_two_cameras_is_one_notice(told: Letters) -> None:
    alert = Notice(
        kind="alert", at=NOW, until=None, who="PD", title="Water", text="", subject="a1" * 32
    )
    for camera in (told.front, told.back):
        told.take(topics.notices(camera.name), camera.notices(alert))
    assert len(lookup.reports(told.inbox, "a1")) == 2
