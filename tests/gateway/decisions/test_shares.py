"""Shares: an owner sends clips to somebody who has not asked. The same rules, no request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.consent import signing
from agent.consent.cards import decode_base64url
from agent.consent.statements import (
    ApprovedClip,
    Disclosure,
    ListClips,
    PauseRequests,
    Recipient,
    Revoke,
    Share,
    Trim,
    UploadTarget,
    Window,
)
from agent.mqtt import topics
from agent.vault.records.ledger import Ledger
from tests.support.gateway_world import DEVICE, World, rules, state_of
from tests.support.house import UPLOAD_URL, Person
from tests.support.peers import open_bundle as files_of
from tests.support.two_owners import opened, releases, write


@pytest.fixture
def neighbour() -> Person:
    """Somebody whom the owner gives a clip to, and no requester's card names."""
    return Person()


def to(person: Person, **changes: Any) -> dict[str, Recipient]:
    values = {"name": "N", "key": person.signing.public.text, "seal": person.recipient}
    return {"recipient": Recipient(**(values | changes))}


# The straight way


def test_a_shared_clip_reaches_whom_the_owner_named_and_nobody_else(
    world: World, neighbour: Person, tmp_path: Path
) -> None:
    clips = [world.house.record(seconds_ago=9_000 - 100 * n) for n in range(2)]
    world.to_device(world.house.share(clips[:1], neighbour))
    bundle = opened(world, neighbour, tmp_path)
    assert bundle.request is None
    assert isinstance(bundle.approval, Share)
    assert [path.stem for path in bundle.clips] == [clips[0].id]
    assert {path.name for path in (bundle.folder / "data").iterdir()} == {
        f"{clips[0].id}.mp4", "share.jws", "release.jws", "README.txt",
    }  # fmt: skip
    assert bundle.release.request is None
    assert bundle.release.aud == neighbour.id
    (outcome,) = world.outcomes().values()
    assert (outcome.event, outcome.request) == ("SENT", None)


def test_a_share_is_on_the_record_with_whom_and_where(world: World, neighbour: Person) -> None:
    clip = world.house.record()
    world.to_device(world.house.share([clip], neighbour, disclose=Disclosure(name="Olive")))
    assert [event for event, _ in world.events("release.")] == [
        "release.approved", "release.sealed", "release.sent",
    ]  # fmt: skip
    ((_, line),) = world.events("release.approved")
    assert line == {
        "owner": world.house.owner.id,
        "clips": [clip.id],
        "recipient": "Neighbour",
        "key": neighbour.signing.public.text,
        "url": UPLOAD_URL,
        "disclosed": ["name"],
    }


def test_exactly_what_the_owner_ticked_is_told(
    world: World, neighbour: Person, tmp_path: Path
) -> None:
    clip = world.house.record()
    told = Disclosure(email="olive@example.org")
    world.to_device(world.house.share([clip], neighbour, disclose=told))
    assert opened(world, neighbour, tmp_path).release.disclosed == told
    (upload,) = world.receiver.finished
    text = files_of(bytes(upload.data), neighbour.identity)["data/release.jws"].split(b".")[1]
    plain = decode_base64url(text.decode())
    for untold in (b"Olive", b"42.10", b"-72.58", b"front-door", world.house.recovery.id.encode()):
        assert untold not in plain


def test_a_trim_is_kept_to(world: World, neighbour: Person, tmp_path: Path) -> None:
    clip = world.house.record()
    trim = Trim(from_seconds=0, to_seconds=1)
    chosen = ApprovedClip(id=clip.id, sha256=clip.sha256, trim=trim, redact=())
    world.to_device(world.house.share([clip], neighbour, clips=(chosen,)))
    (released,) = opened(world, neighbour, tmp_path).release.clips
    assert released.trim == trim


def test_an_owner_shares_while_requests_are_paused(world: World, neighbour: Person) -> None:
    clip = world.house.record()
    world.to_device(world.house.command(PauseRequests()))
    world.to_device(world.house.share([clip], neighbour))
    assert len(world.receiver.finished) == 1


@pytest.mark.parametrize("commits", range(8))
def test_a_crash_after_any_commit_ends_in_exactly_one_bundle(tmp_path: Path, commits: int) -> None:
    world = World(tmp_path)
    neighbour = Person()
    clip = world.house.record()
    world.crash_after = commits
    world.to_device(world.house.share([clip], neighbour))
    for _ in range(3):
        world.clock.advance(60)
        world.run()
    assert len(world.receiver.finished) == 1
    with world.house.open_database() as database:
        Ledger(database).verify()
    world.kill()


def test_an_unsent_share_is_revoked(world: World, neighbour: Person) -> None:
    clip = world.house.record()
    world.receiver.faults = ["request-lost"]
    world.to_device(world.house.share([clip], neighbour))
    (release_id,) = world.outcomes()
    world.to_device(world.house.command(Revoke(release=release_id)))
    world.clock.advance(3600)
    world.run()
    assert state_of(world, release_id) == "REVOKED"
    assert world.receiver.uploads == {}


# What is refused


def refused(world: World) -> str:
    """The rule by which the only decision was refused; nothing left."""
    assert world.receiver.calls == []
    (outcome,) = world.outcomes().values()
    assert outcome.event == "REFUSED"
    (rule,) = rules(world, "decision.refused")
    assert outcome.detail.startswith(rule)
    return rule


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"upload": UploadTarget(protocol="tus", url="http://10.0.0.1/files/")},
         "upload-not-allowed"),
        ({"upload": UploadTarget(protocol="tus", url="file:///etc/passwd")}, "upload-not-allowed"),
        ({"upload": UploadTarget(protocol="tus", url="https://a@b.example/")},
         "upload-not-allowed"),
        (to(Person(), key="A" * 43), "bad-recipient"),
        (to(Person(), seal="age1" + "q" * 58), "bad-recipient"),
        ({"exp": 1}, "expired"),
    ],
)  # fmt: skip
def test_a_share_that_breaks_a_rule(
    world: World, neighbour: Person, changes: dict[str, Any], rule: str
) -> None:
    world.to_device(world.house.share([world.house.record()], neighbour, **changes))
    assert refused(world) == rule


def test_a_share_by_a_stranger(world: World, neighbour: Person) -> None:
    world.to_device(world.house.share([world.house.record()], neighbour, by=neighbour))
    assert refused(world) == "unknown-signer"


def test_a_share_of_a_clip_that_the_device_does_not_hold(world: World, neighbour: Person) -> None:
    clip = world.house.record()
    letter = world.house.share([clip], neighbour)
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    path.unlink()
    world.to_device(letter)
    assert refused(world) == "clip-gone"


def test_a_share_of_a_clip_that_is_being_deleted(world: World, neighbour: Person) -> None:
    clip = world.house.record()
    letter = world.house.share([clip], neighbour)
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    path.unlink()
    world.to_device(letter)
    assert refused(world) == "clip-gone"


def test_a_share_of_a_clip_that_was_changed(world: World, neighbour: Person) -> None:
    clip = world.house.record()
    letter = world.house.share([clip], neighbour)
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    world.to_device(letter)
    assert refused(world) == "clip-changed"


def test_a_share_without_its_key(world: World, neighbour: Person) -> None:
    world.to_device(world.house.letter(world.house.sharing([world.house.record()], neighbour), {}))
    assert refused(world) == "key-missing"


def test_a_retained_share(world: World, neighbour: Person) -> None:
    letter = world.house.share([world.house.record()], neighbour)
    world.to_device(letter, retained=True)
    assert refused(world) == "retained"


def test_a_share_that_comes_again(world: World, neighbour: Person) -> None:
    letter = world.house.share([world.house.record()], neighbour)
    for _ in range(3):
        world.to_device(letter)
    assert len(world.receiver.uploads) == 1
    assert rules(world, "decision.refused") == ["replayed"]


# Two owners


def test_a_share_waits_for_the_other_owner(shared: World, neighbour: Person) -> None:
    clip = shared.house.record()
    shared.to_device(shared.house.share([clip], neighbour))
    (outcome,) = shared.outcomes().values()
    assert outcome.event == "PROPOSED"
    assert shared.receiver.calls == []


def test_the_other_owner_agrees_by_the_letter_and_a_list_of_clips_alone(
    shared: World, neighbour: Person, tmp_path: Path
) -> None:
    """The other owner's tool: the device's letters, and their own keys."""
    house = shared.house
    clip = house.record()
    shared.to_device(house.share([clip], neighbour))
    (outcome,) = shared.outcomes().values()
    owners = {house.owner.id: house.owner.signing.public}
    first = signing.verify(outcome.decision, Share, owners)
    window = Window(start=int(clip.started_at) - 1, end=int(clip.started_at) + 1)
    shared.to_device(house.command(ListClips(window=window), by=house.partner))
    again = house.sharing(
        [], neighbour, iss=house.partner.id, recipient=first.recipient, upload=first.upload,
        clips=first.clips, disclose=first.disclose,
    )  # fmt: skip
    shared.to_device(house.letter(again, house.clip_keys([clip]), by=house.partner))
    bundle = opened(shared, neighbour, tmp_path)
    assert bundle.second is not None
    assert {path.name for path in (bundle.folder / "data").iterdir()} == {
        f"{clip.id}.mp4", "share.jws", "share-2.jws", "release.jws", "README.txt",
    }  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        to(Person()),
        {"upload": UploadTarget(protocol="tus", url=UPLOAD_URL + "elsewhere")},
        {"disclose": Disclosure(name="Olive")},
    ],
)
def test_a_share_that_differs_at_all_is_another(
    shared: World, neighbour: Person, other: dict[str, Any]
) -> None:
    clip = shared.house.record()
    shared.to_device(shared.house.share([clip], neighbour))
    shared.to_device(shared.house.share([clip], neighbour, by=shared.house.partner, **other))
    assert shared.receiver.calls == []
    assert [release.state for release in releases(shared)] == ["PROPOSED", "PROPOSED"]


def test_an_approval_does_not_agree_with_a_share(shared: World) -> None:
    clip = shared.house.record()
    post = shared.post()
    shared.to_device(shared.house.share([clip], shared.house.requester))
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    assert shared.receiver.calls == []


def test_the_clips_of_a_share_that_waits_are_not_deleted_to_make_room(
    shared: World, neighbour: Person
) -> None:
    clip, other = shared.house.record(), shared.house.record()
    shared.to_device(shared.house.share([clip], neighbour))
    shared.to_device(shared.house.share([other], neighbour))
    (revoked,) = [
        release.id for release in releases(shared) if other.id in case_clips(shared, release.id)
    ]
    shared.to_device(shared.house.command(Revoke(release=revoked)))
    with shared.house.open_database() as database:
        assert database.held_clips() == [clip.id]
    shared.to_device(shared.house.share([clip], neighbour, by=shared.house.partner))
    assert len(shared.receiver.finished) == 1
    with shared.house.open_database() as database:
        assert database.held_clips() == []


def case_clips(world: World, release_id: str) -> list[str]:
    with world.house.open_database() as database:
        rows = database.rows("SELECT clip FROM release_clip WHERE release = ?", (release_id,))
    return [row[0] for row in rows]


def test_a_proposed_share_ends_with_its_time_and_when_it_is_revoked(
    shared: World, neighbour: Person
) -> None:
    clip = shared.house.record()
    soon = int(shared.clock.now()) + 600
    shared.to_device(shared.house.share([clip], neighbour, exp=soon))
    shared.to_device(shared.house.share([clip], Person()))
    shared.clock.advance(700)
    shared.run()
    states = {release.id: release.state for release in releases(shared)}
    assert sorted(states.values()) == ["FAILED", "PROPOSED"]
    (waiting,) = [name for name, state in states.items() if state == "PROPOSED"]
    shared.to_device(shared.house.command(Revoke(release=waiting), by=shared.house.partner))
    assert state_of(shared, waiting) == "REVOKED"


# Rows that somebody else wrote


def shared_and_waiting(world: World, neighbour: Person) -> str:
    world.receiver.faults = ["", "request-lost"]
    world.to_device(world.house.share([world.house.record()], neighbour))
    (release_id,) = world.outcomes()
    assert state_of(world, release_id) == "SEALED"
    return release_id


def test_a_share_in_a_row_of_an_approval_sends_nothing(world: World, neighbour: Person) -> None:
    release_id = shared_and_waiting(world, neighbour)
    digest = signing.digest(world.post())
    write(world, "UPDATE release SET request = ?", digest)
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "FAILED"
    assert world.receiver.finished == []


def test_an_approval_in_a_row_of_a_share_sends_nothing(world: World) -> None:
    """A share names where it goes by itself; an approval must be read as what it is."""
    clip = world.house.record()
    world.receiver.faults = ["", "request-lost"]
    world.to_device(world.house.approve(world.post(), [clip]))
    (release_id,) = world.outcomes()
    write(world, "UPDATE release SET request = NULL")
    world.clock.advance(60)
    world.run()
    assert world.outcomes()[release_id].event == "FAILED"
    assert "wrong-typ" in world.outcomes()[release_id].detail
    assert world.receiver.finished == []


def test_a_share_with_a_recipient_that_is_none_does_not_end_the_gateway(
    world: World, neighbour: Person
) -> None:
    """The owner signed it, the device refused it, and the camera wrote its row all the same."""
    shared_and_waiting(world, neighbour)
    bad = world.house.sharing([world.house.record()], neighbour, **to(neighbour, key="A" * 43))
    jws = world.house.owner.signing.sign(bad)
    name = signing.digest(jws)[:16]
    write(world, "UPDATE release SET id = ?, approval = ?, expires_at = ?", name, jws, bad.exp)
    world.clock.advance(60)
    world.run()
    assert world.outcomes()[name].detail.startswith("bad-recipient")
    assert world.receiver.finished == []


def test_keys_that_come_again_after_a_crash_find_their_share(
    world: World, neighbour: Person
) -> None:
    letter = world.house.share([world.house.record()], neighbour)
    world.crash_after = 0
    world.broker.send(topics.owner(DEVICE), letter)
    assert not world._guard(world.gateway.step)  # type: ignore[union-attr]
    assert world.receiver.calls == []
    world.restart()
    assert len(world.receiver.finished) == 1
