"""Session: a link for a command that connects, asks, waits for the answer, and leaves."""

from __future__ import annotations

import queue
import time
from dataclasses import KW_ONLY, dataclass, field
from typing import Self

from agent.errors import NetworkFault
from agent.mqtt.link import Connected, Disconnected, Event, Link, Published, Received


@dataclass(eq=False)
class Session:
    """A link for the time of a command.

    >>> with Session(link, seconds=10) as session:
    ...     session.publish(topic, payload, retained=False)
    ...     letters = session.collect(quiet_seconds=0.5, at_most_seconds=10)

    Entering connects, once: :class:`NetworkFault` when that fails or takes longer than
    ``seconds``, which also limits the wait for the confirmation of a publication.
    Messages are acknowledged as they are handed out. For one thread.
    """

    link: Link
    _: KW_ONLY
    seconds: float = 10.0
    connected: Connected = field(default_factory=Connected)  # what the broker said of itself
    _waiting: list[Received] = field(default_factory=list)  # came during another wait

    def __enter__(self) -> Self:
        self.link.start()
        try:
            event = self._wait_for(Connected(), "connecting to the broker takes too long")
            assert isinstance(event, Connected)
            self.connected = event
        except NetworkFault:
            self.link.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop()

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Send a message and wait until the broker has it; NetworkFault otherwise."""
        if refusal := self.offer(topic, payload, retained=retained):
            raise NetworkFault(f"the broker refuses the message ({refusal})")

    def offer(self, topic: str, payload: bytes, *, retained: bool) -> str:
        """Send a message; the broker's reason to refuse it, or nothing. NetworkFault else."""
        token = self.link.publish(topic, payload, retained=retained)
        event = self._wait_for(Published(token), "the broker does not confirm the message")
        return event.refusal if isinstance(event, Published) else ""

    def receive(self, seconds: float) -> Received | None:
        """The next message, or None when none comes within ``seconds``."""
        deadline = time.monotonic() + seconds
        while not self._waiting:
            event = self._next_event(deadline)
            if event is None:
                return None
            self._keep(event)
        received = self._waiting.pop(0)
        self.link.acknowledge(received)
        return received

    def collect(self, *, quiet_seconds: float, at_most_seconds: float) -> list[Received]:
        """All messages until none has come for ``quiet_seconds``: for retained messages.

        MQTT does not say which retained message is the last, so only silence tells.
        """
        collected = []
        deadline = time.monotonic() + at_most_seconds
        while (left := deadline - time.monotonic()) > 0:
            received = self.receive(min(quiet_seconds, left))
            if received is None:
                break
            collected.append(received)
        return collected

    def _wait_for(self, wanted: Event, too_late: str) -> Event:
        deadline = time.monotonic() + self.seconds
        while (event := self._next_event(deadline)) != wanted:
            if event is None:
                raise NetworkFault(too_late)
            self._keep(event)
        return event

    def _next_event(self, deadline: float) -> Event | None:
        try:
            return self.link.events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def _keep(self, event: Event) -> None:
        if isinstance(event, Disconnected):
            raise NetworkFault(event.reason)
        if isinstance(event, Received):
            self._waiting.append(event)
