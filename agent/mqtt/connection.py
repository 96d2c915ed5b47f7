"""One MQTT connection over paho, from beginning to end.

Only this module imports paho. It runs paho's external event loop on the thread that
calls :meth:`Connection.run`, so any end is a return or an exception there and never a
thread that died unseen. paho's callbacks only put events on a queue and never wait.

A connection is used once, so nothing queued in one reaches the next.
:mod:`agent.mqtt.link` connects again.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.errors import NetworkFault
from agent.mqtt.events import Connected, Event, Published, Received

_QOS: Final = 1  # at least once, of all that is published
_CONNECT_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 3.0  # for a goodbye to a broker that may be gone
_TICK_SECONDS: Final = 1.0
_RENEW_SECONDS: Final = 3_600.0
_MAX_EVENTS: Final = 100  # that nobody has taken yet
_FULL_SECONDS: Final = 0.02  # until the next look at that queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The broker, and what a link asks of it.

    ``will`` is a topic and a payload that the broker publishes when we vanish, and retains unless
    ``will_retained`` is false. Unless ``clean_session`` it keeps subscriptions and messages while
    we are away. With ``qos`` 0 it sends each message once and gets no answer; should it want one,
    it gets it at once, so that it cannot tell from the time what a message was worth to us.
    ``renews_subscriptions``: subscribe again some seconds after each connection, and hourly;
    retained messages come again.
    A broker has ``answer_seconds`` to answer CONNECT. ``version`` 5 is for short questions:
    its reasons are plain, but a lasting session would need an expiry.
    """

    client_id: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    keepalive_seconds: int = 60
    subscriptions: tuple[str, ...] = ()
    will: tuple[str, bytes] | None = None
    will_retained: bool = True
    clean_session: bool = True
    qos: Literal[0, 1] = 1  # of subscriptions
    renews_subscriptions: bool = False
    first_renewal_seconds: float = 5.0
    answer_seconds: float = 20.0
    version: Literal[4, 5] = 4
    min_retry_seconds: float = 1.0
    max_retry_seconds: float = 60.0

    @property
    def broken_protocol(self) -> str:
        """The reason for the end of a connection whose broker talks nonsense."""
        return f"the broker does not keep to MQTT {'5' if self.version == 5 else '3.1.1'}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The id of a message, and the connection it came over."""

    connection: Connection
    message_id: int


class Connection:
    """A connection that :meth:`run` opens and closes.

    ``number`` tells its tokens from those of the link's other connections. It takes no
    lock, because paho calls back with locks of its own held.
    """

    def __init__(
        self, settings: Settings, events: queue.SimpleQueue[Event], *, number: int
    ) -> None:
        self._settings = settings
        self._events = events
        self._number = number
        self._client = self._new_client()
        self._wanted = [(topic, int(settings.qos)) for topic in settings.subscriptions]
        self._subscribing: int | None = None
        self._connected = Connected()
        self._asleep, self._alarm = socket.socketpair()
        self._asleep.setblocking(False)
        self._alarm.setblocking(False)
        self.is_open = False
        self.opened_at: float | None = None  # time.monotonic()
        self.refusal = ""  # what the broker said, if it said why
        self._sent = self._confirmed = 0
        self._answer_by: float | None = None  # time.monotonic(), until CONNACK
        self._renew_at: float | None = None  # time.monotonic()

    def run(self, stopping: threading.Event) -> None:
        """Connect, and carry messages until the connection ends or ``stopping`` is set.

        Raises OSError when the broker cannot be reached.
        """
        settings = self._settings
        try:
            self._client.connect(settings.host, settings.port, settings.keepalive_seconds)
            self._answer_by = time.monotonic() + settings.answer_seconds
            while not stopping.is_set() and self._step():
                pass
            if stopping.is_set():
                self._say_goodbye()
        finally:
            self.is_open = False
            self._asleep.close()
            self._alarm.close()

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        """Send a message; :class:`Published` with its token follows once the broker has it.

        Raises :class:`NetworkFault` when too many are unconfirmed.
        """
        self._sent += 1  # first: the broker may hang up at once
        sent = self._client.publish(topic, payload, qos=_QOS, retain=retained)
        if sent.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            self._sent -= 1
            raise NetworkFault("the broker confirms too little of what it is sent")
        return self._token(sent.mid)

    def subscribe(self, topic: str) -> None:
        """Add a topic to the session; nobody is told when the broker has it."""
        self._client.subscribe(topic, self._settings.qos)

    def _token(self, message_id: int) -> int:
        return self._number << 16 | message_id

    @property
    def unconfirmed(self) -> int:
        """The number of messages that the broker has not confirmed."""
        return self._sent - self._confirmed

    def acknowledge(self, message_id: int) -> None:
        """Tell the broker that it need not send a message again."""
        if self._client.is_connected():
            self._client.ack(message_id, _QOS)

    def wake(self) -> None:
        """Have :meth:`run` check at once for a stop or for something to send."""
        with contextlib.suppress(OSError):  # full: it wakes anyway; closed: it has ended
            self._alarm.send(b"\0")

    def _step(self) -> bool:
        """Wait for an event of the network and handle it; False when the connection is over."""
        client = self._client
        connected = client.socket()
        if connected is None or self._is_unanswered():
            return False
        self._renew_subscriptions()
        # While the reader of the events is behind the broker waits, so memory is bounded.
        is_full = self._events.qsize() >= _MAX_EVENTS
        pending = isinstance(connected, ssl.SSLSocket) and connected.pending() > 0
        undelivered = pending and not is_full
        readable, writable, _ = select.select(
            [self._asleep] if is_full else [connected, self._asleep],
            [connected] if client.want_write() else [],
            [],
            0 if undelivered else _FULL_SECONDS if is_full else _TICK_SECONDS,
        )
        if self._asleep in readable:
            self._asleep.recv(4096)
        if undelivered or connected in readable:
            self._note(client.loop_read())
        if writable:
            client.loop_write()
        return client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _is_unanswered(self) -> bool:
        """Give up on whoever accepts the connection and does not answer CONNECT."""
        if self._answer_by is None or time.monotonic() < self._answer_by:
            return False
        hint = "" if self._settings.tls else "; does this port want `tls:`?"
        self.refusal = f"no MQTT broker answers there{hint}"
        return True

    def _renew_subscriptions(self) -> None:
        """Subscribe again: clustered brokers lose retained messages to fresh subscribers."""
        if self._renew_at is not None and time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + _RENEW_SECONDS
            self._client.subscribe(self._wanted)

    def _note(self, result: MQTTErrorCode) -> None:
        if result == MQTTErrorCode.MQTT_ERR_PROTOCOL and not self.refusal:
            self.refusal = self._settings.broken_protocol

    def _say_goodbye(self) -> None:
        """Send what is queued and DISCONNECT, unless the broker no longer listens."""
        deadline = time.monotonic() + _CLOSE_SECONDS
        self._client.disconnect()
        while time.monotonic() < deadline and self._step():
            pass

    def _new_client(self) -> paho.Client:
        settings = self._settings
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=settings.clean_session if settings.version == 4 else None,
            protocol=MQTTProtocolVersion(settings.version),
            reconnect_on_failure=False,
            manual_ack=settings.qos == _QOS,
        )
        client.connect_timeout = _CONNECT_SECONDS
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if settings.tls is not None:
            client.tls_set_context(settings.tls)
        if settings.will is not None:
            topic, payload = settings.will
            client.will_set(topic, payload, qos=_QOS, retain=settings.will_retained)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_register_write = lambda *_: self.wake()
        return client

    def _on_connect(
        self,
        client: paho.Client,
        _data: Any,
        _flags: Any,
        reason: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._answer_by = None
        if reason.is_failure:
            self.refusal = _REFUSALS.get(str(reason), f"the broker refuses us ({reason})")
            return
        self._connected = Connected(getattr(properties, "MaximumPacketSize", None))
        if self._settings.subscriptions:
            self._subscribing = client.subscribe(self._wanted)[1]
        else:
            self._open()

    def _on_subscribe(
        self,
        client: paho.Client,
        _data: Any,
        message_id: int,
        reasons: Sequence[ReasonCode],
        *_: Any,
    ) -> None:
        if message_id != self._subscribing:
            return
        topics = self._settings.subscriptions
        refused = [
            topic for topic, reason in zip(topics, reasons, strict=False) if reason.is_failure
        ]
        if refused:
            self.refusal = f"the broker does not let us read {', '.join(refused)}"
            client.disconnect()
        else:
            self._open()

    def _open(self) -> None:
        self.opened_at = time.monotonic()
        self.is_open = True
        if self._settings.renews_subscriptions:
            self._renew_at = time.monotonic() + self._settings.first_renewal_seconds
        self._events.put(self._connected)

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, *_: Any
    ) -> None:
        self.is_open = False
        if str(reason) == "Keep alive timeout" and not self.refusal:
            self.refusal = "the broker has fallen silent"
        elif reason.is_failure and self._settings.version == 5 and not self.refusal:
            self.refusal = f"the broker closed the connection ({reason})"

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        is_ours = message.qos == self._settings.qos == _QOS
        receipt = Receipt(self, message.mid) if is_ours else None
        payload = bytes(message.payload)
        self._events.put(Received(message.topic, payload, message.retain, receipt))

    def _on_publish(
        self, _client: paho.Client, _data: Any, message_id: int, reason: ReasonCode, *_: Any
    ) -> None:
        self._confirmed += 1
        refusal = str(reason) if reason.is_failure else ""
        self._events.put(Published(self._token(message_id), refusal))


# A broker's refusals of CONNECT (MQTT 3.1.1, table 3.1), by paho's names.
_CREDENTIALS: Final = "the broker refuses this user name and password"
_REFUSALS: Final = {
    "Bad user name or password": _CREDENTIALS,
    "Not authorized": f"{_CREDENTIALS}, or does not allow this client",
    "Client identifier not valid": "the broker refuses our client id",
    "Server unavailable": "the broker is not ready",
    "Unsupported protocol version": "the broker does not speak this version of MQTT",
    "Retain not supported": "the broker keeps no retained messages, and letters are retained",
}


def in_plain_words(error: OSError, where: str) -> str:
    """The reason why ``where`` (host:port) could not be reached, for a person."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"{where}: its certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return f"{where}: TLS failed ({error.reason or error})"
        case ConnectionRefusedError():
            return f"{where}: nobody listens there"
        case socket.gaierror():
            return f"{where}: the name cannot be resolved"
        case TimeoutError():
            return f"{where}: no answer"
    return f"{where}: {error.strerror or error}"
