"""Letters that wait: few unacknowledged, the others deferred, none lost, and none in the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.consent.statements import Revoke
from agent.errors import StorageFault
from agent.gateway.decisions.delivery import MAX_UNACKNOWLEDGED
from agent.gateway.release.bundle.contents import BundleContents
from agent.mqtt import topics
from tests.support.gateway_world import DEVICE, World, rules
from tests.support.peers import FakeLink

AT_ONCE = 30


def approvals(world: World, count: int = AT_ONCE) -> list[bytes]:
    clip = world.house.record()
    post = world.post()
    return [world.house.approve(post, [clip]) for _ in range(count)]


def deferred(world: World) -> dict[str, bytes]:
    prefix = topics.deferred(DEVICE, "")
    return {k: v for k, v in world.broker.retained.items() if k.startswith(prefix)}


def unacknowledged(world: World) -> list[bytes]:
    owner = topics.owner(DEVICE)
    return [data for topic, data, _ in world.broker.unacknowledged.values() if topic == owner]


def link_of(world: World) -> FakeLink:
    assert world.gateway is not None
    assert isinstance(world.gateway.owner_link, FakeLink)
    return world.gateway.owner_link


@contextmanager
def full_disk() -> Iterator[None]:
    def full(*_: object, **__: object) -> None:
        raise StorageFault("the disk is full")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BundleContents, "seal", full)
        yield


def go_on(world: World, seconds: float = 1_000) -> None:
    world.clock.advance(seconds)
    world.run()


def assert_all_sent(world: World, count: int = AT_ONCE) -> None:
    assert len({upload.release for upload in world.receiver.finished}) == count
    assert len(world.receiver.finished) == count
    assert set(rules(world, "decision.refused")) <= {"replayed"}, "one that came after its end"
    assert world.broker.unacknowledged == {}
    assert deferred(world) == {}


def test_many_approvals_at_once_are_all_sent(world: World) -> None:
    for letter in approvals(world):
        world.broker.send(topics.owner(DEVICE), letter)
    world.run()
    assert_all_sent(world)


def test_few_letters_wait_unacknowledged_and_the_broker_keeps_the_others(world: World) -> None:
    letters = approvals(world)
    with full_disk():
        for letter in letters:
            world.to_device(letter)
        assert unacknowledged(world) == letters[:MAX_UNACKNOWLEDGED]
        assert sorted(deferred(world).values()) == sorted(letters[MAX_UNACKNOWLEDGED:])
    go_on(world)
    assert_all_sent(world)


def test_deferred_letters_bring_their_keys_again_after_a_power_cut(world: World) -> None:
    with full_disk():
        for letter in approvals(world):
            world.to_device(letter)
        for _ in range(3):
            world.restart()
    go_on(world)
    assert_all_sent(world)


def test_a_power_cut_after_any_commit_loses_no_letter_and_sends_none_twice(world: World) -> None:
    clip = world.house.record()
    post, count = world.post(), 0
    for commits in range(0, 26, 2):
        world.crash_after = commits
        for _ in range(MAX_UNACKNOWLEDGED + 2):
            world.broker.send(topics.owner(DEVICE), world.house.approve(post, [clip]))
            count += 1
        for _ in range(3):
            go_on(world, seconds=60)
        assert_all_sent(world, count)
    assert world.crashes >= 10


def test_a_connection_that_ends_while_letters_are_deferred_loses_none(world: World) -> None:
    letters, link = approvals(world), link_of(world)
    with full_disk():
        for number, letter in enumerate(letters):
            world.broker.send(topics.owner(DEVICE), letter)
            if number % 7 == 6:
                link.swallows = True  # what is published now is lost
                world.run()
                link.drop()
                link.swallows = False
                link.start()
        world.run()
        assert len(unacknowledged(world)) <= MAX_UNACKNOWLEDGED
    go_on(world)
    assert_all_sent(world)


def test_a_broker_that_loses_deferred_letters_loses_no_release_of_this_run(world: World) -> None:
    with full_disk():
        for letter in approvals(world):
            world.to_device(letter)
        for topic in deferred(world):
            del world.broker.retained[topic]
    go_on(world)
    assert_all_sent(world)


def test_a_revocation_behind_many_approvals_is_heard_before_they_are_sealed(world: World) -> None:
    letters = approvals(world)
    with full_disk():
        for letter in letters:
            world.to_device(letter)
        told = list(world.outcomes())
        for release in told[::2]:
            world.to_device(world.house.command(Revoke(release=release)))
        outcomes = world.outcomes()
        assert {outcomes[one].event for one in told[::2]} == {"REVOKED"}
    assert len(deferred(world)) <= AT_ONCE // 2
    go_on(world)
    assert len(world.receiver.finished) == AT_ONCE - len(told[::2])
    assert world.broker.unacknowledged == {}
    assert deferred(world) == {}


@pytest.mark.parametrize("what", ["sent", "revocation", "noise", "other name", "empty", "unheard"])
def test_a_letter_that_somebody_puts_on_a_deferred_topic_starts_nothing(
    world: World, what: str
) -> None:
    (sent,) = approvals(world, 1)
    world.to_device(sent)
    (release,) = world.outcomes()
    (unheard,) = approvals(world, 1)
    letter = {
        "sent": sent,
        "revocation": world.house.command(Revoke(release=release)),
        "noise": b"noise",
        "other name": unheard,
        "empty": b"",
        "unheard": unheard,
    }[what]
    name = hashlib.sha256(b"x" if what == "other name" else letter).hexdigest()[:32]
    topic = topics.deferred(DEVICE, name)
    before = world.events()
    world.broker.retained[topic] = letter
    world.broker.send(topic, letter)
    world.run()
    world.restart()
    assert world.events() == before
    assert len(world.receiver.finished) == 1
    assert deferred(world) in ({}, {topic: b""})
    assert world.broker.unacknowledged == {}
