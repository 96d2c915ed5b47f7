"""Approvals: their contents, and what cannot be signed."""

from __future__ import annotations

import argparse

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import DeviceCard
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    ClipOffer,
    Decline,
    Disclosure,
    Redaction,
    Trim,
)
from agent.errors import MalformedStatement, Refused, UnreadableLetter
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.decisions import sign
from agent.owner.decisions.choice import NOTHING_TOLD, Choice, choose
from agent.owner.decisions.sign import Decision, Terms
from agent.owner.inbox import lookup
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import OpenRequest
from agent.owner.terminal.options import clips as clip_options
from agent.owner.wording import redaction_text
from tests.consent.strategies import instances
from tests.owner.camera import NOW, FakeCamera, make_request


def approve(
    item: OpenRequest,
    clips: tuple[ApprovedClip, ...],
    device: DeviceCard,
    keys: Keys,
    *,
    disclose: Disclosure = NOTHING_TOLD,
    now: float = NOW,
    days: float = 2,
) -> Decision:
    terms = Terms(device=device, disclose=disclose, now=now, days=days)
    return sign.sign(sign.approval(item, clips, terms), keys, now=now)


@pytest.fixture
def item(inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys) -> OpenRequest:
    request = make_request(requester)
    offers = [camera.record(bytes([n]) * 100) for n in range(3)]
    topic = topics.parse(topics.inbox(camera.name, signing.digest(request)[:16]), feed="")
    assert topic is not None
    inbox.take(topic, camera.report(request, offers), keys, now=NOW)
    return inbox.requests()[0]


def test_an_approval_carries_the_keys_of_the_approved_clips_and_no_other(
    item: OpenRequest, camera: FakeCamera, keys: Keys
) -> None:
    chosen = choose(item.report.clips, Choice(["2"]))
    decision = approve(item, chosen, camera.card, keys)
    letter = mail.open_letter(decision.letter, camera.keys.identity)
    approval = signing.verify(letter.jws, Approval, {keys.fingerprint: keys.signing.public})
    offer = item.report.clips[1]
    assert letter.keys == {offer.id: camera.identities[offer.id]}
    assert [(clip.id, clip.sha256) for clip in approval.clips] == [(offer.id, offer.sha256)]
    assert (approval.request, approval.aud) == (item.digest, camera.card.fingerprint)
    assert approval.exp - approval.iat == 2 * 86_400
    assert approval.disclose == NOTHING_TOLD
    assert decision.subject == signing.digest(letter.jws)[:16]


def test_only_the_camera_can_read_an_approval(
    item: OpenRequest, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    chosen = choose(item.report.clips, Choice(["1"]))
    decision = approve(item, chosen, camera.card, keys)
    for reader in (keys, requester):
        with pytest.raises(UnreadableLetter):
            mail.open_letter(decision.letter, reader.identity)
    assert camera.identities[item.report.clips[0].id] not in repr(decision)


def test_a_decline_carries_no_key(item: OpenRequest, camera: FakeCamera, keys: Keys) -> None:
    decision = sign.sign(sign.decline(item, camera.card, now=NOW), keys, now=NOW)
    letter = mail.open_letter(decision.letter, camera.keys.identity)
    assert letter.keys == {}
    decline = signing.verify(letter.jws, Decline, {keys.fingerprint: keys.signing.public})
    assert (decline.request, decline.mute) == (item.digest, False)


def test_an_expired_request_is_not_approved(
    item: OpenRequest, camera: FakeCamera, keys: Keys
) -> None:
    chosen = choose(item.report.clips, Choice(["1"]))
    with pytest.raises(Refused, match="expired"):
        approve(item, chosen, camera.card, keys, now=item.request.exp)


@pytest.mark.parametrize("days", [0, -1, 7.1, float("nan")])
def test_an_approval_holds_for_a_week_at_most(
    item: OpenRequest, camera: FakeCamera, keys: Keys, days: float
) -> None:
    chosen = choose(item.report.clips, Choice(["1"]))
    with pytest.raises(Refused, match="at most 7 days"):
        approve(item, chosen, camera.card, keys, days=days)


def test_the_sealed_key_of_one_clip_does_not_pass_for_that_of_another(
    inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    """A gateway that was taken over asks about a harmless clip to get another one's key."""
    secret = camera.record(b"never to be seen")
    bait = camera.record(b"an empty street", sealed_key=secret.sealed_key)
    request = make_request(requester)
    topic = topics.parse(topics.inbox(camera.name, signing.digest(request)[:16]), feed="")
    assert topic is not None
    inbox.take(topic, camera.report(request, [bait]), keys, now=NOW)
    item = lookup.open_request(inbox, signing.digest(request))
    chosen = choose(item.report.clips, Choice(["1"]))
    with pytest.raises(UnreadableLetter) as caught:
        approve(item, chosen, camera.card, keys)
    assert caught.value.rule == "key-of-another-clip"


def test_a_clip_whose_key_is_not_sealed_to_the_owner_is_refused(
    inbox: Inbox, item: OpenRequest, camera: FakeCamera, keys: Keys, requester: Keys
) -> None:
    request = make_request(requester)
    stolen = camera.record(b"x", sealed_key="AAAA")
    topic = topics.parse(topics.inbox(camera.name, signing.digest(request)[:16]), feed="")
    assert topic is not None
    inbox.take(topic, camera.report(request, [stolen]), keys, now=NOW)
    other = lookup.open_request(inbox, signing.digest(request))
    with pytest.raises(UnreadableLetter):
        approve(
            other,
            choose(other.report.clips, Choice(["1"])),
            camera.card,
            keys,
        )


def test_a_name_with_control_characters_is_not_disclosed(
    item: OpenRequest, camera: FakeCamera, keys: Keys
) -> None:
    chosen = choose(item.report.clips, Choice(["1"]))
    with pytest.raises(MalformedStatement):
        approve(item, chosen, camera.card, keys, disclose=Disclosure(name="a\x1b[2J"))


def test_trims_and_redacts_go_to_their_clip(item: OpenRequest) -> None:
    trim, box = Trim(from_seconds=1, to_seconds=5), Redaction.still(x=0, y=0, width=0.5, height=1)
    chosen = choose(
        item.report.clips,
        Choice(["1", "3"], trims=[("3", trim)], redacts=[("1", (box,)), ("1", (box,))]),
    )
    assert [(clip.trim, clip.redact) for clip in chosen] == [(None, (box, box)), (trim, ())]


def test_the_same_clip_by_number_and_by_id_is_one(item: OpenRequest) -> None:
    assert len(choose(item.report.clips, Choice(["1", item.report.clips[0].id]))) == 1


def test_a_trim_must_be_of_a_chosen_clip_once_and_inside_it(item: OpenRequest) -> None:
    short, outside = Trim(from_seconds=1, to_seconds=5), Trim(from_seconds=1, to_seconds=50)
    with pytest.raises(Refused, match="not among those that may leave"):
        choose(item.report.clips, Choice(["1"], trims=[("2", short)]))
    with pytest.raises(Refused, match="trimmed twice"):
        choose(item.report.clips, Choice(["1"], trims=[("1", short), ("1", short)]))
    with pytest.raises(Refused, match=r"only 12\.5 seconds"):
        choose(item.report.clips, Choice(["1"], trims=[("1", outside)]))
    with pytest.raises(Refused, match="no clip"):
        choose(item.report.clips, Choice(["1", "9"]))


WALK = redaction_text.parse("2:0.1,0.2,0.1,0.3/6:0.5,0.2,0.1,0.3")


def test_a_redaction_of_a_trimmed_clip_tells_nothing_of_other_times(item: OpenRequest) -> None:
    trim = Trim(from_seconds=3, to_seconds=5)
    for names in (("1", "1"), ("1", item.report.clips[0].id)):
        trims, redacts = [(names[0], trim)], [(names[1], WALK)]
        (chosen,) = choose(item.report.clips, Choice(["1"], trims, redacts))
        assert [one.at_seconds for one in chosen.redact[0].positions] == [3, 5]


@pytest.mark.parametrize(
    ("trim", "text"),
    [
        ((7, 9), "2:0.1,0.2,0.1,0.3/6:0.5,0.2,0.1,0.3"),
        ((0, 2), "2:0.1,0.2,0.1,0.3/6:0.5,0.2,0.1,0.3"),
        ((7, 9), "2-6@0,0,1,1"),
        ((2, 4), "6-8@0,0,1,1"),
        (None, "13.1-14@0,0,1,1"),
        (None, "2:0,0,0.5,1/13.5:0.5,0,0.5,1"),
    ],
)
def test_a_box_that_is_or_moves_only_where_nothing_leaves_is_refused(
    item: OpenRequest, trim: tuple[float, float] | None, text: str
) -> None:
    trims = [("1", Trim(from_seconds=trim[0], to_seconds=trim[1]))] if trim else []
    with pytest.raises(Refused) as caught:
        choose(item.report.clips, Choice(["1"], trims, [("1", redaction_text.parse(text))]))
    assert caught.value.rule == "redact-outside"


@given(redaction=instances(Redaction), trim=instances(Trim) | st.none())
def test_the_preview_that_the_confirmation_names_shows_what_is_signed(
    redaction: Redaction, trim: Trim | None
) -> None:
    """A redaction cut to a trim stays the same when its text is typed again."""
    offer = ClipOffer(
        id="20240124-183015-3f9a2c",
        sha256="a" * 64,
        started_at=0,
        duration_seconds=0,
        bytes=1,
        truncated=True,
        clock_synced=True,
        sealed_key="",
    )
    trims = [("1", trim)] if trim is not None else []
    try:
        (signed,) = choose([offer], Choice(["1"], trims, [("1", (redaction,))]))
    except Refused:
        return
    typed = [clip_options.parse_redact(f"1={redaction_text.typed(one)}") for one in signed.redact]
    assert choose([offer], Choice(["1"], trims, typed)) == (signed,)


def test_more_boxes_or_positions_than_can_be_signed_are_refused_before_any_key_is_needed(
    item: OpenRequest,
) -> None:
    box = redaction_text.parse("0,0,0.5,0.5")
    choose(item.report.clips, Choice(["1"], (), [("1", box * 16)]))
    with pytest.raises(Refused, match="at most 16 boxes"):
        choose(item.report.clips, Choice(["1"], (), [("1", box * 10), ("1", box * 7)]))
    long = redaction_text.parse(
        "/".join(f"{n / 10}:0.1234,0.1234,0.1234,0.1234" for n in range(100))
    )
    choose(item.report.clips, Choice(["1"], (), [("1", long * 3)]))
    with pytest.raises(Refused, match="more positions than a decision can hold"):
        choose(item.report.clips, Choice(["1"], (), [("1", long * 4)]))


def test_a_clip_of_unknown_length_can_be_trimmed(item: OpenRequest) -> None:
    """Its end was lost, and with it how long it is; the camera refuses a trim without a picture."""
    offers = [msgspec.structs.replace(o, duration_seconds=0.0) for o in item.report.clips]
    trim = Trim(from_seconds=1, to_seconds=5)
    (chosen,) = choose(offers, Choice(["1"], trims=[("1", trim)]))
    assert chosen.trim == trim


def test_trims_and_redacts_as_they_are_typed() -> None:
    assert clip_options.parse_trim("1=2.5-10") == ("1", Trim(from_seconds=2.5, to_seconds=10))
    assert clip_options.parse_redact("20240124-183015-3f9a2c=0,0.25,0.5,0.75") == (
        "20240124-183015-3f9a2c",
        (Redaction.still(x=0, y=0.25, width=0.5, height=0.75),),
    )


@pytest.mark.parametrize(
    "text", ["", "1", "1=", "=1-2", "1=2", "1=5-2", "1=-1-2", "1=nan-2", "1=0-inf", "1=1-2-3"]
)
def test_a_malformed_trim_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"\S"):
        clip_options.parse_trim(text)


@given(st.text(), st.lists(st.floats(), max_size=5))
def test_no_typed_text_gives_a_box_outside_the_picture(clip: str, numbers: list[float]) -> None:
    try:
        _, (redaction,) = clip_options.parse_redact(f"{clip}={','.join(map(str, numbers))}")
    except argparse.ArgumentTypeError:
        return
    (box,) = redaction.positions
    assert 0 <= box.x < box.x + box.width <= 1.000_001
    assert 0 <= box.y < box.y + box.height <= 1.000_001
