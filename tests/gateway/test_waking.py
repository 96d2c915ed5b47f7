"""The loop and the thread of releases wake each other: nothing waits for the next look around.

Both run here as in the process, but with an hour from one look to the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from agent.consent.statements import Revoke
from agent.gateway import daemon
from agent.gateway.daemon import Gateway
from agent.gateway.release.last_word import FRESH_SECONDS
from agent.mqtt import topics
from tests.support.gateway_world import DEVICE, World

PATIENCE_SECONDS = 60.0
QUIET_SECONDS = 0.3


@contextmanager
def running(gateway: Gateway) -> Iterator[None]:
    """Run the gateway's two threads."""

    def loop() -> None:
        while not gateway._stop.is_set():
            gateway.step(wait_seconds=daemon._TICK_SECONDS)

    threads = [threading.Thread(target=part, daemon=True) for part in (loop, gateway._work)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        gateway._stop.set()
        gateway.releases.wake()
        gateway.alarm.ring()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)


@pytest.fixture
def gateway(world: World, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.setattr(daemon, "_TICK_SECONDS", 3_600.0)
    assert world.gateway is not None
    return world.gateway


def wait_until(met: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < deadline, "it waits for the next look around"
        time.sleep(0.005)


def approval(world: World) -> bytes:
    clip = world.house.record()
    return world.house.approve(world.post(), [clip])


def events(world: World) -> list[str]:
    return [outcome.event for outcome in world.outcomes().values()]


def test_an_approval_starts_its_release_and_the_outcome_is_told_at_once(
    world: World, gateway: Gateway
) -> None:
    letter = approval(world)
    world.clock.advance(FRESH_SECONDS + 1)  # the broker must be asked again before the upload
    with running(gateway):
        world.broker.send(topics.owner(DEVICE), letter)
        wait_until(lambda: events(world) == ["SENT"])
        wait_until(lambda: not world.broker.unacknowledged)
    assert len(world.receiver.finished) == 1


def test_a_revocation_stops_a_release_that_waits_for_its_receiver_at_once(
    world: World, gateway: Gateway
) -> None:
    world.receiver.faults = ["", "request-lost"]
    world.to_device(approval(world))
    (release,) = world.outcomes()
    assert events(world) == ["SEALED"]
    with running(gateway):
        world.broker.send(topics.owner(DEVICE), world.house.command(Revoke(release=release)))
        wait_until(lambda: events(world) == ["REVOKED"])


def test_a_release_that_waited_for_the_broker_goes_on_once_it_is_back(
    world: World, gateway: Gateway
) -> None:
    link = gateway.owner_link
    letter = approval(world)
    with running(gateway):
        link.drop()  # type: ignore[attr-defined]
        world.broker.send(topics.owner(DEVICE), letter)
        link.start()
        wait_until(lambda: events(world) == ["SENT"])


def test_two_threads_with_nothing_to_do_wait(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.to_device(approval(world))
    turns: list[str] = []
    look, step = gateway.catalog.look, gateway.releases.step

    def counted_look() -> bool:
        turns.append("loop")
        return look()

    def counted_step() -> bool:
        turns.append("releases")
        return step()

    monkeypatch.setattr(gateway.catalog, "look", counted_look)
    monkeypatch.setattr(gateway.releases, "step", counted_step)
    with running(gateway):
        time.sleep(QUIET_SECONDS)
        assert len(turns) <= 8, "each has woken once or twice, and waits"
