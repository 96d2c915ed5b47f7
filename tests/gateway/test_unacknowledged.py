"""Letters that wait unacknowledged at a real broker, which hands out 20 at a time and no more.

Whatever waits, an owner's no must come in behind it. Waiting for the clock, a full disk and
a request that nobody knows are what letters could wait for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import config
from agent.consent import signing
from agent.consent.statements import PauseRequests, Revoke
from agent.errors import StorageFault
from agent.gateway import app
from agent.gateway.daemon import Gateway
from agent.gateway.release.bundle.contents import BundleContents
from agent.mqtt import topics
from agent.mqtt.link import MqttLink, Received, Settings
from agent.mqtt.session import Session
from agent.vault.records.decisions import DecisionTable
from agent.vault.records.releases import ReleaseTable
from agent.vault.records.requests import RequestTable
from tests.peers.mosquitto import Mosquitto
from tests.support.house import House
from tests.support.peers import FakeReceiver

HANDED_OUT = 20  # mosquitto's max_inflight_messages
MANY = HANDED_OUT + 5
PATIENCE_SECONDS = 120.0


class GatewayAtBroker:
    """A house, its gateway run step by step over a real broker, and its owner at it."""

    def __init__(self, root: Path, broker: Mosquitto) -> None:
        self.house = House.build(root, mqtt=config.Broker(host=broker.host, port=broker.port))
        self.broker = broker
        self.receiver = FakeReceiver()
        self.clip = self.house.record()

    @contextmanager
    def gateway(self) -> Iterator[Gateway]:
        gateway = app.build(self.house.config, clock=self.house.clock, receiver=self.receiver)
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()

    def publish(self, topic: str, *payloads: bytes, retained: bool = False) -> None:
        link = MqttLink(Settings(client_id="people", host=self.broker.host, port=self.broker.port))
        with Session(link) as session:
            for payload in payloads:
                session.publish(topic, payload, retained=retained)

    def post(self, gateway: Gateway) -> str:
        """A request that is open."""
        request = self.house.request()
        jws = self.house.post(request)
        topic = topics.request(self.house.config.feed.topic, request.jti)
        self.publish(topic, jws.encode(), retained=True)  # the gateway may not be there yet
        self.run(gateway, lambda: self.state(jws) == "OPEN")
        return jws

    def say(self, *letters: bytes) -> None:
        self.publish(topics.owner(self.house.config.device.name), *letters)

    def state(self, jws: str) -> str:
        with self.house.open_database() as database:
            case = RequestTable(database).get(signing.digest(jws))
        return "" if case is None else case.state

    def paused(self) -> bool:
        with self.house.open_database() as database:
            return DecisionTable(database).paused_at() is not None

    def count(self, state: str) -> int:
        with self.house.open_database() as database:
            return len(ReleaseTable(database).all(state))

    def run(self, gateway: Gateway, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < deadline, "it never came in"
            gateway.releases.step()
            gateway.step(wait_seconds=0.05)


def full(*_: object, **__: object) -> None:
    raise StorageFault("the disk is full")


@pytest.fixture
def at_broker(tmp_path: Path, mosquitto: Mosquitto) -> GatewayAtBroker:
    return GatewayAtBroker(tmp_path / "house", mosquitto)


def test_the_broker_waits_with_the_next_until_one_is_acknowledged(
    at_broker: GatewayAtBroker,
) -> None:
    link = MqttLink(
        Settings(
            client_id="keeper",
            host=at_broker.broker.host,
            port=at_broker.broker.port,
            subscriptions=("x",),
            clean_session=False,
        )
    )
    with Session(link):
        at_broker.publish("x", *(b"%d" % number for number in range(MANY)))
        came: list[Received] = []
        while len(came) < HANDED_OUT:
            event = link.events.get(timeout=PATIENCE_SECONDS)
            if isinstance(event, Received):
                came.append(event)
        assert link.events.empty()
        link.acknowledge(came[0])
        event = link.events.get(timeout=PATIENCE_SECONDS)
        assert isinstance(event, Received)
        assert event.payload == b"%d" % HANDED_OUT


def test_a_full_disk_keeps_no_decline_and_no_pause_from_coming_in(
    at_broker: GatewayAtBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BundleContents, "seal", full)
    with at_broker.gateway() as gateway:
        post = at_broker.post(gateway)
        at_broker.say(*(at_broker.house.approve(post, [at_broker.clip]) for _ in range(MANY)))
        at_broker.say(at_broker.house.decline(post), at_broker.house.command(PauseRequests()))
        at_broker.run(gateway, lambda: at_broker.state(post) == "DECLINED" and at_broker.paused())


def test_a_full_disk_keeps_none_from_coming_in_after_a_restart_either(
    at_broker: GatewayAtBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BundleContents, "seal", full)
    with at_broker.gateway() as gateway:
        post = at_broker.post(gateway)
    at_broker.say(*(at_broker.house.approve(post, [at_broker.clip]) for _ in range(MANY)))
    at_broker.say(at_broker.house.decline(post), at_broker.house.command(PauseRequests()))
    for _ in range(3):
        with at_broker.gateway() as gateway:
            gateway.step(wait_seconds=0.2)
    with at_broker.gateway() as gateway:
        at_broker.run(gateway, lambda: at_broker.state(post) == "DECLINED" and at_broker.paused())


def test_two_hundred_approvals_at_once_are_all_sent_but_those_revoked_behind_them(
    at_broker: GatewayAtBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when they come, and the gateway is killed before there is room again."""
    house, receiver = at_broker.house, at_broker.receiver
    with at_broker.gateway() as gateway, monkeypatch.context() as patched:
        patched.setattr(BundleContents, "seal", full)
        post = at_broker.post(gateway)
        approvals = [house.approval(post, [at_broker.clip]) for _ in range(200)]
        keys = house.clip_keys([at_broker.clip])
        letters = [house.owner.signing.sign(approval) for approval in approvals]
        revoked = [signing.digest(jws)[:16] for jws in letters[::10]]
        at_broker.say(
            *(house.seal_letter(jws, keys) for jws in letters),
            *(house.command(Revoke(release=release)) for release in revoked),
        )
        at_broker.run(gateway, lambda: at_broker.count("REVOKED") == len(revoked))
    with at_broker.gateway() as gateway:
        gateway.step(wait_seconds=0.2)
        house.clock.advance(1_000)
        at_broker.run(gateway, lambda: at_broker.count("SENT") == 200 - len(revoked))
    assert len(receiver.finished) == 200 - len(revoked)


def test_letters_that_wait_for_the_clock_are_read_once_it_is_set(
    at_broker: GatewayAtBroker,
) -> None:
    with at_broker.gateway() as gateway:
        post = at_broker.post(gateway)
        at_broker.house.clock.is_synced = False
        at_broker.say(*(at_broker.house.approve(post, [at_broker.clip]) for _ in range(MANY)))
        at_broker.say(at_broker.house.decline(post))
        for _ in range(20):
            gateway.step(wait_seconds=0.02)
        assert at_broker.state(post) == "OPEN"
        at_broker.house.clock.is_synced = True
        at_broker.run(gateway, lambda: at_broker.state(post) == "DECLINED")


def test_approvals_of_what_nobody_has_asked_wait_for_nothing(at_broker: GatewayAtBroker) -> None:
    with at_broker.gateway() as gateway:
        post = at_broker.post(gateway)
        unheard = at_broker.house.post(at_broker.house.request())
        at_broker.say(*(at_broker.house.approve(unheard, [at_broker.clip]) for _ in range(MANY)))
        at_broker.say(at_broker.house.decline(post))
        at_broker.run(gateway, lambda: at_broker.state(post) == "DECLINED")
