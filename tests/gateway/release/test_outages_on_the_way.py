"""Time, outages and crashes: a release ends once, or at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import config
from agent.mqtt import topics
from agent.vault.records.ledger import Ledger
from tests.support.gateway_world import FEED, World
from tests.support.house import fragmented_mp4
from tests.support.peers import open_bundle


def test_decisions_and_posts_wait_while_the_clock_is_not_synced(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    letter = world.house.approve(post, [clip])
    world.clock.is_synced = False
    world.to_device(letter)
    later = world.post()
    assert world.receiver.calls == []
    assert world.request_state(later) == ""
    assert len(world.broker.unacknowledged) == 2, "the broker keeps them meanwhile"
    world.clock.is_synced = True
    world.run()
    assert len(world.receiver.finished) == 1
    assert world.request_state(later) == "OPEN"
    assert world.broker.unacknowledged == {}


def test_an_open_request_expires(world: World) -> None:
    world.house.record()
    post = world.post()
    world.clock.advance(3 * 86_400)
    world.run()
    assert world.request_state(post) == "EXPIRED"
    assert world.inbox == {}


def test_an_upload_stops_at_the_end_of_the_approval(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["request-lost"] * 100
    world.to_device(world.house.approve(post, [clip]))
    world.clock.advance(2 * 86_400)
    world.run()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "FAILED"
    assert not list((world.house.config.state_dir / "gateway" / "outbox").iterdir())


@pytest.mark.parametrize("fault", ["request-lost", "answer-lost"])
@pytest.mark.parametrize("call", range(5))
def test_an_upload_goes_on_after_an_outage(world: World, fault: str, call: int) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = [""] * call + [fault]
    world.to_device(world.house.approve(post, [clip]))
    for _ in range(5):
        world.clock.advance(60)
        world.run()
    (upload,) = world.receiver.finished
    assert open_bundle(bytes(upload.data), world.house.requester.identity)
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"


@pytest.mark.parametrize("commits", range(14))
def test_a_crash_after_any_commit_ends_in_exactly_one_bundle(tmp_path: Path, commits: int) -> None:
    changes = config.Upload(allow_loopback_http=True, chunk_bytes=65_536)
    world = World(tmp_path, upload=changes)
    clip = world.house.record()
    world.crash_after = commits
    post = world.post()
    world.to_device(world.house.approve(post, [clip]))
    for _ in range(3):
        world.clock.advance(60)
        world.run()
    assert len(world.receiver.finished) == 1
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"
    database = world.house.open_database()
    Ledger(database).verify()
    database.close()
    world.kill()


def test_a_gateway_killed_after_each_chunk_still_believes_an_honest_receiver(
    tmp_path: Path,
) -> None:
    changes = config.Upload(allow_loopback_http=True, chunk_bytes=65_536)
    world = World(tmp_path, upload=changes)
    clip = world.house.record(video=fragmented_mp4(size=128, noisy=True))
    post = world.post()
    world.receiver.faults = ["", *["", "sender-dies"] * 10]  # create, then offset and send
    world.to_device(world.house.approve(post, [clip]))
    (upload,) = world.receiver.finished
    assert upload.size > 3 * 65_536
    assert world.crashes >= 4
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"
    world.kill()


def test_an_approval_whose_keys_were_lost_fails_at_its_end(world: World) -> None:
    """The broker lost its session in the very moment between accepting and sealing."""
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.crash_after = 0
    world.broker.send(topics.owner("front-door"), letter)
    assert not world._guard(world.gateway.step)  # type: ignore[union-attr]
    world.broker.unacknowledged.clear()
    world.restart()
    assert world.receiver.calls == []
    world.clock.advance(2 * 86_400)
    world.run()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "FAILED"


def test_letters_are_published_again_at_every_connect(world: World) -> None:
    world.house.record()
    world.post()
    inbox = world.inbox
    world.broker.retained.clear()
    world.restart()
    assert world.inbox == inbox
    assert world.broker.retained[topics.availability("front-door")] == topics.ONLINE
    assert topics.state("front-door") in world.broker.retained


def test_a_letter_written_while_the_broker_is_away_arrives_later(world: World) -> None:
    world.house.record()
    assert world.gateway is not None
    world.gateway.owner_link.drop()  # type: ignore[attr-defined]
    post = world.house.request()
    world.run()
    world.broker.send(topics.request(FEED, post.jti), world.house.post(post).encode())
    assert world.inbox == {}
    world.restart()
    assert len(world.inbox) == 1
