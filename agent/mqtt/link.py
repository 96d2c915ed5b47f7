"""The way to a broker, for the gateway, the owner and the requester.

The network runs on one thread of its own and puts **events** on a queue; the role's
loop takes them off and does the thinking. Nothing waits in a callback, or decides.

- :class:`Connected`     the broker answered and all subscriptions stand. It comes again
  after every reconnect: then say again whatever must be known (availability, state, ...).
- :class:`Disconnected`  an attempt or a connection ended; ``reason`` is for people. It
  comes once for each attempt, and the link goes on trying, ever slower, for ever.
- :class:`Received`      a message. The broker keeps it until :meth:`Link.acknowledge`:
  call that once whatever it caused is on disk. Unacknowledged, it comes again to a
  session that persists. Queued messages may come just before :class:`Connected`.
- :class:`Published`     the broker has the message of this token.

No connection's end ends that thread. Should it end all the same, however quietly, whoever
takes the next event gets an :class:`InternalFault`: no role runs on deaf.

**Durability is not here.** Each connection starts with nothing of the one before: a
message without its :class:`Published` may be lost, and publishing while disconnected
raises. Whoever needs a message delivered keeps it and publishes it again at
:class:`Connected` (the gateway's outbox), so the same message may arrive twice.

An MQTT 3.1.1 broker says neither that it threw us out for a second client with our
id nor that a publication was not allowed: it hangs up, or takes it and drops it.
"""

from __future__ import annotations

import itertools
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol, Self

from agent import config
from agent.errors import ConfigError, InternalFault, NetworkFault
from agent.mqtt.connection import (
    Connected,
    Connection,
    Disconnected,
    Event,
    Published,
    Receipt,
    Received,
    Settings,
    in_plain_words,
)
from agent.tls import trusting

__all__ = [
    "Link", "MqttLink", "Session", "connect_broker",
    "Connected", "Disconnected", "Received", "Published", "Event",
]  # fmt: skip

_log = logging.getLogger(__name__)

_STEADY_SECONDS: Final = 60.0  # a connection that lived shorter does not calm the back-off
_STOP_SECONDS: Final = 15.0
_RANDOM: Final = random.SystemRandom()


class _Events(queue.SimpleQueue[Event]):
    """The events of a link. ``ended`` says why no more will come, once that is so."""

    ended = ""

    def get(self, block: bool = True, timeout: float | None = None) -> Event:
        """The next event; raises InternalFault when there is none and never will be."""
        if self.ended and self.empty():
            raise InternalFault(self.ended)
        return super().get(block, timeout)


class Link(Protocol):
    """What the roles know of a broker."""

    events: queue.SimpleQueue[Event]

    def start(self) -> None:
        """Begin to connect, and go on for ever. Returns at once."""

    def stop(self) -> None:
        """Send what was published and end in order: the last will stays unsaid."""

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        """Send a message; its token comes back in :class:`Published`.

        Raises :class:`NetworkFault` while disconnected.
        """

    def acknowledge(self, received: Received) -> None:
        """Tell the broker that ``received`` need not come again."""


class MqttLink:
    """A :class:`Link` over MQTT. ``tls_ca_file`` None means the system's certificates.

    ``clean_session`` False asks the broker to keep subscriptions and messages while
    we are away. ``will`` is what it says, retained, when we vanish without a word.
    ``acknowledge_at_once``: a message is acknowledged as it comes, whatever becomes of it,
    so that the broker cannot tell from the time that took what it was worth to us.
    Raises :class:`ConfigError` for a CA file that cannot be used.
    """

    def __init__(
        self,
        *,
        client_id: str,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        tls: bool = False,
        tls_ca_file: Path | None = None,
        keepalive_seconds: int = 60,
        subscriptions: Sequence[str] = (),
        will: tuple[str, bytes] | None = None,
        clean_session: bool = True,
        acknowledge_at_once: bool = False,
        min_retry_seconds: float = 1.0,
        max_retry_seconds: float = 60.0,
        random_share: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._events = _Events()
        self.events: queue.SimpleQueue[Event] = self._events
        self._settings = Settings(
            client_id=client_id,
            host=host,
            port=port,
            username=username,
            password=password,
            tls=trusting(tls_ca_file) if tls else None,
            keepalive_seconds=keepalive_seconds,
            subscriptions=tuple(subscriptions),
            will=will,
            clean_session=clean_session,
            acknowledge_at_once=acknowledge_at_once,
        )
        self._where = f"{host}:{port}"
        self._min_retry_seconds = min_retry_seconds
        self._max_retry_seconds = max_retry_seconds
        self._random_share = random_share
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name=f"mqtt {client_id}", daemon=True)

    def start(self) -> None:
        """See :class:`Link`."""
        self._thread.start()

    def stop(self) -> None:
        """See :class:`Link`."""
        self._stopping.set()
        if (connection := self._connection) is not None:
            connection.wake()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        """See :class:`Link`."""
        connection = self._connection
        if connection is None or not connection.is_open:
            raise NetworkFault(f"not connected to the broker at {self._where}")
        return connection.publish(topic, payload, retained=retained)

    def acknowledge(self, received: Received) -> None:
        """See :class:`Link`. Does nothing for a message of a connection that has ended."""
        if isinstance(received.receipt, Receipt):
            received.receipt.connection.acknowledge(received.receipt.message_id)

    def _run(self) -> None:
        short_lived = 0
        try:
            while not self._stopping.is_set():
                lived_seconds = self._connect_once()
                short_lived = 0 if lived_seconds >= _STEADY_SECONDS else short_lived + 1
                self._stopping.wait(self.pause_seconds(short_lived))
        finally:
            if not self._stopping.is_set():
                self._events.ended = f"the thread of the link to {self._where} ended"
                self.events.put(Disconnected(self._events.ended))  # for whoever waits right now

    def pause_seconds(self, short_lived: int) -> float:
        """The wait after so many short-lived attempts: it doubles; half is left to chance."""
        longest = self._min_retry_seconds * 2.0 ** min(max(short_lived - 1, 0), 30)
        return min(longest, self._max_retry_seconds) * (0.5 + 0.5 * self._random_share())

    def _connect_once(self) -> float:
        """One connection from its beginning to its end; how many seconds it was open."""
        connection: Connection | None = None
        try:
            connection = Connection(self._settings, self.events, number=next(self._numbers))
            self._connection = connection
            connection.run(self._stopping)
            reason = self._why_it_ended(connection)
        except OSError as error:
            reason = in_plain_words(error, self._where)
        except Exception:  # noqa: BLE001 - paho parses what a broker sends: nothing may end us
            _log.exception("the MQTT library failed; connecting again")
            reason = "the broker does not keep to MQTT 3.1.1"
        finally:
            self._connection = None
        if not self._stopping.is_set():
            self.events.put(Disconnected(reason))
        return _open_seconds(connection)

    def _why_it_ended(self, connection: Connection) -> str:
        if connection.refusal:
            return connection.refusal
        reason = "the broker closed the connection"
        if connection.opened_at is not None and _open_seconds(connection) < _STEADY_SECONDS:
            reason += f"; is another client using the id {self._settings.client_id}?"
        return reason


def _open_seconds(connection: Connection | None) -> float:
    opened_at = None if connection is None else connection.opened_at
    return 0.0 if opened_at is None else time.monotonic() - opened_at


def connect_broker(
    broker: config.Broker,
    *,
    client_id: str,
    subscriptions: Sequence[str],
    will: tuple[str, bytes] | None = None,
    clean_session: bool,
    acknowledge_at_once: bool = False,
) -> MqttLink:
    """A link, not yet started, to the broker of a configuration.

    Raises :class:`ConfigError` for a password or CA file that cannot be used.
    """
    return MqttLink(
        client_id=client_id,
        host=broker.host,
        port=broker.port,
        username=broker.username,
        password=_password(broker),
        tls=broker.tls is not None,
        tls_ca_file=None if broker.tls is None else broker.tls.ca_file,
        keepalive_seconds=broker.keepalive_seconds,
        subscriptions=subscriptions,
        will=will,
        clean_session=clean_session,
        acknowledge_at_once=acknowledge_at_once,
    )


def _password(broker: config.Broker) -> str | None:
    if broker.password_file is None:
        return None
    if broker.username is None:
        raise ConfigError("a broker's password_file needs a username beside it")
    lines = config.read_text(broker.password_file).splitlines()
    if not lines or not lines[0]:
        raise ConfigError(f"{broker.password_file}: its first line, the password, is empty")
    return lines[0]


class Session:
    """A link for a command: connect, ask, wait for the answer, leave.

    >>> with Session(link, seconds=10) as session:
    ...     session.publish(topic, payload, retained=False)
    ...     letters = session.collect(quiet_seconds=0.5, at_most_seconds=10)

    Entering connects, once: :class:`NetworkFault` when that fails or takes longer than
    ``seconds``, which is also how long a publication may wait for its confirmation.
    Messages are acknowledged as they are handed out. For one thread.
    """

    def __init__(self, link: Link, *, seconds: float = 10.0) -> None:
        self._link = link
        self._seconds = seconds
        self._waiting: list[Received] = []  # came while something else was waited for

    def __enter__(self) -> Self:
        self._link.start()
        try:
            self._wait_for(Connected(), "connecting to the broker takes too long")
        except NetworkFault:
            self._link.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._link.stop()

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Send a message and wait until the broker has it; NetworkFault otherwise."""
        token = self._link.publish(topic, payload, retained=retained)
        self._wait_for(Published(token), "the broker does not confirm the message")

    def receive(self, seconds: float) -> Received | None:
        """The next message, or None when none comes within ``seconds``."""
        deadline = time.monotonic() + seconds
        while not self._waiting:
            event = self._next_event(deadline)
            if event is None:
                return None
            self._keep(event)
        received = self._waiting.pop(0)
        self._link.acknowledge(received)
        return received

    def collect(self, *, quiet_seconds: float, at_most_seconds: float) -> list[Received]:
        """All messages until none has come for ``quiet_seconds``: for what is retained.

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

    def _wait_for(self, wanted: Event, too_late: str) -> None:
        deadline = time.monotonic() + self._seconds
        while (event := self._next_event(deadline)) != wanted:
            if event is None:
                raise NetworkFault(too_late)
            self._keep(event)

    def _next_event(self, deadline: float) -> Event | None:
        try:
            return self._link.events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def _keep(self, event: Event) -> None:
        match event:
            case Received():
                self._waiting.append(event)
            case Disconnected(reason):
                raise NetworkFault(reason)
            case Connected() | Published():
                pass
