"""The gateway's peers as simulators: a broker and an upload receiver in memory.

They implement the production interfaces, record what they were asked, and fail on
demand. The broker keeps a message until it is acknowledged and brings it again to
a client that comes back, as a persistent session does.

>>> broker = FakeBroker()
>>> link = FakeLink(broker)
>>> broker.send("clip-agent/front-door/owner", letter)   # the gateway receives it
>>> broker.retained["clip-agent/front-door/state"]       # what the gateway published
"""

from __future__ import annotations

import io
import itertools
import queue
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import bagit
import pyrage

from agent.consent import letters as mail
from agent.errors import NetworkFault, ReceiverFault
from agent.gateway.release.chunk import Chunk
from agent.mqtt.link import Connected, Disconnected, Event, Published, Received


class Crash(BaseException):
    """The gateway's process is gone; no handler of the product may catch it."""


@dataclass
class FakeBroker:
    """A broker for one client, a device that may write to its owner topic."""

    retained: dict[str, bytes] = field(default_factory=dict)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    unacknowledged: dict[int, tuple[str, bytes, bool]] = field(default_factory=dict)
    client: FakeLink | None = None
    subscriptions: set[str] = field(default_factory=set)  # made after the connection
    _receipts: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def send(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """A message for the client: now, or when it comes back."""
        receipt = next(self._receipts)
        self.unacknowledged[receipt] = (topic, payload, retained)
        if self.client is not None:
            self.client.deliver(receipt)

    def forget(self) -> None:
        """Lose the session: its subscriptions, and the letters that were kept for it."""
        self.subscriptions.clear()
        self.unacknowledged.clear()

    def connect(self, client: FakeLink) -> None:
        self.client = client
        client.events.put(Connected())
        for topic, payload in self.retained.items():
            if "/status/" in topic or "/deferred/" in topic:
                client.events.put(Received(topic, payload, True, None))
        for receipt in list(self.unacknowledged):
            client.deliver(receipt)


class FakeLink:
    """A client of :class:`FakeBroker`."""

    def __init__(self, broker: FakeBroker) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.swallows = False  # the network takes everything and brings nothing, both ways
        self._broker = broker
        self._tokens = itertools.count(1)

    def start(self) -> None:
        self._broker.connect(self)

    def stop(self) -> None:
        self._broker.client = None

    def drop(self, reason: str = "cut") -> None:
        """The connection breaks."""
        self._broker.client = None
        self.events.put(Disconnected(reason))

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        if self._broker.client is not self:
            raise NetworkFault("not connected")
        if self.swallows:
            return next(self._tokens)
        of_device = topic.endswith("/owner") or "/deferred/" in topic
        if of_device or topic in self._broker.subscriptions:
            self._broker.send(topic, payload)  # to ourselves
        else:
            self._broker.published.append((topic, payload))
        if retained and payload:
            self._broker.retained[topic] = payload
        elif retained:
            self._broker.retained.pop(topic, None)
        token = next(self._tokens)
        self.events.put(Published(token))
        return token

    def acknowledge(self, received: Received) -> None:
        self._broker.unacknowledged.pop(received.receipt, None)  # type: ignore[call-overload]

    def subscribe(self, topic: str) -> None:
        if self._broker.client is not self:
            raise NetworkFault("not connected")
        self._broker.subscriptions.add(topic)

    def deliver(self, receipt: int) -> None:
        topic, payload, retained = self._broker.unacknowledged[receipt]
        if not self.swallows:
            self.events.put(Received(topic, payload, retained, receipt))


@dataclass
class Upload:
    """An upload as a receiver keeps it."""

    size: int
    metadata: Mapping[str, str]
    data: bytearray = field(default_factory=bytearray)

    @property
    def finished(self) -> bool:
        return len(self.data) == self.size

    @property
    def release(self) -> str:
        return self.metadata["release"]


@dataclass
class FakeReceiver:
    """A tus receiver. ``faults`` are taken one a call.

    ``request-lost`` and ``answer-lost`` are the network's; at ``sender-dies`` the
    gateway is killed when the receiver has taken what was sent.

    ``receipts`` holds what lies beside each upload; ``asked`` counts the questions for it.
    """

    uploads: dict[str, Upload] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    receipts: dict[str, bytes] = field(default_factory=dict)
    asked: int = 0
    receipts_away: bool = False
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def create(self, url: str, *, size: int, metadata: Mapping[str, str]) -> str:
        fault = self._fault("create")
        upload_url = f"{url}{next(self._ids)}"  # never given twice
        self.uploads[upload_url] = Upload(size, dict(metadata))
        self._answer(fault)
        return upload_url

    def offset(self, upload_url: str, *, size: int, sent: int) -> int | None:
        self._answer(self._fault("offset"))
        upload = self.uploads.get(upload_url)
        if upload is None:
            return None
        assert len(upload.data) <= sent, "an honest receiver was taken for a liar"
        return len(upload.data)

    def peer(self) -> str:
        return "127.0.0.1"

    def send(self, upload_url: str, *, offset: int, chunk: Chunk, size: int) -> int:
        fault = self._fault("send")
        upload = self.uploads[upload_url]
        assert offset == len(upload.data), "the client must send from where the receiver is"
        upload.data += b"".join(chunk)
        self._answer(fault)
        return len(upload.data)

    def remove(self, upload_url: str) -> None:
        fault = self._fault("remove")
        upload = self.uploads.get(upload_url)
        if upload is not None and upload.finished:
            raise ReceiverFault(403, "what was received stays")
        self.uploads.pop(upload_url, None)
        self._answer(fault)

    def receipt(self, upload_url: str, *, at_most: int) -> bytes | None:
        self.asked += 1
        if self.receipts_away:
            raise NetworkFault("there is nobody")
        return self.receipts.get(upload_url)

    @property
    def finished(self) -> list[Upload]:
        return [upload for upload in self.uploads.values() if upload.finished]

    def _fault(self, call: str) -> str:
        self.calls.append(call)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "request-lost":
            raise NetworkFault("the request was lost")
        return fault

    @staticmethod
    def _answer(fault: str) -> None:
        if fault == "answer-lost":
            raise NetworkFault("the answer was lost")
        if fault == "sender-dies":
            raise Crash


def open_bundle(data: bytes, identity: str) -> dict[str, bytes]:
    """The files of a bundle by their path below the bag."""
    plain = pyrage.decrypt(data, [mail.parse_identity(identity)])
    with tarfile.open(fileobj=io.BytesIO(plain)) as bag:
        return {
            member.name.partition("/")[2]: bag.extractfile(member).read()  # type: ignore[union-attr]
            for member in bag.getmembers()
            if member.isfile()
        }


def validate_bag(files: Mapping[str, bytes]) -> None:
    """Let the reference implementation of BagIt judge the files of a bag."""
    with tempfile.TemporaryDirectory() as folder:
        for path, content in files.items():
            (Path(folder) / path).parent.mkdir(exist_ok=True)
            (Path(folder) / path).write_bytes(content)
        bagit.Bag(folder).validate()
