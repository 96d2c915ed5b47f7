"""Commands of the owners: what each changes, says, and leaves on the record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent import config
from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.statements import (
    ApprovedClip,
    ListClips,
    Listing,
    Mute,
    NoteExport,
    Outcome,
    PauseRequests,
    Preview,
    ResumeRequests,
    Revoke,
    Statement,
    Thumbnails,
    Window,
)
from agent.gateway.unit_of_work import UnitOfWork
from agent.mqtt import topics
from agent.vault.clips import seal, thumbnails
from agent.vault.database.rows import Clip
from tests.support.gateway_world import DEVICE, World, rules, state_of
from tests.support.house import Person

S = TypeVar("S", bound=Statement)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[World]:
    """A house with two owners, of whom one is enough."""
    world = World(tmp_path, partner=True)
    yield world
    world.kill()


def answers(world: World, kind: type[S]) -> list[S]:
    """The replies of the device that were not retained, oldest first."""
    card = world.house.device_card()
    found = []
    for topic, payload in world.broker.published:
        if topic.startswith(topics.release(DEVICE, "")) and topic not in world.broker.retained:
            jws = mail.open_letter(payload, world.house.owner.identity).jws
            if signing.claimed_typ(jws) == kind.TYP:
                found.append(signing.verify(jws, kind, {card.fingerprint: card.key}))
    return found


def around(world: World, *, hours: int = 24) -> ListClips:
    now = int(world.clock.now())
    return ListClips(window=Window(start=now - hours * 3600, end=now))


# Pause and resume


def test_while_paused_no_request_is_shown_and_after_it_those_that_are_open(world: World) -> None:
    world.house.record()
    first = world.post()
    world.to_device(world.house.command(PauseRequests()))
    assert world.inbox == {}
    second = world.post()
    assert world.inbox == {}
    world.to_device(world.house.command(ResumeRequests()))
    assert set(world.inbox) == {
        topics.inbox(DEVICE, signing.digest(post)[:16]) for post in (first, second)
    }
    assert [event for event, _ in world.events("requests.")] == [
        "requests.paused", "requests.resumed",
    ]  # fmt: skip
    assert [answer.event for answer in answers(world, Outcome)] == ["DONE", "DONE"]
    assert world.outcomes() == {}, "an answer to a command stays with nobody"


def test_a_pause_outlives_a_restart(world: World) -> None:
    world.house.record()
    world.to_device(world.house.command(PauseRequests()))
    world.restart()
    world.post()
    assert world.inbox == {}


def test_a_request_shown_before_a_pause_can_be_approved_in_it(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.to_device(world.house.command(PauseRequests()))
    world.to_device(world.house.approve(post, [clip]))
    assert len(world.receiver.finished) == 1


# Thumbnails


def test_thumbnails_are_one_line_of_the_ledger_that_names_how_many(world: World) -> None:
    clips = [world.house.record(thumbnail=bytes([n]) * 99, seconds_ago=60 + n) for n in range(3)]
    ids = tuple(clip.id for clip in clips)
    world.to_device(world.house.command(Thumbnails(clips=(*ids, "20000101-000000-000000"))))
    ((_, said),) = world.events("thumbnails.sent")
    assert said == {
        "owner": world.house.owner.id, "clips": 3, "first": min(ids), "last": max(ids),
    }  # fmt: skip
    topic, message = next(one for one in world.broker.published if "/preview/" in one[0])
    opened = [
        seal.open_bytes(sealed, world.house.owner.identity) if sealed else b""
        for _, sealed in thumbnails.entries(message)
    ]
    assert opened == [*(bytes([n]) * 99 for n in range(3)), b""]
    assert not any(clip in topic for clip in ids)


def test_thumbnails_of_no_clip_of_this_device_are_refused(world: World) -> None:
    world.to_device(world.house.command(Thumbnails(clips=("20000101-000000-000000",))))
    assert rules(world, "decision.refused") == ["no-such-clip"]
    assert world.events("thumbnails.") == []


def test_a_stranger_gets_no_thumbnails(world: World) -> None:
    clip = world.house.record(thumbnail=b"\xff\xd8")
    world.to_device(world.house.command(Thumbnails(clips=(clip.id,)), by=Person()))
    assert not any("/preview/" in topic for topic, _ in world.broker.published)
    assert world.events("thumbnails.") == []


# Taken out by hand


def exported(clip: Clip, *, sha256: str | None = None, request: str | None = None) -> NoteExport:
    whole = ApprovedClip(id=clip.id, sha256=sha256 or clip.sha256, trim=None, redact=())
    file = "f" * 64
    return NoteExport(clip=whole, file_sha256=file, bytes=9, portal="Axon", request=request)


def test_a_clip_taken_out_by_hand_is_a_line_of_the_ledger(world: World) -> None:
    clip = world.house.record()
    world.to_device(world.house.command(exported(clip, request="d" * 64)))
    ((_, said),) = world.events("clip.exported")
    assert said == {
        "owner": world.house.owner.id, "portal": "Axon", "file": "f" * 64, "bytes": 9,
        "request": "d" * 64,
    }  # fmt: skip
    assert [answer.event for answer in answers(world, Outcome)] == ["DONE"]


def test_a_letter_that_comes_twice_is_one_line(world: World) -> None:
    letter = world.house.command(exported(world.house.record()))
    world.to_device(letter)
    world.to_device(letter)
    assert len(world.events("clip.exported")) == 1


def test_the_line_is_refused_for_a_clip_that_the_device_does_not_hold(world: World) -> None:
    clip = world.house.record()
    for other in (
        exported(clip, sha256="0" * 64),
        exported(replace(clip, id="20000101-000000-000000")),
    ):
        world.to_device(world.house.command(other))
    assert rules(world, "decision.refused") == ["clip-changed", "no-such-clip"]
    assert world.events("clip.exported") == []


def test_nobody_but_an_owner_writes_the_line(world: World) -> None:
    clip = world.house.record()
    world.to_device(world.house.command(exported(clip), by=Person()))
    assert world.events("clip.exported") == []


# Mute


def test_a_muted_requester_is_heard_no_more_and_what_it_asks_is_declined(world: World) -> None:
    world.house.record()
    asked = [world.post(), world.post()]
    world.to_device(world.house.command(Mute(requester=world.house.requester.id, muted=True)))
    assert [world.request_state(post) for post in asked] == ["DECLINED", "DECLINED"]
    assert world.inbox == {}
    assert world.request_state(world.post()) == "REFUSED"
    assert [event for event, _ in world.events("requester.")] == ["requester.muted"]


def test_an_unmuted_requester_is_heard_again(world: World) -> None:
    world.house.record()
    requester = world.house.requester.id
    for muted in (True, False):
        world.to_device(world.house.command(Mute(requester=requester, muted=muted)))
    post = world.post()
    assert world.request_state(post) == "OPEN"
    assert [event for event, _ in world.events("requester.")] == [
        "requester.muted", "requester.unmuted",
    ]  # fmt: skip


def test_declining_and_muting_declines_all_that_this_requester_asks(world: World) -> None:
    world.house.record()
    asked = [world.post(), world.post()]
    world.to_device(world.house.decline(asked[0], mute=True))
    assert [world.request_state(post) for post in asked] == ["DECLINED", "DECLINED"]
    (line,) = [detail for _, detail in world.events("requester.muted")]
    assert line == {"owner": world.house.owner.id}


def test_a_stranger_cannot_be_muted(world: World) -> None:
    world.to_device(world.house.command(Mute(requester=Person().id, muted=True)))
    assert rules(world, "decision.refused") == ["unknown-requester"]


def test_a_requester_that_is_not_muted_cannot_be_unmuted(world: World) -> None:
    world.to_device(world.house.command(Mute(requester=world.house.requester.id, muted=False)))
    assert rules(world, "decision.refused") == ["not-muted"]


def test_a_requester_muted_by_the_config_stays_muted(tmp_path: Path) -> None:
    requester = Person().id
    world = World(tmp_path, requests=config.Requests(muted=(requester,)))
    world.to_device(world.house.command(Mute(requester=requester, muted=False)))
    assert rules(world, "decision.refused") == ["muted-by-config"]
    (outcome,) = world.outcomes().values()
    assert outcome.event == "REFUSED"
    world.kill()


# Revoke


@pytest.mark.parametrize("needed", [1, 2])
def test_a_revocation_that_the_broker_brings_before_the_approval_holds(
    tmp_path: Path, needed: int
) -> None:
    world = World(tmp_path, partner=True, approvals_needed=needed)
    clip, house = world.house.record(), world.house
    jws = house.owner.signing.sign(house.approval(world.post(), [clip]))
    world.to_device(house.command(Revoke(release=signing.digest(jws)[:16]), by=house.partner))
    assert answers(world, Outcome)[-1].event == "DONE"
    world.restart()
    world.to_device(house.seal_letter(jws, house.clip_keys([clip])))
    assert rules(world, "decision.refused") == ["revoked-before"]
    assert world.receiver.calls == []
    assert not world.events("release.proposed")
    world.kill()


def test_a_sent_release_cannot_be_revoked_and_the_owner_is_told(world: World) -> None:
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]))
    (release_id,) = world.outcomes()
    world.to_device(world.house.command(Revoke(release=release_id)))
    assert rules(world, "decision.refused") == ["release-over"]
    assert state_of(world, release_id) == "SENT"
    refusals = [told.detail for told in world.outcomes().values() if told.event == "REFUSED"]
    assert refusals == ["release-over: the release is SENT already"]


def test_a_release_sent_while_its_revocation_is_read_is_not_reported_as_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Releases have a thread of their own, whose last chunk may be through just then."""
    clip, post = world.house.record(), world.post()
    world.receiver.faults = ["request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    gateway, real = world.gateway, UnitOfWork.acting_on
    assert gateway is not None

    def sent_just_before(work: UnitOfWork, *given: Any) -> Any:
        world.clock.advance(10)
        while gateway.releases.step():
            pass
        return real(work, *given)

    monkeypatch.setattr(UnitOfWork, "acting_on", sent_just_before)
    world.to_device(world.house.command(Revoke(release=release_id)))
    assert state_of(world, release_id) == "SENT"
    assert rules(world, "decision.refused") == ["release-over"]
    assert not answers(world, Outcome)
    assert not world.events("release.revoke-asked")


def test_an_owner_revokes_what_the_other_approved(shared: World) -> None:
    clip = shared.house.record()
    shared.receiver.faults = ["request-lost"]
    shared.to_device(shared.house.approve(shared.post(), [clip]))
    (release_id,) = shared.outcomes()
    revoke = shared.house.command(Revoke(release=release_id), by=shared.house.partner)
    shared.to_device(revoke)
    shared.clock.advance(3600)
    shared.run()
    assert state_of(shared, release_id) == "REVOKED"
    (line,) = [detail for _, detail in shared.events("release.revoke-asked")]
    assert line == {"owner": shared.house.partner.id}


# Lists


def test_a_list_names_the_clips_of_the_time_asked_for_whether_anybody_asked_for_them(
    world: World,
) -> None:
    world.house.record(seconds_ago=30 * 3600)
    inside = [world.house.record(seconds_ago=ago) for ago in (7200, 60)]
    letter = world.house.command(around(world))
    world.to_device(letter)
    (listing,) = answers(world, Listing)
    assert [offer.id for offer in listing.clips] == [clip.id for clip in inside]
    assert listing.more_clips == 0
    assert listing.device == DEVICE
    ((_, line),) = world.events("clips.listed")
    assert line["clips"] == 2
    assert world.broker.unacknowledged == {}


def test_the_keys_in_a_list_are_sealed_to_the_owners(shared: World) -> None:
    clip = shared.house.record()
    shared.to_device(shared.house.command(around(shared)))
    (listing,) = answers(shared, Listing)
    (offer,) = listing.clips
    keys = {
        seal.open_key(offer.sealed_key, person.identity, clip_id=clip.id).identity
        for person in (shared.house.owner, shared.house.partner)
    }
    assert len(keys) == 1


def test_of_more_clips_than_fit_the_newest_are_named_and_the_rest_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.gateway.decisions.commands.MAX_OFFERED_CLIPS", 2)
    clips = [world.house.record(seconds_ago=600 - 100 * n) for n in range(5)]
    world.to_device(world.house.command(around(world)))
    (listing,) = answers(world, Listing)
    assert [offer.id for offer in listing.clips] == [clip.id for clip in clips[-2:]]
    assert listing.more_clips == 3


def test_a_list_of_all_time_is_no_trouble(world: World) -> None:
    world.house.record()
    ask = ListClips(window=Window(start=0, end=253_402_300_799))
    world.to_device(world.house.command(ask))
    (listing,) = answers(world, Listing)
    assert len(listing.clips) == 1


def test_a_list_is_told_once_and_not_again_to_whoever_comes_later(world: World) -> None:
    world.house.record()
    letter = world.house.command(around(world))
    world.to_device(letter)
    world.to_device(letter)
    world.restart()
    assert len(answers(world, Listing)) == 1
    assert rules(world, "decision.refused") == ["replayed"]
    assert world.outcomes() == {}


def test_an_answer_that_finds_no_broker_ends_nothing(world: World) -> None:
    world.house.record()
    letter = world.house.command(around(world))
    assert world.gateway is not None
    link = world.gateway.owner_link
    world.broker.send(topics.owner(DEVICE), letter)
    world.broker.client = None  # cut before the answer
    world.gateway.step()
    assert answers(world, Listing) == []
    world.broker.client = link  # type: ignore[assignment]
    world.to_device(world.house.command(around(world)))
    assert len(answers(world, Listing)) == 1


# Who may


@pytest.mark.parametrize("command", [PauseRequests(), ResumeRequests(), Revoke(release="0" * 16)])
def test_a_stranger_commands_nothing(world: World, command: object) -> None:
    world.to_device(world.house.command(command, by=Person()))
    assert rules(world, "decision.refused") == ["unknown-signer"]
    assert world.events("requests.") == []


def test_a_retained_command_is_not_obeyed(world: World) -> None:
    world.to_device(world.house.command(PauseRequests()), retained=True)
    assert rules(world, "decision.refused") == ["retained"]
    assert world.events("requests.") == []


def test_a_command_that_comes_again_is_obeyed_once(world: World) -> None:
    letter = world.house.command(PauseRequests())
    world.to_device(letter)
    world.to_device(world.house.command(ResumeRequests()))
    world.to_device(letter)
    world.house.record()
    world.post()
    assert len(world.inbox) == 1
    assert rules(world, "decision.refused") == ["replayed"]


# Previews


def test_a_preview_that_cannot_wait_is_refused_and_not_on_the_record_as_sent(
    world: World,
) -> None:
    clips = [
        world.house.record(seconds_ago=60 + n, video=os.urandom(3 * topics.CHUNK_BYTES))
        for n in range(14)
    ]
    for clip in clips:
        command = world.house.command(Preview(clip=clip.id))
        world.broker.send(topics.owner(DEVICE), command)
    world.run()
    prefix = f"clip-agent/{DEVICE}/preview/"
    sent = {topic.split("/")[3] for topic, _ in world.broker.published if topic.startswith(prefix)}
    assert len(world.events("clip.previewed")) == len(sent)
    refused = rules(world, "decision.refused")
    assert set(refused) == {"too-many-previews"}
    assert len(sent) + len(refused) == len(clips)
    told = [outcome for outcome in world.outcomes().values() if outcome.event == "REFUSED"]
    assert len(told) == len(refused)
