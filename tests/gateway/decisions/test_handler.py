"""Owners' letters that come twice, come retained, or cannot be acted on.

The straight way is in ``test_release_way.py``, what must never happen, whatever the order
of events, in ``test_model.py``.
"""

from __future__ import annotations

import errno
import json

import jwt
import msgspec
import pytest

from agent import files
from agent.consent import signing
from agent.consent.statements import Command, Mute, Preview
from agent.errors import StorageFault
from agent.mqtt import topics
from agent.vault.clips.store import ClipStore
from tests.support.gateway_world import DEVICE, World, rules, state_of
from tests.support.house import Person

# Letters that come twice, or cannot be acted on


def test_a_replayed_letter_leaves_one_line_however_often_it_comes(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    for _ in range(6):
        world.to_device(letter)
    assert rules(world, "decision.refused") == ["replayed"]


def test_a_retained_letter_leaves_one_line_however_often_the_gateway_connects(
    world: World,
) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    for _ in range(4):
        world.to_device(letter, retained=True)
        world.restart()
    assert rules(world, "decision.refused") == ["retained"]


def test_one_letter_refused_for_two_reasons_leaves_a_line_for_each(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.to_device(letter, retained=True)
    world.clock.advance(2 * 86_400)
    world.to_device(letter)
    world.to_device(letter)
    assert rules(world, "decision.refused") == ["retained", "expired"]


def test_a_refused_decision_stays_refused_whatever_the_clock_says_later(world: World) -> None:
    """A broker may keep a letter and bring it again when it would do."""
    clip, now = world.house.record(), int(world.clock.now())
    letter = world.house.approve(world.post(), [clip], iat=now + 600, exp=now + 86_400)
    world.to_device(letter)
    world.clock.advance(400)
    world.restart()
    world.to_device(letter)
    assert rules(world, "decision.refused") == ["issued-in-future"]
    assert world.receiver.calls == []


def test_a_retained_copy_of_a_letter_does_not_spoil_the_letter(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.to_device(letter, retained=True)
    world.to_device(letter)
    assert rules(world, "decision.refused") == ["retained"]
    assert len(world.receiver.finished) == 1


def test_a_letter_for_another_device_spoils_none_of_ours(world: World) -> None:
    clip, post = world.house.record(), world.post()
    approval = world.house.approval(post, [clip])
    keys = world.house.clip_keys([clip])
    elsewhere = msgspec.structs.replace(approval, aud=Person().id)
    world.to_device(world.house.letter(elsewhere, keys))
    world.to_device(world.house.letter(approval, keys))
    assert len(world.receiver.finished) == 1


@pytest.mark.parametrize("mute", [False, True])
def test_a_decline_stops_releases_that_were_not_sent_yet(world: World, mute: bool) -> None:
    clip, post = world.house.record(), world.post()
    world.receiver.faults = ["request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    assert state_of(world, release_id) == "SEALED"
    world.to_device(world.house.decline(post, mute=mute))
    for _ in range(5):
        world.clock.advance(1000)
        world.run()
    assert world.outcomes()[release_id].detail == "an owner declined the request"
    assert state_of(world, release_id) == "REVOKED"
    assert world.receiver.finished == []


def test_muting_stops_what_was_approved_of_that_requester(world: World) -> None:
    clip, post = world.house.record(), world.post()
    world.receiver.faults = ["request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    world.to_device(world.house.command(Mute(requester=world.house.requester.id, muted=True)))
    world.clock.advance(1000)
    world.run()
    assert state_of(world, release_id) == "REVOKED"


@pytest.mark.parametrize("name", ["x\ny", "x\u2028y", "x\ry", "\t", "é" * 500])
def test_a_letter_whose_field_has_a_strange_name_does_not_end_the_gateway(
    world: World, name: str
) -> None:
    clip = world.house.record()
    said = msgspec.to_builtins(world.house.approval(world.post(), [clip])) | {name: 1}
    jws = signed_as_it_is(world.house.owner, "clip-approval+jwt", said)
    world.to_device(world.house.seal_letter(jws, {}))
    assert rules(world, "decision.refused")[0] in ("wrong-shape", "control-character")
    assert world.broker.unacknowledged == {}
    (outcome,) = world.outcomes().values()
    assert "\n" not in outcome.detail


def signed_as_it_is(signer: Person, typ: str, payload: object) -> str:
    """A decision that a careless tool may sign."""
    header = {"typ": typ, "kid": signer.id}
    return jwt.PyJWS().encode(
        json.dumps(payload).encode(), signer.signing._key, algorithm="EdDSA", headers=header
    )


def test_a_decline_that_comes_twice_is_not_reported_as_refused(world: World) -> None:
    """The process died between its commit and the acknowledgement, say."""
    world.house.record()
    letter = world.house.decline(world.post())
    for _ in range(2):
        world.to_device(letter)
    assert world.outcomes() == {}


def test_a_clip_on_a_bad_sector_does_not_end_the_gateway_at_each_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])

    def unreadable(*_: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "sha256_of", unreadable)
    world.to_device(letter)
    assert rules(world, "decision.refused") == ["clip-unreadable"]
    assert world.broker.unacknowledged == {}


def test_the_watchdog_hears_of_each_clip_that_is_checked(world: World) -> None:
    """Fifty long clips take minutes to hash on a Pi; killed for it, it would begin anew."""
    clips = [world.house.record(seconds_ago=600 - 10 * n) for n in range(5)]
    letter = world.house.approve(world.post(), clips)
    world.notified.clear()
    world.broker.send(topics.owner(DEVICE), letter)
    assert world.gateway is not None
    world.gateway.step()
    assert world.notified.count("WATCHDOG=1") >= 5


def test_a_release_that_can_no_longer_be_sealed_ends_at_once(world: World) -> None:
    """Killed after accepting; the clip is gone when the letter comes again."""
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.crash_after = 0
    world.broker.send(topics.owner(DEVICE), letter)
    assert not world._guard(world.gateway.step)  # type: ignore[union-attr]
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    path.unlink()
    world.restart()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "REVOKED"
    assert "clip-gone" in outcome.detail


def test_a_letter_that_comes_twice_does_not_revoke_what_was_sealed_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clips may go once they are in the bundle; to look at them again takes seconds."""
    clip = world.house.record()
    jws = world.house.owner.signing.sign(world.house.approval(world.post(), [clip]))
    keys = world.house.clip_keys([clip])
    gateway = world.gateway
    assert gateway is not None
    world.broker.send(topics.owner(DEVICE), world.house.seal_letter(jws, keys))
    gateway.step()
    digest = ClipStore.sha256_on_disk

    def sealed_meanwhile(store: ClipStore, clip_id: str, **_: object) -> str:
        monkeypatch.setattr(ClipStore, "sha256_on_disk", digest)
        gateway.releases.step()
        raise StorageFault("the clip was deleted to make room")

    monkeypatch.setattr(ClipStore, "sha256_on_disk", sealed_meanwhile)
    world.broker.send(topics.owner(DEVICE), world.house.seal_letter(jws, keys))
    world.run()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"
    assert len(world.receiver.finished) == 1
    assert world.broker.unacknowledged == {}


def test_a_retained_copy_does_not_stop_a_release_that_waits_for_its_keys(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.crash_after = 0
    world.broker.send(topics.owner(DEVICE), letter)
    assert not world._guard(world.gateway.step)  # type: ignore[union-attr]
    world.broker.unacknowledged.clear()
    world.restart()
    world.to_device(letter, retained=True)
    world.to_device(letter)
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"


@pytest.mark.parametrize("retained", [True, False])
@pytest.mark.parametrize("payload", [b"", b"x", b"age-encryption.org/v1\n", b"\0" * 600_000])
def test_garbage_is_a_line_at_most(world: World, payload: bytes, retained: bool) -> None:
    for _ in range(2):
        world.to_device(payload, retained=retained)
    assert len(world.events("letter.refused")) == 1
    assert world.broker.unacknowledged == {}


def test_a_preview_of_a_clip_that_cannot_be_read_ends_and_nothing_else_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def read(self, _size: int) -> bytes:
            raise OSError(5, "Input/output error")

        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    clip = world.house.record()
    monkeypatch.setattr("agent.vault.clips.store.ClipStore.open_sealed", lambda *_: Broken())
    now = int(world.clock.now())
    ask = Command(
        iss=world.house.owner.id, jti=signing.new_jti(b"p" * 16), iat=now, exp=now + 600,
        aud=world.house.device_card().fingerprint, command=Preview(clip=clip.id),
    )  # fmt: skip
    world.to_device(world.house.letter(ask, {}))
    assert [event for event, _ in world.events("clip.")] == ["clip.previewed"]
    assert world.broker.unacknowledged == {}
