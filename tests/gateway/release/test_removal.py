"""Stopped uploads: the receiver is asked to delete what it has of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config
from agent.consent.statements import Revoke
from agent.errors import NetworkFault, ReceiverFault
from tests.peers.tus_server import TusServer
from tests.support.fake_receiver import FakeReceiver, answer
from tests.support.gateway_world import World, change_cards, state_of
from tests.support.house import fragmented_mp4
from tests.support.tus import new_client
from tests.support.two_owners import write

CHUNK = 80_000
VIDEO = fragmented_mp4(size=256, noisy=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose bundles take several chunks."""
    world = World(tmp_path, upload=config.Upload(allow_loopback_http=True, chunk_bytes=CHUNK))
    yield world
    world.kill()


def half_sent(world: World) -> str:
    """A release of which the receiver has a chunk; its id."""
    clip, post = world.house.record(video=VIDEO), world.post()
    world.receiver.faults = ["", "", "request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    (upload,) = world.receiver.uploads.values()
    assert len(upload.data) == CHUNK
    return release_id


def stop(world: World, release_id: str, how: str) -> None:
    """End a release before its delivery."""
    if how == "revoked":
        world.to_device(world.house.command(Revoke(release=release_id)))
    elif how == "withdrawn":
        write(world, "UPDATE release SET stop = 'withdrawn by the requester'")
        world.run()
    else:
        world.clock.advance(2 * 86_400)
        world.run()


@pytest.mark.parametrize("how", ["revoked", "withdrawn", "expired"])
def test_what_a_receiver_has_of_a_stopped_release_is_deleted(world: World, how: str) -> None:
    """Of an age file its recipient can open every part that has arrived."""
    release_id = half_sent(world)
    stop(world, release_id, how)
    assert world.receiver.uploads == {}
    outcome = world.outcomes()[release_id]
    assert outcome.event == ("FAILED" if how == "expired" else "REVOKED")
    assert outcome.detail.endswith("; the receiver deleted what it had of it")
    assert world.events("upload.") == [("upload.removed", {})]


def test_a_release_that_was_not_announced_needs_no_removal(world: World) -> None:
    clip, post = world.house.record(), world.post()
    world.receiver.faults = ["request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    stop(world, release_id, "revoked")
    assert "remove" not in world.receiver.calls
    assert world.events("upload.") == []


def test_what_was_delivered_is_never_deleted(world: World) -> None:
    clip, post = world.house.record(), world.post()
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    stop(world, release_id, "revoked")
    world.clock.advance(10 * 86_400)
    world.run()
    assert "remove" not in world.receiver.calls
    assert len(world.receiver.finished) == 1


@pytest.mark.parametrize("fault", ["request-lost", "answer-lost", "sender-dies"])
def test_a_removal_is_repeated_until_the_receiver_answers(world: World, fault: str) -> None:
    """Also over restarts, and whether or not the broker and the clock are there."""
    release_id = half_sent(world)
    world.receiver.faults = [fault] * 3
    stop(world, release_id, "revoked")
    world.clock.is_synced = False
    for _ in range(4):
        world.restart()
        world.clock.advance(60)
        world.run()
    assert world.receiver.uploads == {}
    assert world.receiver.calls.count("remove") == 4
    assert len(world.events("upload.removed")) == 1


def test_a_receiver_that_is_gone_holds_up_no_other_release(world: World) -> None:
    """Each try may take two minutes, and a requester may have many that were stopped."""
    release_id = half_sent(world)
    world.receiver.faults = ["request-lost"]
    stop(world, release_id, "revoked")
    assert world.receiver.calls[-1] == "remove"
    asked = len(world.receiver.calls)
    clip, post = world.house.record(video=VIDEO), world.post()
    world.clock.advance(60)  # the next try is due, too
    world.to_device(world.house.approve(post, [clip]))
    calls = world.receiver.calls[asked:]
    assert "remove" in calls and len(calls) > 3
    assert set(calls[: calls.index("remove")]) == set(calls) - {"remove", "receipt"}


@pytest.mark.parametrize(
    ("fault", "hours", "tries"),
    [(ReceiverFault(405, "the receiver answers HTTP 405"), 2, 8), (NetworkFault("away"), 26, 100)],
    ids=["no termination", "away"],
)
def test_a_receiver_that_deletes_nothing_is_asked_for_a_while_and_the_owner_learns_it(
    world: World, fault: NetworkFault, hours: int, tries: int
) -> None:
    release_id = half_sent(world)
    asked = 0

    def refuse(upload_url: str) -> None:
        del upload_url
        nonlocal asked
        asked += 1
        raise fault

    world.receiver.remove = refuse  # type: ignore[method-assign]
    stop(world, release_id, "revoked")
    for _ in range(hours * 4):
        world.clock.advance(900)
        world.run()
    assert asked == tries
    assert world.outcomes()[release_id].detail.endswith(
        "; the receiver may still have a part of it"
    )
    assert world.events("upload.") == [("upload.left", {"why": fault.message})]


def test_a_removal_goes_nowhere_that_was_not_approved(world: World) -> None:
    release_id = half_sent(world)
    change_cards(world, lambda cards: cards[0].update(upload_hosts=["elsewhere.example"]))
    world.restart()
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "FAILED"
    assert "remove" not in world.receiver.calls
    assert len(world.events("upload.left")) == 1


def test_a_removal_forged_in_the_database_goes_to_no_other_origin(world: World) -> None:
    release_id = half_sent(world)
    world.receiver.faults = ["request-lost"]
    stop(world, release_id, "revoked")
    write(world, "UPDATE release SET upload_url = 'http://127.0.0.1:2/files/0'")
    calls = len(world.receiver.calls)
    world.clock.advance(60)
    world.run()
    assert len(world.receiver.calls) == calls
    assert len(world.events("upload.left")) == 1


# The client


def test_a_real_receiver_deletes_an_upload_and_has_none_to_delete_the_next_time(
    tus_server: TusServer,
) -> None:
    client = new_client()
    url = client.create(tus_server.url, size=10, metadata={})
    client.send(url, offset=0, chunk=b"abc", size=10)
    for _ in range(2):
        client.remove(url)
    assert tus_server.uploads() == []
    assert client.offset(url, size=10) is None


@pytest.mark.parametrize("status", [400, 401, 403, 405, 423, 500, 501, 503])
def test_any_other_answer_to_a_removal_is_a_fault(status: int) -> None:
    with FakeReceiver(answer(status)) as fake, pytest.raises(ReceiverFault):
        new_client().remove(fake.url)


def test_a_proxy_that_says_404_has_deleted_nothing() -> None:
    with FakeReceiver(answer(404, tus=False)) as fake, pytest.raises(ReceiverFault):
        new_client().remove(fake.url)
