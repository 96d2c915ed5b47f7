"""Delivery of the owners' letters: acknowledged when done, deferred when too many wait.

A letter is acknowledged when its effect is on disk, an approval when its bundle is sealed: until
then the broker keeps it, with the keys inside, for a gateway that is killed. But a broker hands
out only so many unacknowledged messages (RabbitMQ 10, Mosquitto 20), and a revocation must not
wait behind them. So all letters that wait beyond :data:`MAX_UNACKNOWLEDGED` are **deferred**:

1. The letter is published as it came, sealed, as a retained message on a topic of its own.
2. Once the broker has confirmed that, the letter is acknowledged. Waiting for it to come back would
   block for ever: the broker queues it behind the unacknowledged letters.
3. When its bundle is sealed, or its release is over, the topic is emptied.

A new connection brings the deferred letters again. They hold nothing that stops a release, so
their order does not matter. One is opened only for a release that waits for its keys, so an old
letter that somebody publishes there starts nothing.
"""

from __future__ import annotations

import hashlib
import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from agent.errors import NetworkFault
from agent.gateway.decisions.handler import DecisionHandler
from agent.mqtt import topics
from agent.mqtt.link import Link, Received

log = logging.getLogger(__name__)

MAX_UNACKNOWLEDGED: Final = 4


@dataclass(eq=False)
class _Letter:
    """A letter under way; ``received`` is what to acknowledge at its end."""

    name: str
    received: Received | None
    deferred: bool = False
    is_kept: bool = False  # by the broker, on the topic of deferred letters
    is_done: bool = False


@dataclass(eq=False)
class LetterDelivery:
    """Passes letters to ``decisions``, on the thread of the loop, which ``wake`` wakes."""

    decisions: DecisionHandler
    link: Link
    device_name: str
    wake: Callable[[], object]
    _under_way: dict[str, _Letter] = field(default_factory=dict)
    _published: dict[int, _Letter] = field(default_factory=dict)  # not yet confirmed, by token
    _done: queue.SimpleQueue[_Letter] = field(default_factory=queue.SimpleQueue)

    def receive(self, received: Received) -> None:
        """Act on a letter from the owners' topic, once while it is under way."""
        name = _name(received.payload)
        letter = self._under_way.get(name)
        if letter is None or received.retained:  # a retained copy is refused: never the letter
            letter = _Letter(name, received)
            self._begin(letter, received)
        elif letter.is_kept:
            self.link.acknowledge(received)
        else:  # the broker keeps the one that came last
            self._acknowledge(letter)
            letter.received = received
        if not letter.is_done and not letter.is_kept:
            self._defer_if_too_many(letter, received.payload)

    def receive_deferred(self, name: str, received: Received) -> None:
        """Act on a letter from the topic of the deferred letter ``name``, or our own copy of it."""
        self.link.acknowledge(received)
        if not received.payload:
            return
        if name != _name(received.payload):
            self._empty(name)
            return
        letter = self._under_way.get(name)
        if letter is None:
            letter = _Letter(name, None, deferred=True, is_kept=True)
            self._begin_deferred(letter, received.payload)
        else:
            self._note_kept(letter)

    def published(self, token: int) -> None:
        """The broker confirmed the message with this token."""
        if (letter := self._published.pop(token, None)) is not None:
            self._note_kept(letter)

    def disconnected(self) -> None:
        """No more is confirmed; the next connection brings again what was not acknowledged."""
        self._published.clear()

    def settle(self) -> None:
        """Let the broker forget the letters that are done; call it often."""
        while not self._done.empty():
            letter = self._done.get()
            if self._under_way.get(letter.name) is letter:
                del self._under_way[letter.name]
            self._acknowledge(letter)
            if letter.deferred:
                self._empty(letter.name)

    def _begin(self, letter: _Letter, received: Received) -> None:
        if not received.retained:
            self._under_way[letter.name] = letter
        done = partial(self._note_done, letter)
        self.decisions.receive(received.payload, retained=received.retained, done=done)

    def _begin_deferred(self, letter: _Letter, payload: bytes) -> None:
        self._under_way[letter.name] = letter
        self.decisions.resume(payload, done=partial(self._note_done, letter))

    def _note_kept(self, letter: _Letter) -> None:
        letter.deferred = letter.is_kept = True
        self._acknowledge(letter)

    def _acknowledge(self, letter: _Letter) -> None:
        if letter.received is not None:
            self.link.acknowledge(letter.received)
            letter.received = None

    def _note_done(self, letter: _Letter) -> None:
        """Have a letter acknowledged; called on any thread."""
        letter.is_done = True
        self._done.put(letter)
        self.wake()

    def _defer_if_too_many(self, letter: _Letter, payload: bytes) -> None:
        waiting = (one for one in self._under_way.values() if not (one.is_done or one.deferred))
        if not letter.deferred and sum(1 for _ in waiting) <= MAX_UNACKNOWLEDGED:
            return
        letter.deferred = True
        topic = topics.deferred(self.device_name, letter.name)
        try:
            self._published[self.link.publish(topic, payload, retained=True)] = letter
        except NetworkFault:
            log.info("not connected: the next connection brings the letter again")

    def _empty(self, name: str) -> None:
        try:
            self.link.publish(topics.deferred(self.device_name, name), b"", retained=True)
        except NetworkFault:
            log.info("not connected: the next connection brings the deferred letter again")


def _name(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:32]
