"""Two owners who must say the same, and what never counts as that.

What is refused of a single letter is in ``test_decisions.py``; shares are in ``test_shares.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.consent import signing
from agent.consent.statements import (
    ApprovedClip,
    Box,
    Disclosure,
    Revoke,
    Trim,
    Withdrawal,
)
from agent.errors import ConfigError
from agent.mqtt import topics
from agent.parties import load_owners
from agent.vault.database.index import Clip
from agent.vault.records.ledger import Ledger
from tests.support.gateway_world import DEVICE, FEED, World, rules, state_of
from tests.support.house import Person
from tests.support.two_owners import ask, cases, opened, report


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


def test_one_of_two_owners_releases_nothing(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    (outcome,) = couple.outcomes().values()
    assert outcome.event == "PROPOSED"
    assert couple.receiver.calls == []
    assert couple.broker.unacknowledged == {}, "its keys are of no use any more"
    assert not list((couple.house.config.state_dir / "outbox").iterdir())


def test_the_other_owner_is_shown_what_was_proposed(couple: World) -> None:
    post, clip = ask(couple)
    approval = couple.house.approval(post, [clip], disclose=Disclosure(name="Olive"))
    couple.to_device(couple.house.letter(approval, couple.house.clip_keys([clip])))
    (proposal,) = report(couple).proposals
    (case,) = cases(couple)
    assert (proposal.release, proposal.owner) == (case.id, couple.house.owner.id)
    assert (proposal.clips, proposal.disclose) == (approval.clips, approval.disclose)
    assert report(couple).approvals_needed == 2
    owners = [couple.house.owner, couple.house.partner]
    assert [one.fingerprint for one in report(couple).owners] == [
        one.signing.public.fingerprint for one in owners
    ]
    (outcome,) = couple.outcomes().values()
    assert outcome.decision == case.approval


@pytest.mark.parametrize("turned", [False, True])
def test_two_owners_who_approve_the_same_release_one_bundle(
    couple: World, tmp_path: Path, turned: bool
) -> None:
    house = couple.house
    first, second = (house.partner, house.owner) if turned else (house.owner, house.partner)
    post, clip = ask(couple)
    couple.to_device(house.approve(post, [clip], by=first))
    couple.to_device(house.approve(post, [clip], by=second))
    bundle = opened(couple, house.requester, tmp_path)
    assert bundle.second is not None
    assert (bundle.approval.iss, bundle.second.iss) == (first.id, second.id)
    assert {path.name for path in (bundle.folder / "data").iterdir()} == {
        f"{clip.id}.mp4", "request.jws", "approval.jws", "approval-2.jws", "release.jws",
    }  # fmt: skip
    assert [event for event, _ in couple.events("release.")] == [
        "release.proposed", "release.approved", "release.sealed", "release.sent",
    ]  # fmt: skip
    assert [line["owner"] for _, line in couple.events("release.") if "owner" in line] == [
        first.id, second.id,
    ]  # fmt: skip
    assert report(couple).proposals == ()
    assert couple.broker.unacknowledged == {}


def test_the_owner_who_agrees_is_told_which_release_it_was(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    (release_id,) = couple.outcomes()
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    told = couple.outcomes()
    assert told.pop(release_id).event == "SENT"
    (other,) = told.values()
    assert (other.event, other.detail) == ("AGREED", release_id)


def test_the_order_in_which_clips_are_named_says_nothing(couple: World) -> None:
    clips = [couple.house.record(seconds_ago=600), couple.house.record(seconds_ago=300)]
    post = couple.post()
    couple.to_device(couple.house.approve(post, clips))
    couple.to_device(couple.house.approve(post, clips[::-1], by=couple.house.partner))
    assert len(couple.receiver.finished) == 1


def test_some_clips_now_and_more_later_while_the_request_is_open(couple: World) -> None:
    clips = [couple.house.record(seconds_ago=600), couple.house.record(seconds_ago=300)]
    post = couple.post()
    for clip in clips:
        couple.to_device(couple.house.approve(post, [clip]))
    for clip in clips:
        couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    assert len({upload.release for upload in couple.receiver.finished}) == 2


def test_where_one_owner_is_enough_either_may(tmp_path: Path) -> None:
    world = World(tmp_path / "house", partner=True)
    post, clip = ask(world)
    world.to_device(world.house.approve(post, [clip], by=world.house.partner))
    bundle = opened(world, world.house.requester, tmp_path)
    assert bundle.approval.iss == world.house.partner.id
    assert bundle.second is None
    world.kill()


def test_no_key_of_a_proposal_is_on_the_disk(couple: World) -> None:
    post, clip = ask(couple)
    (key,) = couple.house.clip_keys([clip]).values()
    couple.to_device(couple.house.approve(post, [clip]))
    for path in couple.house.config.state_dir.rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), path


# What is not another owner's approval of the same


def test_the_same_owner_twice_is_one_owner(couple: World) -> None:
    post, clip = ask(couple)
    for _ in range(3):
        couple.to_device(couple.house.approve(post, [clip]))
    assert couple.receiver.calls == []
    assert rules(couple, "decision.refused") == ["already-proposed"] * 2
    assert [case.state for case in cases(couple)] == ["PROPOSED"]


def test_the_same_letter_twice_is_one_owner(couple: World) -> None:
    post, clip = ask(couple)
    letter = couple.house.approve(post, [clip])
    for _ in range(3):
        couple.to_device(letter)
    assert couple.receiver.calls == []
    assert rules(couple, "decision.refused") == ["replayed"]
    (outcome,) = couple.outcomes().values()
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
        {"redact": (Box(x=0, y=0, width=0.5, height=0.5),)},
        {"disclose": Disclosure(email="olive@example.org")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_differs_at_all_is_a_proposal_of_its_own(
    couple: World, change: dict[str, Any]
) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    other = change if "disclose" in change else {"clips": changed(clip, **change)}
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner, **other))
    assert couple.receiver.calls == []
    assert [case.state for case in cases(couple)] == ["PROPOSED", "PROPOSED"]
    assert len(report(couple).proposals) == 2


def test_fewer_clips_are_another_thing(couple: World) -> None:
    clips = [couple.house.record(seconds_ago=600), couple.house.record(seconds_ago=300)]
    post = couple.post()
    couple.to_device(couple.house.approve(post, clips))
    couple.to_device(couple.house.approve(post, clips[:1], by=couple.house.partner))
    assert couple.receiver.calls == []


def test_the_same_clips_for_another_request_are_another_thing(couple: World) -> None:
    clip = couple.house.record()
    posts = [couple.post(), couple.post()]
    couple.to_device(couple.house.approve(posts[0], [clip]))
    couple.to_device(couple.house.approve(posts[1], [clip], by=couple.house.partner))
    assert couple.receiver.calls == []


def test_a_stranger_is_no_second_owner(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    couple.to_device(couple.house.approve(post, [clip], by=Person()))
    assert couple.receiver.calls == []
    assert rules(couple, "decision.refused") == ["unknown-signer"]


def test_a_second_letter_without_the_keys_completes_nothing(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    partner = couple.house.partner
    empty = couple.house.approval(post, [clip], iss=partner.id)
    couple.to_device(couple.house.letter(empty, {}, by=partner))
    assert [case.state for case in cases(couple)] == ["PROPOSED"]
    couple.to_device(couple.house.approve(post, [clip], by=partner))
    assert len(couple.receiver.finished) == 1


def test_more_proposals_than_an_owner_can_be_shown_are_refused(couple: World) -> None:
    post, clip = ask(couple)
    for number in range(9):
        trim = Trim(from_seconds=0, to_seconds=1 + number / 10)
        couple.to_device(couple.house.approve(post, [clip], clips=changed(clip, trim=trim)))
    assert rules(couple, "decision.refused") == ["too-many-proposals"]
    assert len(report(couple).proposals) == 8


# The end of a proposal


def test_any_owner_may_decline_what_another_approved(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    couple.to_device(couple.house.decline(post, by=couple.house.partner))
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    (case,) = cases(couple)
    assert (case.state, case.detail) == ("REVOKED", "an owner declined the request")
    assert state_of(couple, case.id) == "REVOKED"
    assert rules(couple, "decision.refused") == ["request-closed"]
    assert couple.receiver.calls == []


def test_a_withdrawn_request_ends_its_proposals(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    withdraw(couple, post)
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    (case,) = cases(couple)
    assert (case.state, case.detail) == ("REVOKED", "the request was withdrawn")
    assert couple.receiver.calls == []


def test_a_proposal_ends_with_its_request(couple: World) -> None:
    clip = couple.house.record()
    post = couple.post(couple.house.request(exp=int(couple.clock.now()) + 3600))
    couple.to_device(couple.house.approve(post, [clip]))
    couple.clock.advance(2 * 3600)
    couple.run()
    (case,) = cases(couple)
    assert (case.state, case.detail) == ("REVOKED", "the request expired")


def test_a_second_approval_after_the_first_one_ended_is_the_first(couple: World) -> None:
    post, clip = ask(couple)
    soon = int(couple.clock.now()) + 600
    couple.to_device(couple.house.approve(post, [clip], exp=soon))
    couple.clock.advance(700)
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    assert sorted(case.state for case in cases(couple)) == ["FAILED", "PROPOSED"]
    assert len(report(couple).proposals) == 1
    assert couple.receiver.calls == []


@pytest.mark.parametrize("by_partner", [False, True])
def test_a_revoked_proposal_cannot_be_agreed_with(couple: World, by_partner: bool) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    (release_id,) = couple.outcomes()
    who = couple.house.partner if by_partner else couple.house.owner
    couple.to_device(couple.house.command(Revoke(release=release_id), by=who))
    assert state_of(couple, release_id) == "REVOKED"
    assert report(couple).proposals == ()
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    assert couple.receiver.calls == []
    assert sorted(case.state for case in cases(couple)) == ["PROPOSED", "REVOKED"]


def test_who_agreed_last_may_revoke_by_the_name_of_their_own_approval(couple: World) -> None:
    """It is the one that they were told when they signed; the release has the other's."""
    clip = couple.house.record()
    couple.receiver.faults = ["request-lost"] * 100
    post = couple.post()
    couple.to_device(couple.house.approve(post, [clip]))
    (release_id,) = couple.outcomes()
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    (agreed,) = set(couple.outcomes()) - {release_id}
    couple.to_device(couple.house.command(Revoke(release=agreed), by=couple.house.partner))
    couple.clock.advance(3600)
    couple.run()
    assert state_of(couple, release_id) == "REVOKED"
    assert couple.receiver.finished == []
    assert [event for event, _ in couple.events("release.revoke")] == [
        "release.revoke-asked", "release.revoked",
    ]  # fmt: skip


def test_what_was_sent_cannot_be_revoked_by_either_name(couple: World) -> None:
    clip = couple.house.record()
    post = couple.post()
    couple.to_device(couple.house.approve(post, [clip]))
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    for name in couple.outcomes():
        couple.to_device(couple.house.command(Revoke(release=name), by=couple.house.partner))
    assert rules(couple, "decision.refused") == ["release-over", "release-over"]
    assert not couple.events("release.revoked-early")


@pytest.mark.parametrize("sooner", ["first", "second"])
def test_what_two_owners_approved_ends_with_the_earlier_of_the_two(
    couple: World, sooner: str
) -> None:
    post, clip = ask(couple)
    soon, late = int(couple.clock.now()) + 600, int(couple.clock.now()) + 86_400
    ends = (soon, late) if sooner == "first" else (late, soon)
    couple.receiver.faults = ["request-lost"] * 100
    couple.to_device(couple.house.approve(post, [clip], exp=ends[0]))
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner, exp=ends[1]))
    couple.clock.advance(599)
    couple.run()
    (case,) = cases(couple)
    assert case.state == "SEALED"
    couple.clock.advance(1)
    couple.run()
    (case,) = cases(couple)
    assert case.state == "FAILED"


def test_whether_a_proposal_has_ended_is_judged_by_a_synced_clock_alone(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip], exp=int(couple.clock.now()) + 600))
    couple.clock.is_synced = False
    couple.clock.step_wall(3600)
    couple.run()
    assert [case.state for case in cases(couple)] == ["PROPOSED"]
    couple.clock.step_wall(-3600)
    couple.clock.is_synced = True
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    assert len(couple.receiver.finished) == 1


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
    with world.house.open_index() as index:
        Ledger(index).verify()
    assert world.crashes == 1
    world.kill()


def test_after_a_crash_the_first_letter_is_no_substitute_for_the_second(couple: World) -> None:
    """Killed after agreeing: only the letter that was not acknowledged brings keys again."""
    post, clip = ask(couple)
    first = couple.house.approve(post, [clip])
    couple.to_device(first)
    second = couple.house.approve(post, [clip], by=couple.house.partner)
    couple.crash_after = 0
    couple.broker.send(topics.owner(DEVICE), second)
    assert not couple._guard(couple.gateway.step)  # type: ignore[union-attr]
    couple.broker.unacknowledged.clear()
    couple.restart()
    couple.to_device(first)
    assert couple.receiver.calls == []
    couple.to_device(second)
    assert len(couple.receiver.finished) == 1


def test_letters_that_come_again_later_send_nothing_again(couple: World) -> None:
    post, clip = ask(couple)
    letters = [couple.house.approve(post, [clip], by=who) for who in (None, couple.house.partner)]
    for letter in (*letters, *letters, *letters[::-1]):
        couple.to_device(letter)
    couple.restart()
    assert len(couple.receiver.uploads) == 1
    assert rules(couple, "decision.refused") == ["replayed", "replayed"]
