"""The link to a broker, for the gateway, the owner and the requester.

The network runs on a thread of its own and puts **events** on a queue; the role's loop
takes them off and acts on them. Callbacks neither wait nor decide.

- :class:`Connected`     the broker answered and all subscriptions stand. It comes again
  after every reconnection: then publish again whatever others must know.
- :class:`Disconnected`  an attempt or a connection ended; ``reason`` is for people. It
  comes once for each attempt; the link tries again for ever, with growing pauses.
- :class:`Received`      a message. The broker keeps it until :meth:`Link.acknowledge`,
  so call that once its effects are on disk. A persistent session receives what was not
  acknowledged again, perhaps just before :class:`Connected`.
- :class:`Published`     the broker has the message of this token.
- :class:`Woken`         from no broker: a thread of the role ends the loop's wait (:class:`Alarm`).

The end of a connection does not end the thread. Should the thread end all the same, the
next ``events.get()`` raises :class:`InternalFault`: no role goes on without its broker.

**A link stores nothing.** Each connection starts empty: a message without its
:class:`Published` may be lost, and publishing while disconnected raises. A sender that
needs delivery keeps the message and publishes it again at :class:`Connected` (the
gateway's outbox), so a message may arrive twice.

An MQTT 3.1.1 broker does not say that it dropped us for a second client with our id, nor
that a publication was not allowed: it hangs up, or accepts it and drops it.
"""

from __future__ import annotations

import itertools
import logging
import queue
import random
import threading
import time
from collections.abc import Sequence
from ssl import SSLContext
from typing import Final, Literal, Protocol

from agent import config
from agent.backoff import pause_seconds
from agent.errors import ConfigError, InternalFault, NetworkFault
from agent.mqtt.connection import Connection, Receipt, Settings, in_plain_words
from agent.mqtt.events import Connected, Disconnected, Event, Published, Received, Woken
from agent.tls import trusting

__all__ = [
    "Link", "MqttLink", "Settings", "connect_broker",
    "Connected", "Disconnected", "Received", "Published", "Woken", "Event",
]  # fmt: skip

_log = logging.getLogger(__name__)

_STEADY_SECONDS: Final = 60.0  # a shorter connection counts as a failure
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


class Alarm:
    """Ends the wait of the loop that takes ``events``; any thread may ring it.

    The loop calls :meth:`heard` at the event, before it looks for work: one event wakes it,
    however often the alarm rings.
    """

    def __init__(self, events: queue.SimpleQueue[Event]) -> None:
        self._events = events
        self._is_ringing = False

    def ring(self) -> None:
        """Wake the loop, unless it is about to wake."""
        if not self._is_ringing:
            self._is_ringing = True
            self._events.put(Woken())

    def heard(self) -> None:
        """The loop is awake, and looks for work after this."""
        self._is_ringing = False


class Link(Protocol):
    """A connection to a broker as the roles use it."""

    events: queue.SimpleQueue[Event]

    def start(self) -> None:
        """Begin to connect, and go on for ever. Returns at once."""

    def stop(self) -> None:
        """Send what was published and disconnect, without the last will."""

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        """Send a message; its token comes back in :class:`Published`.

        Raises :class:`NetworkFault` while disconnected.
        """

    def acknowledge(self, received: Received) -> None:
        """Tell the broker that it need not send ``received`` again."""

    def subscribe(self, topic: str) -> None:
        """Add a topic to the session, without waiting. The next connection does not repeat it.

        Raises :class:`NetworkFault` while disconnected.
        """


class MqttLink:
    """A :class:`Link` over MQTT."""

    def __init__(self, settings: Settings) -> None:
        self._events = _Events()
        self.events: queue.SimpleQueue[Event] = self._events
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"mqtt {settings.client_id}", daemon=True
        )

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
        return self._open_connection().publish(topic, payload, retained=retained)

    def subscribe(self, topic: str) -> None:
        """See :class:`Link`."""
        self._open_connection().subscribe(topic)

    def _open_connection(self) -> Connection:
        connection = self._connection
        if connection is None or not connection.is_open:
            raise NetworkFault(f"not connected to the broker at {self._where}")
        return connection

    def acknowledge(self, received: Received) -> None:
        """See :class:`Link`. Does nothing for a message of a connection that has ended."""
        if isinstance(received.receipt, Receipt):
            received.receipt.connection.acknowledge(received.receipt.message_id)

    def _run(self) -> None:
        settings = self._settings
        failures = 0
        try:
            for number in itertools.count(1):
                lived_seconds = self._connect_once(number)
                failures = 0 if lived_seconds >= _STEADY_SECONDS else failures + 1
                pause = pause_seconds(
                    failures,
                    first=settings.min_retry_seconds,
                    longest=settings.max_retry_seconds,
                    share=_RANDOM.random(),
                )
                if self._stopping.wait(pause):
                    break
        finally:
            if not self._stopping.is_set():
                self._events.ended = f"the thread of the link to {self._where} ended"
                self.events.put(Disconnected(self._events.ended))  # wakes a role that waits

    def _connect_once(self, number: int) -> float:
        """Run one connection from beginning to end; returns the seconds that it was open."""
        connection: Connection | None = None
        try:
            connection = Connection(self._settings, self.events, number=number)
            self._connection = connection
            connection.run(self._stopping)
            reason = self._why_it_ended(connection)
        except OSError as error:
            reason = in_plain_words(error, self._where)
        except Exception:  # noqa: BLE001 - paho parses what a broker sends: nothing may end us
            _log.exception("the MQTT library failed; connecting again")
            reason = self._settings.broken_protocol
        finally:
            self._connection = None
        if not self._stopping.is_set():
            self.events.put(Disconnected(reason))
        return _open_seconds(connection)

    def _why_it_ended(self, connection: Connection) -> str:
        if connection.refusal:
            return connection.refusal
        reason = "the broker closed the connection"
        if connection.opened_at is None:
            will = (
                "; does it allow our last will, a retained message?" if self._settings.will else ""
            )
            return f"{reason} without an answer{will}"
        if connection.unconfirmed:
            return f"{reason} before it confirmed what it was sent"
        if _open_seconds(connection) < _STEADY_SECONDS:
            return f"{reason}; is another client using the id {self._settings.client_id}?"
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
    will_retained: bool = True,
    clean_session: bool,
    qos: Literal[0, 1] = 1,
    renews_subscriptions: bool = False,
    version: Literal[4, 5] = 4,
) -> MqttLink:
    """A link, not yet started, to the broker of a configuration.

    Raises :class:`ConfigError` for a password or CA file that cannot be used.
    """
    password, tls = credentials(broker)
    settings = Settings(
        client_id=client_id,
        host=broker.host,
        port=broker.port,
        username=broker.username,
        password=password,
        tls=tls,
        keepalive_seconds=broker.keepalive_seconds,
        subscriptions=tuple(subscriptions),
        will=will,
        will_retained=will_retained,
        clean_session=clean_session,
        qos=qos,
        renews_subscriptions=renews_subscriptions,
        version=version,
    )
    return MqttLink(settings)


def credentials(broker: config.Broker) -> tuple[str | None, SSLContext | None]:
    """Password and TLS for a broker; :class:`ConfigError` for a file that cannot be used."""
    tls = None if broker.tls is None else trusting(broker.tls.ca_file)
    if broker.password_file is None:
        return None, tls
    if broker.username is None:
        raise ConfigError("a broker's password_file needs a username beside it")
    password = config.first_line(broker.password_file)
    if not password:
        raise ConfigError(f"{broker.password_file}: its first line, the password, is empty")
    return password, tls
