"""Held releases: the broker forgot, or the state was restored; only the owner lets them go on."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.consent.statements import (
    HeldDecision,
    HeldMute,
    HeldPause,
    Mute,
    PauseRequests,
    ResumeRequests,
    Revoke,
    Sync,
)
from agent.errors import StorageFault
from agent.gateway.release.bundle.contents import BundleContents
from agent.gateway.release.holds import RESTORED
from agent.gateway.restored import mark
from agent.mqtt import topics
from agent.vault.records.decisions import DecisionTable
from agent.vault.records.events import Event
from tests.support.gateway_world import DEVICE, World, state_of
from tests.support.house import Person
from tests.support.status import leave_status


def sealed(world: World) -> str:
    """A release that waits for its receiver."""
    clip = world.house.record()
    world.receiver.faults = ["request-lost"] * 50
    world.to_device(world.house.approve(world.post(), [clip]))
    (release,) = world.outcomes()
    world.receiver.calls.clear()
    return release


def is_back(world: World) -> None:
    """The receiver answers again, and whatever waits for it is due."""
    world.receiver.faults = []
    world.receiver.calls.clear()
    for _ in range(3):
        world.clock.advance(120)
        world.run()


def forget(world: World) -> None:
    """The Pi loses power, and the broker all that it kept for it."""
    world.kill()
    world.broker.forget()
    world.clock.advance(60)
    world.restart()


def sync(world: World, *decisions: tuple[str, bool], by: Person | None = None, **more: Any) -> None:
    named = tuple(HeldDecision(decision=one, standing=standing) for one, standing in decisions)
    command = world.house.command(Sync(decisions=named, **more), by=by)
    world.to_device(command)


@pytest.fixture
def image(world: World, tmp_path: Path) -> Callable[[], Callable[[], None]]:
    """Takes an image of the card; what it returns puts the image back."""

    def take() -> Callable[[], None]:
        state, copy = world.house.config.state_dir, tmp_path / "image"
        world.kill()
        shutil.copytree(state, copy)
        world.restart()

        def restore() -> None:
            world.kill()
            shutil.rmtree(state)
            shutil.copytree(copy, state)
            world.clock.advance(60)
            world.restart()

        return restore

    return take


# The broker forgot


def test_a_revocation_that_the_broker_forgot_stops_the_release_all_the_same(world: World) -> None:
    release = sealed(world)
    world.kill()
    world.broker.send(topics.owner(DEVICE), world.house.command(Revoke(release=release)))
    forget(world)
    is_back(world)
    assert world.receiver.calls == []
    assert state_of(world, release) == "HELD"
    sync(world, (release, False))
    assert state_of(world, release) == "REVOKED"
    assert [event for event, _ in world.events("release")][-3:] == [
        "release.held", "release.revoke-asked", "release.revoked",
    ]  # fmt: skip


def test_a_held_release_goes_on_when_its_owner_names_it_as_standing(world: World) -> None:
    release = sealed(world)
    forget(world)
    is_back(world)
    sync(world)  # an owner may use two computers
    sync(world, ("0" * 16, True), ("1" * 16, False))
    is_back(world)
    assert world.receiver.calls == [] and state_of(world, release) == "HELD"
    sync(world, (release, True))
    is_back(world)
    assert state_of(world, release) == "SENT"
    assert len(world.receiver.finished) == 1
    assert world.events("release.confirmed") == [
        ("release.confirmed", {"owner": world.house.owner.id})
    ]


def test_a_sync_of_before_the_hold_confirms_nothing(world: World) -> None:
    """It was signed before the revocation that was lost."""
    release = sealed(world)
    named = (HeldDecision(decision=release, standing=True),)
    old = world.house.command(Sync(decisions=named))
    forget(world)
    world.to_device(old)
    is_back(world)
    assert world.receiver.calls == [] and state_of(world, release) == "HELD"


def test_a_restart_keeps_the_hold(world: World) -> None:
    release = sealed(world)
    forget(world)
    world.restart()
    is_back(world)
    assert world.receiver.calls == [] and state_of(world, release) == "HELD"


@pytest.mark.parametrize("commits", range(4))
def test_a_power_cut_before_the_hold_is_on_disk_changes_nothing(world: World, commits: int) -> None:
    """The broker knows the session again, and still it has lost letters."""
    release = sealed(world)
    world.kill()
    world.broker.forget()
    world.crash_after, world.crash_uncommitted = commits, True
    world.restart()
    is_back(world)
    assert world.crashes == 1
    assert world.receiver.calls == [] and state_of(world, release) == "HELD"


def test_each_of_two_owners_who_agreed_must_name_their_own_approval(shared: World) -> None:
    world, olive, paul = shared, shared.house.owner, shared.house.partner
    clip, post = world.house.record(), world.post()
    world.receiver.faults = ["request-lost"] * 50
    second = world.house.approve(post, [clip], by=paul)
    world.to_device(world.house.approve(post, [clip], by=olive))
    (release,) = world.outcomes()
    world.to_device(second)
    (others,) = set(world.outcomes()) - {release}
    forget(world)
    is_back(world)
    sync(world, (release, True), by=olive)
    sync(world, (others, True), (release, True), by=olive)
    is_back(world)
    assert world.receiver.calls == []
    sync(world, (others, True), by=paul)
    is_back(world)
    assert state_of(world, release) == "SENT"


def test_a_held_proposal_stays_held_when_the_other_owner_agrees(shared: World) -> None:
    world, olive, paul = shared, shared.house.owner, shared.house.partner
    clip, post = world.house.record(), world.post()
    world.to_device(world.house.approve(post, [clip], by=olive))
    (release,) = world.outcomes()
    forget(world)
    assert state_of(world, release) == "PROPOSED"
    world.to_device(world.house.approve(post, [clip], by=paul))
    is_back(world)
    assert world.receiver.calls == []
    sync(world, (release, True), by=olive)
    is_back(world)
    assert state_of(world, release) == "SENT"


# An owner with two computers

HOME, AWAY = "0" * 16, "f" * 16


def test_a_held_release_waits_for_the_owners_other_computer_which_may_have_revoked_it(
    world: World,
) -> None:
    release = sealed(world)
    for computer in (HOME, AWAY):
        sync(world, computer=computer)
    world.kill()
    world.broker.send(topics.owner(DEVICE), world.house.command(Revoke(release=release)))
    forget(world)  # and with it the revocation by the computer that is away
    sync(world, (release, True), computer=HOME)
    is_back(world)
    assert world.receiver.calls == []
    told = world.outcomes()[release]
    assert told.event == "HELD" and "another computer of an owner, last heard" in told.detail
    sync(world, (release, False), computer=AWAY)
    assert state_of(world, release) == "REVOKED"
    sync(world, (release, True), computer=HOME)
    is_back(world)
    assert world.receiver.calls == []


def test_a_held_release_goes_on_when_all_computers_of_its_owner_were_heard(world: World) -> None:
    release = sealed(world)
    for computer in (HOME, AWAY):
        sync(world, computer=computer)
    forget(world)
    sync(world, computer=AWAY)  # it knows nothing of the release
    sync(world, (release, True), computer=HOME)
    is_back(world)
    assert state_of(world, release) == "SENT"


def test_a_computer_that_was_silent_for_a_month_is_waited_for_no_more(world: World) -> None:
    sync(world, computer=AWAY)
    world.clock.advance(31 * 86_400)
    release = sealed(world)
    sync(world, computer=HOME)
    forget(world)
    sync(world, (release, True), computer=HOME)
    is_back(world)
    assert state_of(world, release) == "SENT"


def test_a_held_release_waits_for_the_other_owner_whose_revocation_the_broker_lost(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, partner=True)  # either owner may release, and either may stop it
    olive, paul = world.house.owner, world.house.partner
    release = sealed(world)
    for owner in (olive, paul):
        sync(world, by=owner, computer=HOME)
    world.kill()
    revoked = world.house.command(Revoke(release=release), by=paul)
    world.broker.send(topics.owner(DEVICE), revoked)
    forget(world)
    sync(world, (release, True), by=olive, computer=HOME)
    is_back(world)
    assert world.receiver.calls == []
    assert world.outcomes()[release].event == "HELD"
    sync(world, (release, False), by=paul, computer=HOME)
    assert state_of(world, release) == "REVOKED"
    assert world.receiver.calls == []


@pytest.mark.parametrize("how", ["stop asked", "stopped", "before it came"])
def test_a_sync_never_makes_a_release_stand_that_the_ledger_has_seen_revoked(
    world: World, how: str
) -> None:
    """The computer that sends it does not know of the revocation; the row has lost its mark."""
    release = sealed(world)
    forget(world)
    event = {
        "stop asked": Event.RELEASE_REVOKE_ASKED,
        "stopped": Event.RELEASE_REVOKED,
        "before it came": Event.RELEASE_REVOKED_EARLY,
    }[how]
    assert world.gateway is not None
    with world.gateway.inbox.work.transaction() as change:
        change.note(event, release, {})
    sync(world, (release, True), computer=HOME)
    is_back(world)
    assert world.receiver.calls == [] and state_of(world, release) == "HELD"


# The state was restored


def test_a_release_revoked_after_the_image_was_taken_is_not_sent(
    world: World, image: Callable[[], Callable[[], None]]
) -> None:
    release = sealed(world)
    restore = image()
    world.to_device(world.house.command(Revoke(release=release)))
    assert state_of(world, release) == "REVOKED"
    restore()
    is_back(world)
    assert world.receiver.calls == []
    assert state_of(world, release) == "REVOKED", "the letter of after the image stays"
    assert [event for event, _ in world.events("state")] == ["state.restored"]
    assert ("release.held", {"why": RESTORED}) in world.events()
    sync(world, (release, False))
    assert world.events("release.revoked")


@pytest.mark.parametrize("commits", range(4))
def test_a_power_cut_before_a_restored_state_is_held_changes_nothing(
    world: World, image: Callable[[], Callable[[], None]], commits: int
) -> None:
    """Its own status letter does not replace the newer one at the broker before that."""
    release = sealed(world)
    restore = image()
    world.to_device(world.house.command(Revoke(release=release)))
    world.crash_after, world.crash_uncommitted = commits, True
    restore()
    is_back(world)
    assert world.crashes == 1
    assert world.receiver.calls == []
    assert ("release.held", {"why": RESTORED}) in world.events()


def test_a_release_sent_after_the_image_was_taken_is_not_sent_again(
    world: World, image: Callable[[], Callable[[], None]]
) -> None:
    release = sealed(world)
    restore = image()
    is_back(world)
    assert state_of(world, release) == "SENT"
    restore()
    is_back(world)
    assert state_of(world, release) == "SENT", "the owner's tool, which was off, reads it now"
    sync(world)
    world.clock.advance(7 * 86_400)
    world.run()
    assert world.receiver.calls == []
    assert len(world.receiver.finished) == 1


def test_a_deferred_letter_that_a_broker_kept_revives_no_revoked_release(
    world: World,
    image: Callable[[], Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It brings the keys of a release that waited for them when the image was taken."""
    clip, post = world.house.record(), world.post()
    letter = world.house.approve(post, [clip])

    def full(*_: object, **__: object) -> None:
        raise StorageFault("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(BundleContents, "seal", full)
        world.to_device(letter)
        (release,) = world.outcomes()
        restore = image()
        world.to_device(world.house.command(Revoke(release=release)))
    topic = topics.deferred(DEVICE, hashlib.sha256(letter).hexdigest()[:32])
    world.broker.retained[topic] = letter
    restore()
    world.broker.send(topic, letter)
    is_back(world)
    assert world.receiver.calls == []
    assert ("release.held", {"why": RESTORED}) in world.events()
    sync(world, (release, False))
    is_back(world)
    assert world.receiver.calls == []
    assert world.events("release.revoked")


def test_an_approval_that_was_revoked_is_not_carried_out_when_a_broker_repeats_it(
    world: World, image: Callable[[], Callable[[], None]]
) -> None:
    clip, post = world.house.record(), world.post()
    restore = image()
    letter = world.house.approve(post, [clip])
    world.receiver.faults = ["request-lost"] * 50
    world.to_device(letter)
    (release,) = world.outcomes()
    world.to_device(world.house.command(Revoke(release=release)))
    restore()
    world.to_device(letter)
    assert state_of(world, release) == "HELD"
    is_back(world)
    assert world.receiver.calls == []
    sync(world, (release, False))
    assert state_of(world, release) == "REVOKED"


@pytest.mark.parametrize("told", ["again", "not"])
def test_mutes_and_the_pause_come_back_with_the_owners_sync(
    world: World, image: Callable[[], Callable[[], None]], told: str
) -> None:
    restore, requester = image(), world.house.requester.id
    at = int(world.clock.now())
    world.to_device(world.house.command(PauseRequests()))
    world.to_device(world.house.command(Mute(requester=requester, muted=True)))
    restore()
    if told == "again":  # the device heard a later word than that of the sync
        for command in (PauseRequests(), ResumeRequests()):
            world.to_device(world.house.command(command))
        for muted in (True, False):
            world.to_device(world.house.command(Mute(requester=requester, muted=muted)))
    sync(
        world,
        mutes=(HeldMute(requester=requester, muted=True, at=at),),
        pause=HeldPause(paused=True, at=at),
    )
    with world.house.open_database() as database:
        decisions = DecisionTable(database)
        assert (decisions.paused_at() is not None) == (told == "not")
        assert decisions.muted() == ((requester,) if told == "not" else ())


@pytest.mark.parametrize("letter", ["strangers", "of-now", "nonsense"])
def test_a_status_letter_that_is_not_ahead_holds_nothing(world: World, letter: str) -> None:
    release = sealed(world)
    match letter:
        case "of-now":
            leave_status(world.house, world.broker)
        case "strangers":
            leave_status(world.house, world.broker, by=Person().signing, lines_ahead=5)
        case _:
            world.broker.retained[topics.status(DEVICE, world.house.owner.id)] = b"nonsense"
    world.restart()
    is_back(world)
    assert state_of(world, release) == "SENT"


# A person says that the state was restored


def test_a_state_that_a_person_calls_restored_is_held_though_the_broker_was_set_back_too(
    world: World, tmp_path: Path
) -> None:
    """The broker, on the same card, has no newer letter either: nothing else could show it."""
    release = sealed(world)
    state, copy = world.house.config.state_dir, tmp_path / "image"
    world.kill()
    shutil.copytree(state, copy)
    retained = dict(world.broker.retained)
    world.restart()
    world.to_device(world.house.command(Revoke(release=release)))
    assert state_of(world, release) == "REVOKED"

    world.kill()
    shutil.rmtree(state)
    shutil.copytree(copy, state)
    world.broker.retained.clear()
    world.broker.retained.update(retained)
    mark(state)
    world.restart()
    is_back(world)
    assert world.receiver.calls == []
    assert [event for event, _ in world.events("state")] == ["state.restored"]
    assert ("release.held", {"why": RESTORED}) in world.events()
    world.restart()
    assert len(world.events("state")) == 1, "said once"
    sync(world, (release, False))
    assert world.events("release.revoked")


def test_a_power_cut_before_the_mark_is_gone_holds_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(world)
    mark(world.house.config.state_dir)
    with monkeypatch.context() as cut:
        cut.setattr("agent.files.remove", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.restart()
    world.restart()
    is_back(world)
    assert world.receiver.calls == []
    assert len(world.events("state")) == 2
