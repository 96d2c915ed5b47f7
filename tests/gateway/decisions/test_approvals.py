"""Two owners who must say the same, and what never counts as that.

What is refused of a single letter is in ``test_decisions.py``; shares are in ``test_shares.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.consent import lifecycle, signing
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    Disclosure,
    Redaction,
    Revoke,
    Trim,
    Window,
    Withdrawal,
)
from agent.errors import ConfigError
from agent.mqtt import topics
from agent.parties import load_owners
from agent.vault.database.gateway import Clip
from agent.vault.records.ledger import Ledger
from tests.support.gateway_world import DEVICE, FEED, World, rules, state_of
from tests.support.house import Person
from tests.support.two_owners import ask, opened, releases, report


def withdraw(world: World, post: str) -> None:
    withdrawal = Withdrawal(
        iss=world.house.requester.id,
        jti=signing.new_jti(b"w" * 16),
        iat=int(world.clock.now()),
        request=signing.digest(post),
    )
    payload = world.house.requester.signing.sign(withdrawal).encode()
    world.broker.send(topics.withdrawal(FEED, withdrawal.jti), payload, retained=True)
    world.run()


# The straight way


def test_one_of_two_owners_releases_nothing(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    (outcome,) = shared.outcomes().values()
    assert outcome.event == "PROPOSED"
    assert shared.receiver.calls == []
    assert shared.broker.unacknowledged == {}, "its keys are of no use any more"
    assert not list((shared.house.config.state_dir / "gateway" / "outbox").iterdir())


def test_the_other_owner_is_shown_what_was_proposed(shared: World) -> None:
    post, clip = ask(shared)
    approval = shared.house.approval(post, [clip], disclose=Disclosure(name="Olive"))
    shared.to_device(shared.house.letter(approval, shared.house.clip_keys([clip])))
    (proposal,) = report(shared).proposals
    (release,) = releases(shared)
    assert (proposal.release, proposal.owner) == (release.id, shared.house.owner.id)
    assert (proposal.clips, proposal.disclose) == (approval.clips, approval.disclose)
    assert report(shared).approvals_needed == 2
    owners = [shared.house.owner, shared.house.partner]
    assert [one.fingerprint for one in report(shared).owners] == [
        one.signing.public.fingerprint for one in owners
    ]
    (outcome,) = shared.outcomes().values()
    assert outcome.decision == release.approval


@pytest.mark.parametrize("turned", [False, True])
def test_two_owners_who_approve_the_same_release_one_bundle(
    shared: World, tmp_path: Path, turned: bool
) -> None:
    house = shared.house
    first, second = (house.partner, house.owner) if turned else (house.owner, house.partner)
    post, clip = ask(shared)
    shared.to_device(house.approve(post, [clip], by=first))
    shared.to_device(house.approve(post, [clip], by=second))
    bundle = opened(shared, house.requester, tmp_path)
    assert bundle.second is not None
    assert (bundle.approval.iss, bundle.second.iss) == (first.id, second.id)
    assert {path.name for path in (bundle.folder / "data").iterdir()} == {
        f"{clip.id}.mp4", "request.jws", "approval.jws", "approval-2.jws", "release.jws",
        "README.txt",
    }  # fmt: skip
    assert [event for event, _ in shared.events("release.")] == [
        "release.proposed", "release.approved", "release.sealed", "release.sent",
    ]  # fmt: skip
    assert [line["owner"] for _, line in shared.events("release.") if "owner" in line] == [
        first.id, second.id,
    ]  # fmt: skip
    assert report(shared).proposals == ()
    assert shared.broker.unacknowledged == {}


def test_the_owner_who_agrees_is_told_which_release_it_was(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    (release_id,) = shared.outcomes()
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    told = shared.outcomes()
    assert told.pop(release_id).event == "SENT"
    (other,) = told.values()
    assert (other.event, other.detail) == ("AGREED", release_id)


def test_the_order_in_which_clips_are_named_says_nothing(shared: World) -> None:
    clips = [shared.house.record(seconds_ago=600), shared.house.record(seconds_ago=300)]
    post = shared.post()
    shared.to_device(shared.house.approve(post, clips))
    shared.to_device(shared.house.approve(post, clips[::-1], by=shared.house.partner))
    assert len(shared.receiver.finished) == 1


def test_some_clips_now_and_more_later_while_the_request_is_open(shared: World) -> None:
    clips = [shared.house.record(seconds_ago=600), shared.house.record(seconds_ago=300)]
    post = shared.post()
    for clip in clips:
        shared.to_device(shared.house.approve(post, [clip]))
    for clip in clips:
        shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    assert len({upload.release for upload in shared.receiver.finished}) == 2


def test_either_owner_may_approve_if_one_is_enough(tmp_path: Path) -> None:
    world = World(tmp_path / "house", partner=True)
    post, clip = ask(world)
    world.to_device(world.house.approve(post, [clip], by=world.house.partner))
    bundle = opened(world, world.house.requester, tmp_path)
    assert bundle.approval.iss == world.house.partner.id
    assert bundle.second is None
    world.kill()


def test_a_proposed_clip_is_shown_though_its_time_was_corrected_since(shared: World) -> None:
    """It may lie outside the request's window then, where nothing is counted."""
    shared.clock.is_synced = False
    clip = shared.house.record()
    shared.clock.step_wall(5_000)
    shared.clock.is_synced = True
    now = int(shared.clock.now())
    post = shared.post(shared.house.request(window=Window(start=now - 6_000, end=now - 4_000)))
    shared.to_device(shared.house.approve(post, [clip]))
    shared.correct_times()
    (proposal,) = report(shared).proposals
    (offer,) = report(shared).clips
    assert (offer.id, offer.clock_synced) == (clip.id, True)
    assert [approved.id for approved in proposal.clips] == [clip.id]


def test_no_key_of_a_proposal_is_on_the_disk(shared: World) -> None:
    post, clip = ask(shared)
    (key,) = shared.house.clip_keys([clip]).values()
    shared.to_device(shared.house.approve(post, [clip]))
    for path in shared.house.config.state_dir.rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), path


# What is not another owner's approval of the same


def test_the_same_owner_twice_is_one_owner(shared: World) -> None:
    post, clip = ask(shared)
    for _ in range(3):
        shared.to_device(shared.house.approve(post, [clip]))
    assert shared.receiver.calls == []
    assert rules(shared, "decision.refused") == ["already-proposed"] * 2
    assert [release.state for release in releases(shared)] == ["PROPOSED"]


def test_the_same_letter_twice_is_one_owner(shared: World) -> None:
    post, clip = ask(shared)
    letter = shared.house.approve(post, [clip])
    for _ in range(3):
        shared.to_device(letter)
    assert shared.receiver.calls == []
    assert rules(shared, "decision.refused") == ["replayed"]
    (outcome,) = shared.outcomes().values()
    assert outcome.event == "PROPOSED"


def test_one_key_on_two_cards_is_one_owner(tmp_path: Path) -> None:
    world = World(tmp_path)
    (card,) = world.house.config.owners
    twin = tmp_path / "twin.card.yaml"
    plain = yaml.safe_load(card.read_text()) | {"name": "Somebody else"}
    twin.write_text(yaml.safe_dump(plain))
    with pytest.raises(ConfigError, match=r"twin\.card\.yaml.*another owner's card"):
        load_owners((card, twin))
    world.kill()


def changed(clip: Clip, **changes: Any) -> tuple[ApprovedClip, ...]:
    values: dict[str, Any] = {"id": clip.id, "sha256": clip.sha256, "trim": None, "redact": ()}
    return (ApprovedClip(**(values | changes)),)


@pytest.mark.parametrize(
    "change",
    [
        {"trim": Trim(from_seconds=0, to_seconds=1)},
        {"redact": (Redaction.still(x=0, y=0, width=0.5, height=0.5),)},
        {"disclose": Disclosure(email="olive@example.org")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_difference_makes_a_proposal_of_its_own(shared: World, change: dict[str, Any]) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    other = change if "disclose" in change else {"clips": changed(clip, **change)}
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner, **other))
    assert shared.receiver.calls == []
    assert [release.state for release in releases(shared)] == ["PROPOSED", "PROPOSED"]
    assert len(report(shared).proposals) == 2


def test_fewer_clips_are_another_thing(shared: World) -> None:
    clips = [shared.house.record(seconds_ago=600), shared.house.record(seconds_ago=300)]
    post = shared.post()
    shared.to_device(shared.house.approve(post, clips))
    shared.to_device(shared.house.approve(post, clips[:1], by=shared.house.partner))
    assert shared.receiver.calls == []


def test_the_same_clips_for_another_request_are_another_thing(shared: World) -> None:
    clip = shared.house.record()
    posts = [shared.post(), shared.post()]
    shared.to_device(shared.house.approve(posts[0], [clip]))
    shared.to_device(shared.house.approve(posts[1], [clip], by=shared.house.partner))
    assert shared.receiver.calls == []


def test_a_stranger_is_no_second_owner(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    shared.to_device(shared.house.approve(post, [clip], by=Person()))
    assert shared.receiver.calls == []
    assert rules(shared, "decision.refused") == ["unknown-signer"]


def keyless(world: World, approval: Approval, by: Person) -> bytes:
    """An owner's letter that does not know of the other's."""
    return world.house.letter(approval, {}, by=by)


@pytest.mark.parametrize("first_brings", [False, True], ids=["second", "first"])
def test_of_two_approvals_that_crossed_either_brings_the_keys_later(
    shared: World, first_brings: bool
) -> None:
    post, clip = ask(shared)
    house = shared.house
    first = house.approval(post, [clip])
    second = house.approval(post, [clip], iss=house.partner.id)
    shared.to_device(keyless(shared, first, house.owner))
    assert [release.state for release in releases(shared)] == ["PROPOSED"]
    shared.to_device(keyless(shared, second, house.partner))
    (release,) = releases(shared)
    assert (release.state, release.detail) == ("APPROVED", lifecycle.KEYS_AWAITED)
    assert shared.outcomes()[release.id].detail == lifecycle.KEYS_AWAITED
    assert shared.receiver.calls == []
    shared.restart()
    who, said = (house.owner, first) if first_brings else (house.partner, second)
    for _ in range(2):
        shared.to_device(house.letter(said, house.clip_keys([clip]), by=who))
    assert len(shared.receiver.finished) == 1
    assert state_of(shared, release.id) == "SENT"
    assert shared.broker.unacknowledged == {}


def test_letters_that_crossed_and_come_again_without_keys_change_nothing(shared: World) -> None:
    post, clip = ask(shared)
    house = shared.house
    approvals = [house.approval(post, [clip], iss=who.id) for who in (house.owner, house.partner)]
    for _ in range(3):
        for approval, who in zip(approvals, (house.owner, house.partner), strict=True):
            shared.to_device(keyless(shared, approval, who))
    (release,) = releases(shared)
    assert release.state == "APPROVED"
    assert rules(shared, "decision.refused") == ["replayed", "replayed"]
    assert "REFUSED" not in {outcome.event for outcome in shared.outcomes().values()}
    shared.to_device(house.command(Revoke(release=release.id)))
    shared.to_device(house.letter(approvals[0], house.clip_keys([clip])))
    assert state_of(shared, release.id) == "REVOKED"
    assert shared.receiver.calls == []


def test_where_one_owner_is_enough_an_approval_without_keys_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path / "house", partner=True)
    post, clip = ask(world)
    world.to_device(world.house.letter(world.house.approval(post, [clip]), {}))
    assert rules(world, "decision.refused") == ["key-missing"]
    world.kill()


def test_more_proposals_than_an_owner_can_be_shown_are_refused(shared: World) -> None:
    post, clip = ask(shared)
    for number in range(9):
        trim = Trim(from_seconds=0, to_seconds=1 + number / 10)
        shared.to_device(shared.house.approve(post, [clip], clips=changed(clip, trim=trim)))
    assert rules(shared, "decision.refused") == ["too-many-proposals"]
    assert len(report(shared).proposals) == 8


# The end of a proposal


def test_any_owner_may_decline_what_another_approved(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    shared.to_device(shared.house.decline(post, by=shared.house.partner))
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    (release,) = releases(shared)
    assert (release.state, release.detail) == ("REVOKED", "an owner declined the request")
    assert state_of(shared, release.id) == "REVOKED"
    assert rules(shared, "decision.refused") == ["request-closed"]
    assert shared.receiver.calls == []


def test_a_withdrawn_request_ends_its_proposals(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    withdraw(shared, post)
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    (release,) = releases(shared)
    assert (release.state, release.detail) == ("REVOKED", "the request was withdrawn")
    assert shared.receiver.calls == []


def test_a_proposal_ends_with_its_request(shared: World) -> None:
    clip = shared.house.record()
    post = shared.post(shared.house.request(exp=int(shared.clock.now()) + 3600))
    shared.to_device(shared.house.approve(post, [clip]))
    shared.clock.advance(2 * 3600)
    shared.run()
    (release,) = releases(shared)
    assert (release.state, release.detail) == ("REVOKED", "the request expired")


def test_a_second_approval_after_the_first_one_ended_is_the_first(shared: World) -> None:
    post, clip = ask(shared)
    soon = int(shared.clock.now()) + 600
    shared.to_device(shared.house.approve(post, [clip], exp=soon))
    shared.clock.advance(700)
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    assert sorted(release.state for release in releases(shared)) == ["FAILED", "PROPOSED"]
    assert len(report(shared).proposals) == 1
    assert shared.receiver.calls == []


@pytest.mark.parametrize("by_partner", [False, True])
def test_a_revoked_proposal_cannot_be_agreed_with(shared: World, by_partner: bool) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    (release_id,) = shared.outcomes()
    who = shared.house.partner if by_partner else shared.house.owner
    shared.to_device(shared.house.command(Revoke(release=release_id), by=who))
    assert state_of(shared, release_id) == "REVOKED"
    assert report(shared).proposals == ()
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    assert shared.receiver.calls == []
    assert sorted(release.state for release in releases(shared)) == ["PROPOSED", "REVOKED"]


def test_the_second_owner_may_revoke_by_the_name_of_their_own_approval(shared: World) -> None:
    """It is the one that they were told when they signed; the release has the other's."""
    clip = shared.house.record()
    shared.receiver.faults = ["request-lost"] * 100
    post = shared.post()
    shared.to_device(shared.house.approve(post, [clip]))
    (release_id,) = shared.outcomes()
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    (agreed,) = set(shared.outcomes()) - {release_id}
    shared.to_device(shared.house.command(Revoke(release=agreed), by=shared.house.partner))
    shared.clock.advance(3600)
    shared.run()
    assert state_of(shared, release_id) == "REVOKED"
    assert shared.receiver.finished == []
    assert [event for event, _ in shared.events("release.revoke")] == [
        "release.revoke-asked", "release.revoked",
    ]  # fmt: skip


def test_a_sent_release_cannot_be_revoked_by_either_name(shared: World) -> None:
    clip = shared.house.record()
    post = shared.post()
    shared.to_device(shared.house.approve(post, [clip]))
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    for name in shared.outcomes():
        shared.to_device(shared.house.command(Revoke(release=name), by=shared.house.partner))
    assert rules(shared, "decision.refused") == ["release-over", "release-over"]
    assert not shared.events("release.revoked-early")


@pytest.mark.parametrize("sooner", ["first", "second"])
def test_an_agreed_release_ends_with_the_earlier_approval(shared: World, sooner: str) -> None:
    post, clip = ask(shared)
    soon, late = int(shared.clock.now()) + 600, int(shared.clock.now()) + 86_400
    ends = (soon, late) if sooner == "first" else (late, soon)
    shared.receiver.faults = ["request-lost"] * 100
    shared.to_device(shared.house.approve(post, [clip], exp=ends[0]))
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner, exp=ends[1]))
    shared.clock.advance(599)
    shared.run()
    (release,) = releases(shared)
    assert release.state == "SEALED"
    shared.clock.advance(1)
    shared.run()
    (release,) = releases(shared)
    assert release.state == "FAILED"


def test_a_proposal_ends_by_a_synced_clock_alone(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip], exp=int(shared.clock.now()) + 600))
    shared.clock.is_synced = False
    shared.clock.step_wall(3600)
    shared.run()
    assert [release.state for release in releases(shared)] == ["PROPOSED"]
    shared.clock.step_wall(-3600)
    shared.clock.is_synced = True
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    assert len(shared.receiver.finished) == 1


# Crashes and repeats


@pytest.mark.parametrize("commits", range(14))
def test_a_crash_after_any_commit_ends_in_exactly_one_bundle(tmp_path: Path, commits: int) -> None:
    world = World(tmp_path, partner=True, approvals_needed=2)
    clip = world.house.record()
    world.crash_after = commits
    post = world.post()
    world.to_device(world.house.approve(post, [clip]))
    world.to_device(world.house.approve(post, [clip], by=world.house.partner))
    for _ in range(3):
        world.clock.advance(60)
        world.run()
    assert len(world.receiver.finished) == 1
    assert sorted(outcome.event for outcome in world.outcomes().values()) == ["AGREED", "SENT"]
    with world.house.open_database() as database:
        Ledger(database).verify()
    assert world.crashes == 1
    world.kill()


@pytest.mark.parametrize("first_brings", [False, True], ids=["second", "first"])
def test_after_a_crash_either_owners_letter_brings_the_keys(
    shared: World, first_brings: bool
) -> None:
    """Killed after agreeing, the keys are lost; both owners said that these clips may leave."""
    post, clip = ask(shared)
    first = shared.house.approve(post, [clip])
    shared.to_device(first)
    second = shared.house.approve(post, [clip], by=shared.house.partner)
    shared.crash_after = 0
    shared.broker.send(topics.owner(DEVICE), second)
    assert not shared._guard(shared.gateway.step)  # type: ignore[union-attr]
    shared.broker.unacknowledged.clear()
    shared.restart()
    assert shared.receiver.calls == []
    shared.to_device(first if first_brings else second)
    assert len(shared.receiver.finished) == 1


def test_letters_that_come_again_later_send_nothing_again(shared: World) -> None:
    post, clip = ask(shared)
    letters = [shared.house.approve(post, [clip], by=who) for who in (None, shared.house.partner)]
    for letter in (*letters, *letters, *letters[::-1]):
        shared.to_device(letter)
    shared.restart()
    assert len(shared.receiver.uploads) == 1
    assert rules(shared, "decision.refused") == ["replayed", "replayed"]
