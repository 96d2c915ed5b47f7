"""The shipped broker configuration, against Debian's mosquitto and real clients.

MQTT 5 is spoken for its answers: a publication that the ACL forbids is answered
with "not authorized" instead of silence. A subscription is always granted by
mosquitto and filtered when messages are delivered, so reading is judged by what
arrives at a client that subscribes to everything.
"""

from __future__ import annotations

import queue
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.config import EXAMPLE
from agent.consent.letters import MAX_LETTER_BYTES
from agent.mqtt import topics
from tests.peers.process import Peer, free_port
from tests.peers.requirements import ROOT, program

CONFIG = ROOT / "config" / "mosquitto"
PASSWORD = "correct horse"
SECONDS = 60.0

DEVICE, FEED = EXAMPLE.device.name, EXAMPLE.feed.topic
OTHER = "garage"

STATUS = [topics.availability(DEVICE), topics.state(DEVICE)]
LETTERS = [
    topics.inbox(DEVICE, "0123456789abcdef"),
    topics.preview(DEVICE, "20240124-183015-3f9a2c", 0),
    topics.release(DEVICE, "0123456789abcdef"),
    topics.notices(DEVICE),
]
NOTICE = topics.notice(DEVICE, "0123456789abcdef")
STATUS_LETTER = topics.status(DEVICE, "0123456789abcdef")
TO_ITSELF = [topics.owner(DEVICE), topics.session(DEVICE), STATUS_LETTER]
KNOCK, ANSWER = (topics.pairing("417", side) for side in ("device", "owner"))
POSTS = [make(FEED, "0123456789abcdef") for make in (topics.request, topics.alert)]
POSTS += [topics.withdrawal(FEED, "0123456789abcdef"), topics.log_link(FEED, 7)]
OF_ANOTHER_DEVICE = [topics.state(OTHER), topics.inbox(OTHER, "0123456789abcdef")]
ELSEWHERE = ["clip-agent", f"{FEED}/elsewhere/x", "anything"]
HOME_ASSISTANT_STATUS = topics.homeassistant_status("homeassistant")
DISCOVERY = topics.discovery("homeassistant", DEVICE)
OTHER_DISCOVERY = topics.discovery("homeassistant", OTHER)
HOME_FACTS = [topics.homeassistant(DEVICE, "state"), topics.homeassistant(DEVICE, "request")]
SWITCH = topics.homeassistant(DEVICE, "arm")
ALL = [
    *STATUS,
    *LETTERS,
    NOTICE,
    *POSTS,
    *OF_ANOTHER_DEVICE,
    *TO_ITSELF,
    topics.owner(OTHER),
    KNOCK,
    ANSWER,
    *ELSEWHERE,
    *HOME_FACTS,
    *(HOME_ASSISTANT_STATUS, DISCOVERY, OTHER_DISCOVERY, SWITCH),
]

MAY_WRITE = {
    DEVICE: {*STATUS, *LETTERS, NOTICE, *TO_ITSELF, ANSWER, *HOME_FACTS, DISCOVERY},
    "owner": {topics.owner(DEVICE), topics.owner(OTHER), KNOCK},
    "pairing": {KNOCK},
    "watcher": set(),
    "homeassistant": {HOME_ASSISTANT_STATUS, DISCOVERY, OTHER_DISCOVERY},
    "requester": {*POSTS},
    "reader": set(),
}
MAY_READ = {
    DEVICE: {*TO_ITSELF, *POSTS, KNOCK, HOME_ASSISTANT_STATUS, SWITCH},
    "owner": {*STATUS, *LETTERS, NOTICE, STATUS_LETTER, *OF_ANOTHER_DEVICE, *POSTS, ANSWER},
    "pairing": {ANSWER},
    "watcher": {NOTICE, topics.availability(DEVICE)},
    "homeassistant": {
        topics.availability(DEVICE),
        *HOME_FACTS,
        *(HOME_ASSISTANT_STATUS, DISCOVERY, OTHER_DISCOVERY),
    },
    "requester": {*POSTS},
    "reader": {*POSTS},
}


@dataclass
class Broker:
    """mosquitto with Debian's main file and ours beside it, as it is installed."""

    folder: Path
    port: int
    peer: Peer
    users: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.peer.run([program("mosquitto"), "-c", str(self.folder / "main.conf")], ready="running")

    def restart(self) -> None:
        self.peer.terminate()
        self.start()


class User:
    """A real client; answers and messages are waited for, never polled."""

    def __init__(self, port: int, name: str, password: str = PASSWORD, session: str = "") -> None:
        self.answers: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[MQTTMessage] = queue.Queue()
        self._connected: queue.Queue[Any] = queue.Queue()
        self._port = port
        self._keep = bool(session)
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=session or f"test-{name}",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client.username_pw_set(name, password)
        self._client.on_connect = lambda _c, _u, flags, code, _p: self._connected.put((code, flags))
        self._client.on_publish = lambda _c, _u, _mid, code, _p: self.answers.put(code)
        self._client.on_subscribe = lambda _c, _u, _mid, codes, _p: self.answers.put(codes)
        self._client.on_message = lambda _c, _u, message: self.messages.put(message)

    def connect(self) -> tuple[Any, Any]:
        """The broker's answer, and whether it knew our session."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._keep:
            properties.SessionExpiryInterval = 3600
        self._client.connect(
            "127.0.0.1", self._port, clean_start=not self._keep, properties=properties
        )
        self._client.loop_start()
        code, flags = self._connected.get(timeout=SECONDS)
        return code, flags

    def __enter__(self) -> Self:
        code, _ = self.connect()
        assert code == 0, str(code)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: str, *, retained: bool = False) -> bool:
        """Publish, and tell if the broker took it."""
        self._client.publish(topic, payload, qos=1, retain=retained)
        code = self.answers.get(timeout=SECONDS)
        assert not code.is_failure or code.value == 135, str(code)  # 135: not authorized
        return not code.is_failure

    def hear(self, topic_filter: str) -> None:
        self._client.subscribe(topic_filter, qos=1)
        self.answers.get(timeout=SECONDS)

    def heard_until(self, last: str) -> set[str]:
        """The topics of all messages up to the one whose payload is ``last``."""
        heard = set()
        while (message := self.messages.get(timeout=SECONDS)).payload.decode() != last:
            heard.add(message.topic)
        return heard


@contextmanager
def run(folder: Path) -> Iterator[Broker]:
    port = free_port()
    (folder / "conf.d").mkdir()
    shipped = (CONFIG / "clip-agent.conf").read_text()
    installed = shipped.replace("listener 1883 ", f"listener {port} ")
    installed = installed.replace("/etc/mosquitto/clip-agent.", f"{folder}/clip-agent.")
    assert installed.count(str(folder)) == shipped.count("/etc/mosquitto/clip-agent.")
    (folder / "conf.d" / "clip-agent.conf").write_text(installed)
    # One user more than is shipped: the test's own eyes and mouth.
    acl = (CONFIG / "clip-agent.acl").read_text() + "\nuser test\ntopic readwrite #\n"
    (folder / "clip-agent.acl").write_text(acl)
    users = re.findall(r"^user (\S+)$", acl, re.M)
    passwords = folder / "clip-agent.passwd"
    passwords.write_text("".join(f"{user}:{PASSWORD}\n" for user in users))
    subprocess.run([program("mosquitto_passwd"), "-U", str(passwords)], check=True)
    for file in folder.glob("clip-agent.*"):
        file.chmod(0o600)
    (folder / "main.conf").write_text(
        f"user root\npersistence true\npersistence_location {folder}/\n"
        f"log_dest stderr\nlog_type all\ninclude_dir {folder}/conf.d\n"
    )
    broker = Broker(folder, port, Peer(folder / "mosquitto.log"), users)
    broker.start()
    try:
        yield broker
    finally:
        broker.peer.kill()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with run(tmp_path_factory.mktemp("broker")) as running:
        yield running


def test_the_tables_here_name_every_user_of_the_shipped_acl(broker: Broker) -> None:
    assert set(broker.users) - {"test"} == MAY_WRITE.keys() == MAY_READ.keys()


@pytest.mark.parametrize("name", MAY_WRITE)
def test_a_user_writes_its_own_topics_and_no_others(broker: Broker, name: str) -> None:
    with User(broker.port, name) as user:
        taken = {topic for topic in ALL if user.publish(topic, "hello")}
    assert taken == MAY_WRITE[name]


def test_a_refused_request_reaches_nobody(broker: Broker) -> None:
    with User(broker.port, "test") as witness, User(broker.port, "requester") as attacker:
        witness.hear("#")
        for topic in ALL:
            attacker.publish(topic, "an attack")
        witness.publish("anything", "the end")
        assert witness.heard_until("the end") == MAY_WRITE["requester"]


@pytest.mark.parametrize("name", MAY_READ)
def test_a_user_that_subscribes_to_everything_hears_only_its_own(broker: Broker, name: str) -> None:
    with User(broker.port, name) as user, User(broker.port, "test") as speaker:
        user.hear("#")
        for topic in ALL:
            assert speaker.publish(topic, "hello")
        assert speaker.publish(min(MAY_READ[name]), "the end")
        assert user.heard_until("the end") == MAY_READ[name]


@pytest.mark.parametrize(("name", "password"), [("owner", "wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_client_without_a_password_is_refused(broker: Broker, name: str, password: str) -> None:
    user = User(broker.port, name, password)
    try:
        code, _ = user.connect()
        assert code.is_failure
    finally:
        user.__exit__()


def test_posts_and_waiting_letters_outlive_a_restart_of_the_broker(tmp_path: Path) -> None:
    with run(tmp_path) as broker:
        with User(broker.port, DEVICE, session="gateway") as device:
            device.hear(topics.owner(DEVICE))
        with User(broker.port, "requester") as requester:
            requester.publish(POSTS[0], "a post", retained=True)
        with User(broker.port, "owner") as owner:
            owner.publish(topics.owner(DEVICE), "a letter")
        broker.restart()
        with User(broker.port, "reader") as reader:
            reader.hear(f"{FEED}/#")
            post = reader.messages.get(timeout=SECONDS)
            assert (post.payload, post.retain) == (b"a post", True)
        device = User(broker.port, DEVICE, session="gateway")
        _, flags = device.connect()
        try:
            assert flags.session_present
            assert device.messages.get(timeout=SECONDS).payload == b"a letter"
        finally:
            device.__exit__()


def test_the_largest_letter_and_chunk_fit_through_the_broker() -> None:
    shipped = (CONFIG / "clip-agent.conf").read_text()
    match = re.search(r"^message_size_limit (\d+)$", shipped, re.M)
    assert match is not None
    assert max(MAX_LETTER_BYTES, topics.CHUNK_BYTES) < int(match[1])
