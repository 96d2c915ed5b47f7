"""The rules of a share, one attack a test, and the agreement of two owners."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.consent.decisions import approval as rules
from agent.consent.letters import Letter
from agent.consent.signing import SigningKey, digest
from agent.consent.statements import (
    Approval,
    Disclosure,
    Recipient,
    Redaction,
    Share,
    Trim,
    UploadTarget,
)
from agent.errors import ApprovalRefused, MalformedStatement
from tests.consent import world
from tests.consent.strategies import instances
from tests.consent.world import CLIP, CLIP_2, CLIP_3, CLIP_KEYS, DAY, NOW, FakeDevice

NEIGHBOUR = Recipient(
    name="Neighbour", key=world.STRANGER.public.text, seal=world.REQUESTER_RECIPIENT
)


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


def share(**changes: Any) -> Share:
    """A share of ``CLIP`` that every rule lets pass, but for ``changes``."""
    fields: dict[str, Any] = {
        "iss": world.OWNER.public.fingerprint,
        "jti": "decision-0000-0002",
        "iat": NOW - 60,
        "exp": NOW + DAY,
        "aud": world.DEVICE.public.fingerprint,
        "recipient": NEIGHBOUR,
        "upload": UploadTarget(protocol="tus", url="https://files.example.net/up/"),
        "clips": (world.approved(),),
        "disclose": Disclosure(),
    }
    return Share(**(fields | changes))


def letter(statement: Share | None = None, *, signer: SigningKey = world.OWNER) -> Letter:
    """The letter of ``statement``, with the keys of the clips that it names."""
    statement = statement or share()
    named = {clip.id: CLIP_KEYS[clip.id] for clip in statement.clips if clip.id in CLIP_KEYS}
    return Letter(jws=signer.sign(statement), keys=named)


def check(device: FakeDevice, sent: Letter | None = None, **changes: Any) -> Share:
    loopback = changes.pop("allow_loopback_http", False)
    context = device.context(**changes)
    return rules.check_share(sent or letter(), context, device, allow_loopback_http=loopback)


def refusal(
    device: FakeDevice, sent: Letter | None = None, *, costly: bool = False, **changes: Any
) -> tuple[int, str]:
    """Number and name of the rule that refuses; nothing costly was done unless ``costly``."""
    with pytest.raises(ApprovalRefused) as caught:
        check(device, sent, **changes)
    assert bool(device.asked) == costly, "clips are read before the cheap rules have spoken"
    assert "AGE-SECRET-KEY" not in str(caught.value)
    return caught.value.number, caught.value.rule


def of(**changes: Any) -> Letter:
    return letter(share(**changes))


def test_a_share_by_the_owner(device: FakeDevice) -> None:
    assert check(device) == share()
    assert device.asked == [f"hash {CLIP}", f"open {CLIP}"]


def test_a_share_by_another_enrolled_owner(device: FakeDevice) -> None:
    other = share(iss=world.OTHER_OWNER.public.fingerprint)
    assert check(device, letter(other, signer=world.OTHER_OWNER)) == other


def test_a_share_of_a_clip_that_no_request_matched(device: FakeDevice) -> None:
    assert check(device, of(clips=(world.approved(CLIP_3),)))


def test_a_share_of_several_clips(device: FakeDevice) -> None:
    clips = (world.approved(CLIP), world.approved(CLIP_2))
    assert check(device, of(clips=clips)).clips == clips


@pytest.mark.parametrize(
    ("changes", "arguments", "expected"),
    [
        ({"aud": world.OTHER_DEVICE.public.fingerprint}, {}, (2, "wrong-device")),
        ({}, {"seen": lambda _: True}, (3, "replayed")),
        ({"exp": NOW}, {}, (4, "expired")),
        ({"iat": NOW + 301}, {}, (4, "issued-in-future")),
        ({"exp": NOW + 8 * DAY}, {}, (4, "lives-too-long")),
        ({}, {"since": NOW - 59.0}, (4, "before-the-ledger")),
        ({"clips": (world.approved(), world.approved())}, {}, (6, "clip-twice")),
        ({}, {"retained": True}, (9, "retained")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_share_that_breaks_a_rule_of_every_decision(
    device: FakeDevice,
    changes: dict[str, Any],
    arguments: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    assert refusal(device, of(**changes), **arguments) == expected


@pytest.mark.parametrize("signer", [world.STRANGER, world.REQUESTER, world.DEVICE])
def test_1_signed_by_somebody_else(device: FakeDevice, signer: SigningKey) -> None:
    forged = letter(share(iss=signer.public.fingerprint), signer=signer)
    assert refusal(device, forged) == (1, "unknown-signer")


def test_2_an_approval_passed_off_as_a_share(device: FakeDevice) -> None:
    assert refusal(device, world.letter()) == (2, "wrong-typ")


def test_2_a_share_passed_off_as_an_approval(device: FakeDevice) -> None:
    with pytest.raises(ApprovalRefused) as caught:
        rules.check_approval(letter(), device.context(), device)
    assert (caught.value.number, caught.value.rule) == (2, "wrong-typ")


def test_6_of_a_clip_that_the_device_does_not_hold(device: FakeDevice) -> None:
    del device.sealed[CLIP]
    assert refusal(device, costly=True) == (6, "clip-gone")


def test_6_of_a_clip_changed_on_disk(device: FakeDevice) -> None:
    device.sealed[CLIP] += b"\0"
    assert refusal(device, costly=True) == (6, "clip-changed")
    assert device.asked == [f"hash {CLIP}"]


def test_6_of_a_clip_with_the_digest_of_another(device: FakeDevice) -> None:
    mixed = world.approved(CLIP, sha256=world.sealed_digest(CLIP_2))
    assert refusal(device, of(clips=(mixed,)), costly=True) == (6, "clip-changed")


def test_7_with_a_missing_or_surplus_key(device: FakeDevice) -> None:
    signed = letter().jws
    assert refusal(device, Letter(jws=signed, keys={}), costly=True) == (7, "key-missing")
    device.asked.clear()
    two = {CLIP: CLIP_KEYS[CLIP], CLIP_2: CLIP_KEYS[CLIP_2]}
    assert refusal(device, Letter(jws=signed, keys=two), costly=True) == (7, "key-surplus")


def test_7_with_another_clips_key(device: FakeDevice) -> None:
    wrong = Letter(jws=letter().jws, keys={CLIP: CLIP_KEYS[CLIP_2]})
    assert refusal(device, wrong, costly=True) == (7, "wrong-key")


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "A" * 43},  # a point of small order
        {"key": "_" * 43},  # no canonical base64url
        {"seal": "age1" + "q" * 58},  # no checksum
        {"seal": world.OWNER_RECIPIENT[:-1] + "q"},
    ],
)
def test_8_to_an_invalid_recipient(device: FakeDevice, changes: dict[str, str]) -> None:
    recipient = msgspec.structs.replace(NEIGHBOUR, **changes)
    assert refusal(device, of(recipient=recipient)) == (8, "bad-recipient")


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example.net/up/",
        "ftp://files.example.net/up/",
        "https://me@files.example.net/up/",
        "https://files.example.net\\@evil.example/",
        "https://FILES.example.net/up/",
        "https://files.example.net:99999/up/",
        "https:///up/",
        "",
    ],
)
def test_8_to_a_url_that_is_not_plain_https(device: FakeDevice, url: str) -> None:
    target = UploadTarget(protocol="tus", url=url)
    assert refusal(device, of(upload=target)) == (8, "upload-not-allowed")


def test_8_loopback_is_for_demonstrations_only(device: FakeDevice) -> None:
    local = of(upload=UploadTarget(protocol="tus", url="http://127.0.0.1:1080/files/"))
    assert refusal(device, local) == (8, "upload-not-allowed")
    assert check(device, local, allow_loopback_http=True)


def test_bytes_that_do_not_decode_are_malformed(device: FakeDevice) -> None:
    with pytest.raises(MalformedStatement):
        check(device, Letter(jws="junk", keys={}))
    assert not device.asked


# Two owners


OTHER = world.OTHER_OWNER.public.fingerprint
ANOTHER_LETTER: dict[str, Any] = {
    "iss": OTHER,
    "jti": "decision-0000-0099",
    "iat": NOW - 5,
    "exp": NOW + 2 * DAY,
}


@pytest.mark.parametrize("make", [world.approval, share])
def test_signer_and_times_may_differ(make: Any) -> None:
    assert rules.disagreement(make(), make(**ANOTHER_LETTER)) == ""


@pytest.mark.parametrize("make", [world.approval, share])
def test_one_owner_does_not_agree_with_themselves(make: Any) -> None:
    twice = make(**(ANOTHER_LETTER | {"iss": world.OWNER.public.fingerprint}))
    assert "same owner" in rules.disagreement(make(), twice)
    assert rules.same_content(make(), twice)


def test_the_order_of_clips_does_not_matter() -> None:
    clips = [world.approved(clip) for clip in (CLIP, CLIP_2, CLIP_3)]
    for turned in permutations(clips):
        other = world.approval(clips=turned, **ANOTHER_LETTER)
        assert rules.disagreement(world.approval(clips=tuple(clips)), other) == ""


CLIP_CHANGES: list[dict[str, Any]] = [
    {"clips": (world.approved(CLIP_2),)},
    {"clips": (world.approved(), world.approved(CLIP_2))},
    {"clips": (world.approved(sha256="0" * 64),)},
    {"clips": (world.approved(trim=Trim(from_seconds=0, to_seconds=1)),)},
    {"clips": (world.approved(redact=(Redaction.still(x=0, y=0, width=1, height=1),)),)},
    {"clips": (world.approved(codec="h264"),)},
    {"disclose": Disclosure(name="Olive")},
    {"disclose": Disclosure(email="")},
    {"aud": world.OTHER_DEVICE.public.fingerprint},
]


@pytest.mark.parametrize("change", [*CLIP_CHANGES, {"request": digest("x")}])
def test_two_approvals_of_different_things(change: dict[str, Any]) -> None:
    other = world.approval(**(ANOTHER_LETTER | change))
    assert "different things" in rules.disagreement(world.approval(), other)


@pytest.mark.parametrize(
    "change",
    [
        *CLIP_CHANGES,
        {"recipient": msgspec.structs.replace(NEIGHBOUR, key=world.OWNER.public.text)},
        {"recipient": msgspec.structs.replace(NEIGHBOUR, seal=world.OWNER_RECIPIENT)},
        {"recipient": msgspec.structs.replace(NEIGHBOUR, name="Somebody else")},
        {"upload": UploadTarget(protocol="tus", url="https://files.example.net/up/2")},
    ],
)
def test_two_shares_of_different_things(change: dict[str, Any]) -> None:
    other = share(**(ANOTHER_LETTER | change))
    assert "different things" in rules.disagreement(share(), other)


def test_a_share_and_an_approval_of_the_same_clips() -> None:
    assert "different things" in rules.disagreement(share(), world.approval(iss=OTHER))


@settings(max_examples=30)
@given(st.one_of(instances(Approval), instances(Share)), st.data())
def test_any_other_field_matters(consent: Any, data: st.DataObject) -> None:
    other = data.draw(instances(type(consent)))
    assert rules.same_content(consent, consent)
    assert rules.same_content(consent, other) == rules.same_content(other, consent)
    free = {"iss", "jti", "iat", "exp", "clips"}
    field = data.draw(st.sampled_from(sorted(set(consent.__struct_fields__) - free)))
    mixed = msgspec.structs.replace(consent, **{field: getattr(other, field)})
    assert rules.same_content(consent, mixed) == (getattr(consent, field) == getattr(other, field))
