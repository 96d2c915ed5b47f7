"""Uploads wait until all that the owners said before has been handled."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config
from agent.consent.statements import Revoke
from agent.gateway.release.last_word import FRESH_SECONDS
from agent.mqtt import topics
from agent.mqtt.link import Received
from tests.support.gateway_world import DEVICE, World, state_of
from tests.support.house import fragmented_mp4
from tests.support.peers import FakeLink

CHUNK = 80_000


@pytest.fixture
def pieces(tmp_path: Path) -> Iterator[World]:
    """A world whose bundles take several chunks."""
    upload = config.Upload(allow_loopback_http=True, chunk_bytes=CHUNK)
    world = World(tmp_path, upload=upload)
    yield world
    world.kill()


def sealed(world: World) -> str:
    """A release that waits for its receiver."""
    clip = world.house.record(video=fragmented_mp4(size=256, noisy=True))
    world.receiver.faults = ["request-lost"]
    world.to_device(world.house.approve(world.post(), [clip]))
    (release,) = world.outcomes()
    assert state_of(world, release) == "SEALED"
    world.receiver.calls.clear()
    return release


def start_without_broker(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeLink:
    """The Pi boots before the broker; its link, to be started when the broker is there."""
    with monkeypatch.context() as patch:
        patch.setattr(FakeLink, "start", lambda _: None)
        world.clock.advance(60)
        world.restart()
    assert world.gateway is not None
    assert isinstance(world.gateway.owner_link, FakeLink)
    return world.gateway.owner_link


def test_a_release_revoked_while_the_pi_was_off_is_not_sent_before_the_broker_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = sealed(world)
    world.kill()
    revocation = world.house.command(Revoke(release=release))
    world.broker.send(topics.owner(DEVICE), revocation)
    link = start_without_broker(world, monkeypatch)
    world.run()
    assert world.receiver.calls == [], "not even announced"
    link.start()
    world.run()
    assert world.receiver.calls == []
    assert state_of(world, release) == "REVOKED"


def send_a_chunk(world: World) -> FakeLink:
    """Let the release that waits be announced, and its first chunk be sent; the owner's link."""
    world.clock.advance(60)
    assert world.gateway is not None
    link = world.gateway.owner_link
    assert isinstance(link, FakeLink)
    for _ in range(3):  # first the broker must show that it is there
        turn(world, 0)
    assert world.receiver.calls == ["create", "send"]
    return link


def turn(world: World, seconds: float) -> None:
    """A turn of both threads, ``seconds`` later."""
    assert world.gateway is not None
    world.clock.advance(seconds)
    world.gateway.step()
    world.gateway.releases.step()


def test_an_upload_stops_while_the_owners_broker_is_away(pieces: World) -> None:
    world = pieces
    sealed(world)
    link = send_a_chunk(world)
    link.drop()
    world.run()
    world.clock.advance(60)
    world.run()
    assert world.receiver.calls == ["create", "send"]
    link.start()
    world.run()
    assert len(world.receiver.finished) == 1


@pytest.mark.parametrize("seconds", [0.5, 3.0, 7.0])
def test_an_upload_stops_when_the_connection_is_open_in_name_alone(
    pieces: World, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    """A revocation that the broker has waits in it, and nobody says that the line is dead."""
    world = pieces
    release = sealed(world)
    link = send_a_chunk(world)
    link.swallows = True
    world.broker.send(topics.owner(DEVICE), world.house.command(Revoke(release=release)))
    bytes_then = dead_for = 0.0
    world.receiver.faults = ["request-lost"] * 3  # so that the upload lasts
    while dead_for < 300:
        turn(world, seconds)
        dead_for += seconds
        sent = float(sum(len(one.data) for one in world.receiver.uploads.values()))
        assert sent == bytes_then or dead_for <= FRESH_SECONDS + seconds
        bytes_then = sent
    assert not world.receiver.finished
    assert [line for line in caplog.messages if "does not answer" in line]
    link.drop("the keep-alive ended")
    link.swallows = False
    link.start()
    world.run()
    world.clock.advance(900)
    world.run()
    assert state_of(world, release) == "REVOKED"
    assert not world.receiver.finished


def test_an_upload_goes_on_when_the_dead_line_lives_again(pieces: World) -> None:
    world = pieces
    sealed(world)
    link = send_a_chunk(world)
    link.swallows = True
    for _ in range(10):
        turn(world, 30)
    link.swallows = False
    for _ in range(40):
        turn(world, 5)
    assert len(world.receiver.finished) == 1


def test_a_marker_that_comes_back_late_tells_of_the_time_at_which_it_was_sent(
    pieces: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that brings everything minutes late brings a revocation late, too."""
    world = pieces
    sealed(world)
    link = send_a_chunk(world)
    calls = list(world.receiver.calls)
    late: list[int] = []
    monkeypatch.setattr(link, "deliver", late.append)
    world.clock.advance(FRESH_SECONDS + 1)
    for _ in range(20):
        turn(world, FRESH_SECONDS + 1)
        arrived, late[:] = list(late), []
        for receipt in arrived:
            FakeLink.deliver(link, receipt)
    assert world.receiver.calls == calls


def test_an_idle_gateway_asks_the_broker_nothing(world: World) -> None:
    assert world.gateway is not None
    before = len(world.broker.unacknowledged), world.gateway.last_word._asked_at
    for _ in range(100):
        turn(world, 30)
    assert (len(world.broker.unacknowledged), world.gateway.last_word._asked_at) == before


@pytest.mark.parametrize("topic", ["owner", "session", "elsewhere"])
def test_a_marker_of_somebody_else_or_of_before_counts_for_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    sealed(world)
    assert world.gateway is not None
    name = {"owner": topics.owner(DEVICE), "session": topics.session(DEVICE)}.get(topic, topic)
    old = world.gateway.last_word._marker
    link = start_without_broker(world, monkeypatch)
    for marker in (old, old[:-1] + b"x", b"", b"x" * len(old)):
        link.events.put(Received(name, marker, False, None))
        world.run()
    assert world.receiver.calls == []


def test_a_broker_that_denies_the_marker_is_named_and_nothing_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sealed(world)
    send = world.broker.send

    def denied(topic: str, payload: bytes, *, retained: bool = False) -> None:
        if topic != topics.owner(DEVICE):
            send(topic, payload, retained=retained)

    monkeypatch.setattr(world.broker, "send", denied)
    world.restart()
    for _ in range(3):
        world.clock.advance(60)
        world.run()
    assert world.receiver.calls == []
    warned = [line for line in caplog.messages if "does not return what this device" in line]
    assert len(warned) == 1 and topics.owner(DEVICE) in warned[0]
    assert caplog.records[0].levelno <= logging.WARNING
