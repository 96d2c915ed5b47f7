"""The whole way out to each upload receiver that we know: real servers, killed on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config
from agent.consent.statements import Revoke
from tests.peers.python_receiver import KINDS, PythonReceiver
from tests.peers.tus_server import TusServer
from tests.support import statements
from tests.support.gateway_world import World, state_of
from tests.support.house import fragmented_mp4
from tests.support.tus import new_client

CHUNK = 65_536
VIDEO = fragmented_mp4(size=192, noisy=True)  # some chunks of it

AnyReceiver = TusServer | PythonReceiver


@pytest.fixture(scope="module", params=["@tus/server", *KINDS])
def receiver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AnyReceiver]:
    """Each of the receivers, with what the tests before left in it."""
    folder = tmp_path_factory.mktemp("receiver")
    made = TusServer(folder) if request.param == "@tus/server" else None
    with made or PythonReceiver(request.param, folder) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, receiver: AnyReceiver) -> Iterator[World]:
    """A world that uploads to the receiver with the real client."""
    world = World(tmp_path, upload=config.Upload(allow_loopback_http=True, chunk_bytes=CHUNK))
    cards = world.house.config.requesters
    cards.write_text(re.sub(r"127\.0\.0\.1:[0-9]+", receiver.host, cards.read_text()))
    world.receiver = new_client(timeout_seconds=30)  # type: ignore[assignment]
    world.restart()
    yield world
    world.kill()


def approve(world: World, receiver: AnyReceiver) -> str:
    """Approve a clip for the receiver and let its sealed bundle wait there; the release's id."""
    clip = world.house.record(video=VIDEO)
    post = world.post(world.house.request(upload=statements.upload(receiver.url)))
    world.clock.is_synced = False
    world.to_device(world.house.approve(post, [clip]))
    assert world.gateway is not None
    world.clock.is_synced = True
    for _ in range(20):
        world.gateway.step()
        world.gateway.releases.step()
        if any(upload.offset for upload in receiver.uploads() if not upload.complete):
            break
    (release_id,) = world.outcomes()
    return release_id


def wait(world: World, release_id: str) -> str:
    """Let time pass until the release is over; its state."""
    for _ in range(50):
        if (state := state_of(world, release_id)) not in ("APPROVED", "SEALED"):
            return state
        world.clock.advance(20)
        world.run()
    return state_of(world, release_id)


def test_a_release_arrives_whole_and_once_though_both_sides_are_killed(
    world: World, receiver: AnyReceiver
) -> None:
    before = len(receiver.uploads())
    release_id = approve(world, receiver)
    outbox = world.house.config.state_dir / "gateway" / "outbox"
    bundle = (outbox / f"{release_id}.age").read_bytes()
    receiver.kill()
    world.clock.advance(1)
    world.run()
    receiver.start()
    world.restart()
    assert wait(world, release_id) == "SENT"
    [arrived] = [u for u in receiver.uploads() if u.metadata.get("release") == release_id]
    assert arrived.path.read_bytes() == bundle
    assert len(receiver.uploads()) == before + 1


def test_what_arrived_of_a_release_that_was_revoked_is_deleted(
    world: World, receiver: AnyReceiver
) -> None:
    before = {upload.id for upload in receiver.uploads()}
    release_id = approve(world, receiver)
    assert {upload.id for upload in receiver.uploads()} != before
    world.to_device(world.house.command(Revoke(release=release_id)))
    assert wait(world, release_id) == "REVOKED"
    assert {upload.id for upload in receiver.uploads()} == before
    assert len(world.events("upload.removed")) == 1


def test_an_announcement_that_comes_again_leaves_nothing_at_our_receiver(
    receiver: AnyReceiver,
) -> None:
    """Its answer was lost. In tus nobody can name an upload whose URL is unknown.

    At other receivers an empty upload stays until it expires; no byte of a clip is in it.
    """
    before = {upload.id for upload in receiver.uploads()}
    metadata = {"filename": "a.age", "filetype": "application/octet-stream"}
    metadata |= {"release": "f" * 16, "sha256": "f" * 64}
    client = new_client()
    urls = {client.create(receiver.url, size=10, metadata=metadata) for _ in range(2)}
    made = [upload for upload in receiver.uploads() if upload.id not in before]
    ours = isinstance(receiver, PythonReceiver) and receiver.kind == "own"
    assert len(urls) == len(made) == (1 if ours else 2)
    assert sum(upload.offset for upload in made) == 0
    for url in urls:
        client.remove(url)
