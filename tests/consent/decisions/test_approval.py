"""The nine rules of an approval, one attack a test."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from agent.consent.cards import decode_base64url, encode_base64url
from agent.consent.decisions import approval as rules
from agent.consent.decisions.common import check_decision
from agent.consent.letters import Letter
from agent.consent.signing import SigningKey, digest
from agent.consent.statements import Approval, Command, Decline
from agent.errors import ApprovalRefused, MalformedStatement
from tests.consent import world
from tests.consent.world import CLIP, CLIP_2, CLIP_3, CLIP_KEYS, DAY, NOW, FakeDevice


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


def check(device: FakeDevice, letter: Letter | None = None, **changes: Any) -> Approval:
    """Ask the nine rules about ``letter``."""
    loopback = changes.pop("allow_loopback_http", False)
    context, letter = device.context(**changes), letter or world.letter()
    return rules.check_approval(letter, context, device, allow_loopback_http=loopback)


def refusal(
    device: FakeDevice, letter: Letter | None = None, *, costly: bool = False, **changes: Any
) -> tuple[int, str]:
    """Number and name of the rule that refuses; nothing costly was done unless ``costly``."""
    with pytest.raises(ApprovalRefused) as caught:
        check(device, letter, **changes)
    assert bool(device.asked) == costly, "clips are read before the cheap rules have spoken"
    assert "AGE-SECRET-KEY" not in str(caught.value)
    return caught.value.number, caught.value.rule


def of(**changes: Any) -> Letter:
    """The letter of an approval with ``changes``."""
    return world.letter(world.approval(**changes))


# What is allowed


def test_an_approval_by_the_owner(device: FakeDevice) -> None:
    assert check(device) == world.approval()
    assert device.asked == [f"hash {CLIP}", f"open {CLIP}"]


def test_an_approval_by_another_enrolled_owner(device: FakeDevice) -> None:
    approval = world.approval(iss=world.OTHER_OWNER.public.fingerprint)
    assert check(device, world.letter(approval, signer=world.OTHER_OWNER)) == approval


def test_an_approval_of_several_clips(device: FakeDevice) -> None:
    letter = of(clips=(world.approved(CLIP), world.approved(CLIP_2)))
    assert [clip.id for clip in check(device, letter).clips] == [CLIP, CLIP_2]


def test_an_approval_at_the_limits_of_its_time(device: FakeDevice) -> None:
    letter = of(iat=NOW + 300, exp=NOW + 300 + 7 * DAY)
    assert check(device, letter)


# Rule 1: signed by an enrolled owner


def test_1_signed_by_a_stranger(device: FakeDevice) -> None:
    approval = world.approval(iss=world.STRANGER.public.fingerprint)
    letter = world.letter(approval, signer=world.STRANGER)
    assert refusal(device, letter) == (1, "unknown-signer")


def test_1_signed_by_the_requester(device: FakeDevice) -> None:
    approval = world.approval(iss=world.REQUESTER.public.fingerprint)
    letter = world.letter(approval, signer=world.REQUESTER)
    assert refusal(device, letter) == (1, "unknown-signer")


def test_1_signed_by_the_device_itself(device: FakeDevice) -> None:
    approval = world.approval(iss=world.DEVICE.public.fingerprint)
    assert refusal(device, world.letter(approval, signer=world.DEVICE)) == (1, "unknown-signer")


def test_1_re_signed_with_another_key_under_the_owners_kid(device: FakeDevice) -> None:
    letter = world.letter()
    signed = letter.jws.rpartition(".")[0]
    signature = encode_base64url(world.STRANGER._key.sign(signed.encode()))
    forged = Letter(jws=f"{signed}.{signature}", keys=letter.keys)
    assert refusal(device, forged) == (1, "bad-signature")


def test_1_an_approval_edited_on_the_way(device: FakeDevice) -> None:
    letter = world.letter()
    header, payload, signature = letter.jws.split(".")
    edited = decode_base64url(payload).replace(CLIP.encode(), CLIP_2.encode())
    forged = Letter(jws=f"{header}.{encode_base64url(edited)}.{signature}", keys=letter.keys)
    assert refusal(device, forged) == (1, "bad-signature")


def test_1_signed_by_a_removed_owner(device: FakeDevice) -> None:
    others = {world.OTHER_OWNER.public.fingerprint: world.OTHER_OWNER.public}
    assert refusal(device, owners=others) == (1, "unknown-signer")


# Rule 2: typ and aud


@pytest.mark.parametrize("statement", [world.decline(), world.command()])
def test_2_another_decision_passed_off_as_an_approval(
    device: FakeDevice, statement: Decline | Command
) -> None:
    letter = Letter(jws=world.OWNER.sign(statement), keys={})
    assert refusal(device, letter) == (2, "wrong-typ")


def test_2_re_targeted_to_another_device(device: FakeDevice) -> None:
    assert refusal(device, of(aud=world.OTHER_DEVICE.public.fingerprint)) == (2, "wrong-device")


# Rule 3: jti never seen


def test_3_replayed(device: FakeDevice) -> None:
    device.acted_on.add(check(device).jti)
    device.asked.clear()
    assert refusal(device) == (3, "replayed")


def test_3_signed_again_under_a_used_id(device: FakeDevice) -> None:
    device.acted_on.add(world.approval().jti)
    other = of(clips=(world.approved(CLIP_2),))
    assert refusal(device, other) == (3, "replayed")


# Rule 4: the span of time


def test_4_expired(device: FakeDevice) -> None:
    assert refusal(device, of(exp=NOW)) == (4, "expired")


def test_4_expired_before_it_was_issued(device: FakeDevice) -> None:
    assert refusal(device, of(iat=NOW + 200, exp=NOW + 100)) == (4, "expired")


def test_4_from_the_future(device: FakeDevice) -> None:
    assert refusal(device, of(iat=NOW + 301)) == (4, "issued-in-future")


def test_4_valid_for_too_long(device: FakeDevice) -> None:
    assert refusal(device, of(iat=NOW, exp=NOW + 7 * DAY + 1)) == (4, "lives-too-long")


def test_4_issued_before_the_ledger_began(
    device: FakeDevice,
) -> None:
    """To the second, as the statement says it."""
    said = of(iat=NOW - 10)
    assert refusal(device, said, since=NOW - 9.0) == (4, "before-the-ledger")
    with pytest.raises(ApprovalRefused, match="before this ledger began"):
        check(device, said, since=NOW - 9.0)
    assert check(device, said, since=NOW - 9.001)


# Rule 5: the request


def test_5_for_an_edited_request(device: FakeDevice) -> None:
    edited = world.REQUESTER.sign(world.request(text="Everybody who walked by"))
    device.holds(digest=digest(edited))
    assert refusal(device) == (5, "unknown-request")


def test_5_for_a_request_never_seen(device: FakeDevice) -> None:
    assert refusal(device, of(request="0" * 64)) == (5, "unknown-request")


def test_5_for_a_closed_request(device: FakeDevice) -> None:
    device.holds(is_open=False)
    assert refusal(device) == (5, "request-closed")


def test_5_for_a_request_that_expired_although_nobody_closed_it_yet(device: FakeDevice) -> None:
    device.holds(expires_at=float(NOW))
    assert refusal(device) == (5, "request-expired")


# Rule 6: the clips


def test_6_for_a_clip_outside_the_match_set(device: FakeDevice) -> None:
    letter = of(clips=(world.approved(CLIP), world.approved(CLIP_3)))
    assert refusal(device, letter) == (6, "clip-not-matched")


def test_6_for_a_clip_with_the_digest_of_another(device: FakeDevice) -> None:
    mixed = world.approved(CLIP, sha256=world.sealed_digest(CLIP_2))
    assert refusal(device, of(clips=(mixed,))) == (6, "wrong-digest")


def test_6_the_same_clip_twice_once_redacted_and_once_not(device: FakeDevice) -> None:
    letter = of(clips=(world.approved(), world.approved()))
    assert refusal(device, letter) == (6, "clip-twice")


def test_6_for_a_clip_changed_on_disk(device: FakeDevice) -> None:
    device.sealed[CLIP] += b"\0"
    assert refusal(device, costly=True) == (6, "clip-changed")
    assert device.asked == [f"hash {CLIP}"], "no key is tried on a changed clip"


def test_6_for_a_clip_swapped_on_disk_for_one_that_the_key_opens(device: FakeDevice) -> None:
    device.sealed[CLIP] = device.sealed[CLIP_2]
    assert refusal(device, costly=True) == (6, "clip-changed")


def test_6_for_a_clip_that_is_gone(device: FakeDevice) -> None:
    del device.sealed[CLIP]
    assert refusal(device, costly=True) == (6, "clip-gone")


# Rule 7: the keys


def keyed(**keys: str) -> Letter:
    """A good approval of the first clip, with these keys."""
    return Letter(jws=world.letter().jws, keys=keys)


def test_7_without_a_key(device: FakeDevice) -> None:
    assert refusal(device, keyed(), costly=True) == (7, "key-missing")


def test_7_with_a_surplus_key(device: FakeDevice) -> None:
    letter = keyed(**{CLIP: CLIP_KEYS[CLIP], CLIP_2: CLIP_KEYS[CLIP_2]})
    assert refusal(device, letter, costly=True) == (7, "key-surplus")
    assert f"open {CLIP}" not in device.asked


def test_7_with_the_wrong_key(device: FakeDevice) -> None:
    letter = keyed(**{CLIP: world.OWNER_IDENTITY})
    assert refusal(device, letter, costly=True) == (7, "wrong-key")


def test_7_with_another_clips_key(device: FakeDevice) -> None:
    assert refusal(device, keyed(**{CLIP: CLIP_KEYS[CLIP_2]}), costly=True) == (7, "wrong-key")


def test_7_with_one_good_and_one_swapped_key(device: FakeDevice) -> None:
    clips = (world.approved(CLIP), world.approved(CLIP_2))
    signed = of(clips=clips).jws
    letter = Letter(jws=signed, keys={CLIP: CLIP_KEYS[CLIP], CLIP_2: CLIP_KEYS[CLIP]})
    assert refusal(device, letter, costly=True) == (7, "wrong-key")


# Rule 8: the host


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/files/",
        "https://evidence.example.org.evil.example/files/",
        "https://evidence.example.org@evil.example/files/",
        "https://evidence.example.org:9999/files/",
        "http://evidence.example.org/files/",
    ],
)
def test_8_to_a_host_that_the_card_does_not_list(device: FakeDevice, url: str) -> None:
    device.holds(upload_url=url)
    assert refusal(device) == (8, "upload-not-allowed")


def test_8_to_a_host_removed_from_the_card_since(device: FakeDevice) -> None:
    device.holds(requester=world.card(upload_hosts=("other.example.org",)))
    assert refusal(device) == (8, "upload-not-allowed")


def test_8_loopback_is_for_demonstrations_only(device: FakeDevice) -> None:
    device.holds(upload_url="http://127.0.0.1:1080/files/")
    assert refusal(device) == (8, "upload-not-allowed")
    assert check(device, allow_loopback_http=True)


# Rule 9: not retained


def test_9_retained_by_the_broker(device: FakeDevice) -> None:
    assert refusal(device, retained=True) == (9, "retained")


def test_9_a_retained_message_is_not_decoded(device: FakeDevice) -> None:
    assert refusal(device, Letter(jws="junk", keys={}), retained=True) == (9, "retained")


# Before the rules: strict decoding


def test_bytes_that_do_not_decode_are_malformed(device: FakeDevice) -> None:
    with pytest.raises(MalformedStatement):
        check(device, Letter(jws="junk", keys={}))


def test_a_signed_approval_with_an_unknown_field_is_malformed(device: FakeDevice) -> None:
    header, payload, _ = world.letter().jws.split(".")
    fields = json.loads(decode_base64url(payload)) | {"also": "the rest"}
    jws = world.sign_raw(decode_base64url(header), json.dumps(fields).encode(), world.OWNER)
    with pytest.raises(MalformedStatement) as caught:
        check(device, Letter(jws=jws, keys={}))
    assert caught.value.rule == "wrong-shape"
    assert not device.asked


def test_the_docstring_numbers_all_nine_rules() -> None:
    text = inspect.cleandoc(rules.check_approval.__doc__ or "")
    assert [number for number in range(1, 12) if f"\n{number}. " in text] == list(range(1, 10))


# Declines and commands: rules 1 to 4 and 9


DECISIONS = pytest.mark.parametrize("kind", [Decline, Command], ids=["decline", "command"])


def decision(kind: type[Any], *, signer: SigningKey = world.OWNER, **changes: Any) -> str:
    make = world.decline if kind is Decline else world.command
    return signer.sign(make(iss=signer.public.fingerprint, **changes))


def decide(kind: type[Any], jws: str, **changes: Any) -> Decline | Command:
    found: Decline | Command = check_decision(jws, kind, FakeDevice().context(**changes))
    return found


@DECISIONS
@pytest.mark.parametrize("signer", [world.OWNER, world.OTHER_OWNER], ids=["owner", "other"])
def test_any_owner_may_decide(kind: type[Any], signer: SigningKey) -> None:
    assert decide(kind, decision(kind, signer=signer)).iss == signer.public.fingerprint


@DECISIONS
@pytest.mark.parametrize(
    ("changes", "arguments", "expected"),
    [
        ({"signer": world.STRANGER}, {}, (1, "unknown-signer")),
        ({"aud": world.OTHER_DEVICE.public.fingerprint}, {}, (2, "wrong-device")),
        ({}, {"seen": lambda _: True}, (3, "replayed")),
        ({"exp": NOW}, {}, (4, "expired")),
        ({"iat": NOW + 301}, {}, (4, "issued-in-future")),
        ({"exp": NOW + 8 * DAY}, {}, (4, "lives-too-long")),
        ({}, {"since": NOW + 1.0}, (4, "before-the-ledger")),
        ({}, {"retained": True}, (9, "retained")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_decision_that_breaks_a_rule(
    kind: type[Any],
    changes: dict[str, Any],
    arguments: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    with pytest.raises(ApprovalRefused) as caught:
        decide(kind, decision(kind, **changes), **arguments)
    assert (caught.value.number, caught.value.rule) == expected


def test_an_approval_passed_off_as_a_decline() -> None:
    with pytest.raises(ApprovalRefused) as caught:
        decide(Decline, world.OWNER.sign(world.approval()))
    assert (caught.value.number, caught.value.rule) == (2, "wrong-typ")
