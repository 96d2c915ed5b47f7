"""The gateway as it is wired and as it is run: links, life signs, and ends."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import config
from agent.cli import main as cli
from agent.consent import signing
from agent.errors import ConfigError, InternalFault, StorageFault
from agent.gateway import app
from agent.gateway.daemon import Gateway
from agent.gateway.device_keys import load_or_create
from agent.host.memory import MemoryReturn
from agent.mqtt import topics
from agent.mqtt.link import Link, MqttLink, Settings
from agent.mqtt.session import Session
from tests.peers.mosquitto import Mosquitto
from tests.peers.process import free_port
from tests.peers.requirements import ROOT
from tests.support import links
from tests.support.clock import SimulatedClock
from tests.support.house import House
from tests.support.peers import FakeBroker, FakeLink, FakeReceiver

FEED = "clip-feed"
PATIENCE_SECONDS = 120.0
ELSEWHERE = config.Feed(broker=config.Broker(host="feed.example", port=free_port()))


@pytest.fixture
def signals() -> Iterator[None]:
    """The handlers that a gateway run in this process leaves behind are taken off again."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# Wiring


class TwoBrokers:
    """A gateway between the owner's broker and the feed's."""

    def __init__(self, root: Path) -> None:
        self.house = House.build(root, feed=ELSEWHERE)
        self.owners, self.feed = FakeBroker(), FakeBroker()
        self.receiver = FakeReceiver()
        self.gateway = app.build(
            self.house.config,
            clock=self.house.clock,
            owner_link=FakeLink(self.owners),
            feed_link=FakeLink(self.feed),
            receiver=self.receiver,
        )
        self.gateway.start()
        self.settle()

    def settle(self) -> None:
        for _ in range(8):
            self.gateway.step()
            self.gateway.releases.step()

    def send(self, broker: FakeBroker, topic: str, payload: bytes) -> None:
        broker.send(topic, payload)
        self.settle()
        assert broker.unacknowledged == {}, "nothing comes again for ever"

    def inbox(self) -> list[str]:
        prefix = topics.inbox("front-door", "")
        return [topic for topic in self.owners.retained if topic.startswith(prefix)]


@pytest.fixture
def two(tmp_path: Path) -> TwoBrokers:
    return TwoBrokers(tmp_path)


def test_posts_are_taken_from_the_feeds_broker_alone(two: TwoBrokers) -> None:
    two.house.record()
    request = two.house.request()
    post = two.house.post(request).encode()
    two.send(two.owners, topics.request(FEED, request.jti), post)
    assert two.inbox() == []
    two.send(two.feed, topics.request(FEED, request.jti), post)
    assert len(two.inbox()) == 1


def test_decisions_are_taken_from_the_owners_broker_alone(two: TwoBrokers) -> None:
    clip = two.house.record()
    request = two.house.request()
    post = two.house.post(request)
    two.send(two.feed, topics.request(FEED, request.jti), post.encode())
    letter = two.house.approve(post, [clip])
    two.send(two.feed, topics.owner("front-door"), letter)
    assert two.receiver.calls == []
    two.send(two.owners, topics.owner("front-door"), letter)
    assert len(two.receiver.finished) == 1


def test_the_feeds_broker_is_told_nothing(two: TwoBrokers) -> None:
    clip = two.house.record()
    request = two.house.request()
    post = two.house.post(request)
    two.send(two.feed, topics.request(FEED, request.jti), post.encode())
    two.send(two.owners, topics.owner("front-door"), two.house.approve(post, [clip]))
    two.gateway.stop()
    assert two.feed.published == []
    assert two.owners.retained[topics.availability("front-door")] == topics.OFFLINE


def test_a_feed_that_comes_and_goes_leaves_the_owners_letters_alone(two: TwoBrokers) -> None:
    before = list(two.owners.published)
    link = two.feed.client
    assert link is not None
    link.drop("cut")
    two.settle()
    link.start()
    two.settle()
    assert two.owners.published == before


def test_the_owners_link_given_alone_carries_the_feed_too(tmp_path: Path) -> None:
    house = House.build(tmp_path)
    broker = FakeBroker()
    gateway = app.build(house.config, clock=house.clock, owner_link=FakeLink(broker))
    gateway.start()
    house.record()
    request = house.request()
    broker.send(topics.request(FEED, request.jti), house.post(request).encode(), retained=True)
    for _ in range(3):
        gateway.step()
    assert any("/inbox/" in topic for topic in broker.retained)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"owners": ("nowhere.yaml",)}, "nowhere.yaml: cannot be read"),
        ({"requesters": "owner.card.yaml"}, "owner.card.yaml: "),
        ({"owners": ("state/wishes/device.card.yaml",)}, "device.card.yaml: "),
        ({"mqtt": config.Broker(username="u", password_file=Path("/nowhere/pw"))}, "/nowhere/pw"),
        ({"mqtt": config.Broker(tls=config.Tls(ca_file=Path("/nowhere/ca")))}, "/nowhere/ca"),
        ({"feed": config.Feed(broker=config.Broker(password_file=Path("/pw")))}, "username"),
    ],
)
def test_a_wrong_config_is_refused_before_anything_runs(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    house = House.build(tmp_path)
    load_or_create(house.config.state_dir, name="front-door")
    if "owners" in changes:
        changes = {"owners": tuple(tmp_path / name for name in changes["owners"])}
    if "requesters" in changes:
        changes = {"requesters": tmp_path / changes["requesters"]}
    with pytest.raises(ConfigError, match=fault):
        app.build(msgspec.structs.replace(house.config, **changes), clock=house.clock)


def test_a_file_where_the_outbox_should_be_is_told(tmp_path: Path) -> None:
    house = House.build(tmp_path)
    (house.config.state_dir / "gateway").mkdir(parents=True)
    (house.config.state_dir / "gateway" / "outbox").touch()
    with pytest.raises(StorageFault, match=r"outbox: File exists"):
        app.build(house.config, clock=house.clock)


# Ends


class Run:
    """A gateway about to run in this process; ``said`` is what systemd hears."""

    def __init__(self, root: Path, link: Link | None = None) -> None:
        self.house = House.build(root)
        self.broker = FakeBroker()
        self.said: list[str] = []
        self.gateway: Gateway = app.build(
            self.house.config,
            clock=self.house.clock,
            owner_link=link or FakeLink(self.broker),
            receiver=FakeReceiver(),
            notify=self.said.append,
        )

    def availability(self) -> bytes:
        return self.broker.retained[topics.availability("front-door")]


@pytest.mark.parametrize(
    "end", [RuntimeError("a mistake"), SystemExit()], ids=["loudly", "quietly"]
)
def test_the_end_of_the_thread_of_releases_is_the_end_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals: None, end: BaseException
) -> None:
    run = Run(tmp_path)

    def step() -> bool:
        raise end

    monkeypatch.setattr(run.gateway.releases, "step", step)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # the test's own, pytest's aside
    with pytest.raises(InternalFault, match="the thread that sends releases ended"):
        run.gateway.run()
    assert run.said[0] == "READY=1"
    assert run.said[-1] == "STOPPING=1"
    assert run.availability() == topics.OFFLINE
    assert run.broker.client is None


@pytest.mark.parametrize(
    "end", [RuntimeError("a mistake"), SystemExit()], ids=["loudly", "quietly"]
)
def test_the_end_of_the_thread_of_a_link_is_the_end_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals: None, end: BaseException
) -> None:
    """Deaf, it would still look alive to systemd."""

    def ends(_: MqttLink) -> float:
        raise end

    monkeypatch.setattr(MqttLink, "_connect_once", ends)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # the test's own, pytest's aside
    run = Run(
        tmp_path, MqttLink(Settings(client_id="front-door", host="127.0.0.1", port=free_port()))
    )
    with pytest.raises(InternalFault, match="the thread of the link to"):
        run.gateway.run()
    assert run.said[-1] == "STOPPING=1"


def test_a_fault_of_a_part_is_the_end_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals: None
) -> None:
    run = Run(tmp_path)

    def step(**_: object) -> None:
        raise StorageFault("the disk is gone")

    monkeypatch.setattr(run.gateway, "step", step)
    with pytest.raises(StorageFault, match="the disk is gone"):
        run.gateway.run()
    assert run.said[-1] == "STOPPING=1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, signals: None, number: signal.Signals) -> None:
    run = Run(tmp_path)
    step, steps = run.gateway.step, 0

    def counted(*, wait_seconds: float = 0.0) -> None:
        nonlocal steps
        steps += 1
        step()
        if steps == 3:
            os.kill(os.getpid(), number)

    run.gateway.step = counted  # type: ignore[method-assign]
    run.gateway.run()
    assert steps == 3
    assert run.said.count("WATCHDOG=1") == 3
    assert run.availability() == topics.OFFLINE


# The command


class Systemd:
    """The socket on which a service says how it is."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(PATIENCE_SECONDS)
        self.heard: list[str] = []

    def wait_for(self, word: str) -> None:
        while word not in self.heard:
            self.heard.append(self._socket.recv(4096).decode())

    def close(self) -> None:
        self._socket.close()


def wait(what: str, ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.05)


def retained(broker: Mosquitto) -> dict[str, bytes]:
    """All that a broker keeps for everybody."""
    return {message.topic: message.payload for message in links.retained(broker, "#")}


def publish(broker: Mosquitto, topic: str, payload: bytes) -> None:
    link = MqttLink(Settings(client_id="requester", host=broker.host, port=broker.port))
    with Session(link) as session:
        session.publish(topic, payload, retained=True)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path)
    yield made
    made.close()


def test_the_command_says_its_life_signs_keeps_brokers_apart_and_ends_with_0(
    tmp_path: Path, mosquitto: Mosquitto, systemd: Systemd, capfd: pytest.CaptureFixture[str]
) -> None:
    with Mosquitto(tmp_path / "feed") as feed:
        house = House.build(
            tmp_path / "house",
            clock=SimulatedClock(wall_seconds=time.time()),
            mqtt=config.Broker(port=mosquitto.port),
            feed=config.Feed(broker=config.Broker(port=feed.port)),
        )
        house.record()
        path = tmp_path / "agent.yaml"
        path.write_text(config.effective(house.config))
        wrong, right = house.request(), house.request()
        publish(mosquitto, topics.request(FEED, wrong.jti), house.post(wrong).encode())
        publish(feed, topics.request(FEED, right.jti), house.post(right).encode())
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "agent", "gateway", "--config", str(path)],
                cwd=ROOT,
                env={**os.environ, "NOTIFY_SOCKET": str(systemd.path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            systemd.wait_for("READY=1")
            systemd.wait_for("WATCHDOG=1")
            digest = signing.digest(house.post(right))
            inbox = topics.inbox("front-door", digest[:16])
            wait("the letter", lambda: inbox in retained(mosquitto))
            assert retained(mosquitto)[topics.availability("front-door")] == topics.ONLINE
            systemd.heard.clear()
            systemd.wait_for("WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
            systemd.wait_for("STOPPING=1")
        finally:
            process.kill()
            process.wait()
        said = retained(mosquitto)
        assert said[topics.availability("front-door")] == topics.OFFLINE
        assert [topic for topic in said if "/inbox/" in topic] == [inbox]
        assert list(retained(feed)) == [topics.request(FEED, right.jti)]
        assert "front-door" not in feed.log(), "the feed's broker learns nothing of the device"
    capfd.readouterr()
    assert cli.main(["requests", "--json", "--config", str(path)]) == 0
    (row,) = capfd.readouterr().out.splitlines()
    assert json.loads(row)["request"] == digest
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_command_with_a_broker_away_keeps_trying_and_ends_with_0(
    tmp_path: Path, systemd: Systemd
) -> None:
    house = House.build(tmp_path / "house", mqtt=config.Broker(port=free_port()))
    path = tmp_path / "agent.yaml"
    path.write_text(config.effective(house.config))
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "gateway", "--config", str(path)],
        cwd=ROOT,
        env={**os.environ, "NOTIFY_SOCKET": str(systemd.path)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        systemd.wait_for("READY=1")
        for _ in range(2):
            systemd.heard.clear()
            systemd.wait_for("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "nobody listens there" in err
    assert "Traceback" not in err


def test_memory_is_given_back_once_the_start_is_over_and_after_each_release(
    tmp_path: Path, signals: None
) -> None:
    """Whatever else there is to do: receivers are asked for receipts for days."""
    run = Run(tmp_path)
    clock, given_back = run.house.clock, []
    releases, began, turns = run.gateway.releases, clock.monotonic(), itertools.count(1)

    def a_second() -> bool:
        clock.advance(1)
        if (turn := next(turns)) in (7, 9, 30):
            releases.sealed += 1
        if turn == 50:
            os.kill(os.getpid(), signal.SIGTERM)
        return turn % 3 == 0

    releases.step = a_second  # type: ignore[method-assign]
    releases.wait = lambda _: None  # type: ignore[method-assign,assignment]
    run.gateway.step = lambda **_: time.sleep(0.001)  # type: ignore[method-assign]
    run.gateway.memory = MemoryReturn(
        clock, lambda: given_back.append(round(clock.monotonic() - began))
    )
    run.gateway.run()
    assert given_back == [5, 14, 35]
