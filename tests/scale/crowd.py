"""Ten thousand cameras on one feed: what a gateway says to a broker, over raw sockets.

>>> with Crowd([broker.port], cameras=10_000, filters=[f"{FEED}/requests/+"]) as crowd:
...     crowd.wait("the retained posts", lambda: crowd.reached(topic) == 10_000)
...     crowd.tell("renew")                    # each camera subscribes again
...     crowd.totals().bytes_in                # all that brokers sent, without TCP and IP

Each camera connects with a clean session (MQTT 3.1.1), subscribes with QoS 0, pings and renews its
subscriptions when told to. The cameras are shared among processes, each with one loop.
"""

from __future__ import annotations

import multiprocessing
import resource
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Self

from tests.peers.requirements import missing

PATIENCE_SECONDS = 600.0
_PROCESSES = 2
_SPARE_FILES = 500
_CONNECTS_A_TURN = 25
_KEEPALIVE_SECONDS = 3_600  # pings are told, so that an hour takes no hour
_CONNACK, _PUBLISH, _SUBACK, _PINGRESP = 0x20, 0x30, 0x90, 0xD0
_SUMS = ("subscribed", "answered", "messages", "lost", "bytes_in", "bytes_out")
_PING = b"\xc0\x00"


@dataclass
class Totals:
    """Sums over cameras. ``arrivals``: by topic, how many cameras have it, the first and last time
    (monotonic seconds) that one got it.
    """

    subscribed: int = 0
    answered: int = 0  # pings
    messages: int = 0
    lost: int = 0  # connections that the broker ended
    bytes_in: int = 0
    bytes_out: int = 0
    arrivals: dict[str, tuple[int, float, float]] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Count ``other`` in."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for topic, (count, first, last) in other.arrivals.items():
            had = self.arrivals.get(topic, (0, first, last))
            self.arrivals[topic] = (had[0] + count, min(had[1], first), max(had[2], last))


def allow_files(count: int) -> None:
    """Let this process and its children open ``count`` files; skip where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        missing(f"{count} open files are not allowed ({hard} are)", "raise ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


class Crowd:
    """The cameras, in processes that are told what to do and asked for their sums."""

    def __init__(self, ports: Sequence[int], *, cameras: int, filters: Sequence[str]) -> None:
        allow_files(cameras + _SPARE_FILES)
        self._cameras = cameras
        self._links: list[Connection] = []
        self._processes = []
        share = cameras // _PROCESSES
        assert share * _PROCESSES == cameras
        context = multiprocessing.get_context("spawn")
        for number in range(_PROCESSES):
            ours, theirs = context.Pipe()
            arguments = (theirs, ports, range(number * share, (number + 1) * share), filters)
            self._processes.append(context.Process(target=_work, args=arguments, daemon=True))
            self._links.append(ours)

    def tell(self, what: str) -> None:
        """Have every camera do ``what``: ping or renew."""
        for link in self._links:
            link.send(what)

    def totals(self) -> Totals:
        """The sums over all cameras, now."""
        self.tell("totals")
        summed = Totals()
        for link in self._links:
            summed.add(link.recv())
        return summed

    def wait(self, what: str, ready: Callable[[Totals], bool]) -> Totals:
        """Wait until the sums are as wanted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ready(totals := self.totals()):
            totals.arrivals = dict(sorted(totals.arrivals.items())[:3])
            assert time.monotonic() < deadline, f"waited too long for {what}: {totals}"
            time.sleep(0.2)
        return totals

    def ping(self) -> None:
        """Have every camera ping, and wait for the answers."""
        answered = self.totals().answered
        self.tell("ping")
        self.wait("pings", lambda now: now.answered == answered + self._cameras)

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()


def _text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def _packet(kind: int, body: bytes) -> bytes:
    length, encoded = len(body), b""
    while True:
        length, digit = length >> 7, length & 0x7F
        encoded += bytes([digit | 0x80 if length else digit])
        if not length:
            return bytes([kind]) + encoded + body


class _Worker:
    """The cameras of one process."""

    def __init__(
        self, link: Connection, ports: Sequence[int], numbers: range, filters: Sequence[str]
    ) -> None:
        self._link, self._ports = link, ports
        self._waiting = list(numbers)
        wanted = b"".join(_text(one) + b"\0" for one in filters)
        self._subscribe = _packet(0x82, struct.pack(">H", 1) + wanted)
        self._poll = select.epoll()
        self._poll.register(link.fileno(), select.EPOLLIN)
        self._sockets: dict[int, socket.socket] = {}
        self._rests: dict[int, bytes] = {}
        self._seen: dict[int, set[str]] = {}
        self._totals = Totals()

    def run(self) -> None:
        while True:
            for number in self._waiting[:_CONNECTS_A_TURN]:
                self._connect(number)
            del self._waiting[:_CONNECTS_A_TURN]
            for descriptor, _ in self._poll.poll(0 if self._waiting else 0.5, 1_000):
                if descriptor == self._link.fileno():
                    self._obey(self._link.recv())
                else:
                    self._read(descriptor)

    def _obey(self, what: str) -> None:
        if what == "totals":
            self._link.send(self._totals)
            return
        packet = _PING if what == "ping" else self._subscribe
        for descriptor in list(self._sockets):
            self._send(descriptor, packet)

    def _connect(self, number: int) -> None:
        port = self._ports[number % len(self._ports)]
        one = socket.create_connection(("127.0.0.1", port), timeout=60)
        one.setblocking(False)
        descriptor = one.fileno()
        self._sockets[descriptor], self._rests[descriptor] = one, b""
        self._seen[descriptor] = set()
        self._poll.register(descriptor, select.EPOLLIN)
        name = _text("MQTT") + b"\x04\x02" + struct.pack(">H", _KEEPALIVE_SECONDS)
        self._send(descriptor, _packet(0x10, name + _text(f"clip-feed-{number:016x}")))

    def _send(self, descriptor: int, data: bytes) -> None:
        try:
            sent = self._sockets[descriptor].send(data)
            assert sent == len(data), "a camera's buffer is full"
        except ConnectionError:
            self._lose(descriptor)
        else:
            self._totals.bytes_out += sent

    def _lose(self, descriptor: int) -> None:
        self._totals.lost += 1
        self._poll.unregister(descriptor)
        self._sockets.pop(descriptor).close()

    def _read(self, descriptor: int) -> None:
        try:
            data = self._sockets[descriptor].recv(262_144)
        except ConnectionError:
            data = b""
        if not data:
            self._lose(descriptor)
            return
        self._totals.bytes_in += len(data)
        data = self._rests[descriptor] + data
        at = 0
        while (packet := _next(data, at)) is not None:
            kind, start, at = packet
            if kind & 0xF0 == _PUBLISH:
                assert not kind & 0x06, "a post that wants an answer"
                self._receive(descriptor, data, start)
            elif kind == _CONNACK:
                assert data[start + 1] == 0, "the broker refuses a camera"
                self._send(descriptor, self._subscribe)
            elif kind == _SUBACK:
                assert 0x80 not in data[start + 2 : at], "the broker refuses a subscription"
                self._totals.subscribed += 1
            elif kind == _PINGRESP:
                self._totals.answered += 1
        self._rests[descriptor] = data[at:]

    def _receive(self, descriptor: int, data: bytes, start: int) -> None:
        """Count a post."""
        length = data[start] << 8 | data[start + 1]
        topic, seen = data[start + 2 : start + 2 + length].decode(), self._seen[descriptor]
        self._totals.messages += 1
        if topic not in seen:
            seen.add(topic)
            now = time.monotonic()
            count, first, _ = self._totals.arrivals.get(topic, (0, now, now))
            self._totals.arrivals[topic] = (count + 1, first, now)


def _next(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Kind, start and end of the packet at ``at``; None if it is not whole."""
    length = shift = 0
    for position in range(at + 1, len(data)):
        length |= (data[position] & 0x7F) << shift
        shift += 7
        if data[position] < 0x80:
            end = position + 1 + length
            return (data[at], position + 1, end) if end <= len(data) else None
    return None


def _work(link: Connection, ports: Sequence[int], numbers: range, filters: Sequence[str]) -> None:
    _Worker(link, ports, numbers, filters).run()
