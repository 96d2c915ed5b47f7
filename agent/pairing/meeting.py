"""Meeting of the two sides on the broker: a channel's two topics, and the wait for an event."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Self

from agent.mqtt import topics
from agent.mqtt.link import MqttLink, Settings
from agent.mqtt.session import Session
from agent.pairing.channel import Side
from agent.pairing.code import PairingCode
from agent.pairing.sides import Event, PairingSide

# The broker's user for computers that are not paired yet. The password is no secret: the access
# list lets this user do nothing but knock.
USERNAME: Final = "pairing"
PASSWORD: Final = "pairing"  # noqa: S105 - public on purpose

_TURN_SECONDS: Final = 1.0


class Meeting:
    """A session on the two topics of a code; :class:`~agent.errors.NetworkFault` if it breaks.

    >>> with Meeting("owner", code, broker) as meeting:
    ...     meeting.say(side.hello)
    ...     event = meeting.wait_for_event(side, seconds=30)
    """

    def __init__(self, side: Side, code: PairingCode, broker: Settings) -> None:
        self._tells = topics.pairing(code.channel, "device" if side == "owner" else "owner")
        hears = (topics.pairing(code.channel, side),)
        client_id = f"clip-pair-{secrets.token_hex(6)}"
        self._session = Session(MqttLink(replace(broker, client_id=client_id, subscriptions=hears)))

    def __enter__(self) -> Self:
        self._session.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.__exit__()

    def say(self, payload: bytes) -> None:
        """Publish a message to the other side."""
        self._session.publish(self._tells, payload, retained=False)

    def wait_for_event(
        self,
        side: PairingSide,
        *,
        seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> Event | None:
        """The next event of ``side``, whose replies are sent; None if none comes in time."""
        deadline = now() + seconds
        while (left := deadline - now()) > 0:
            received = self._session.receive(min(left, _TURN_SECONDS))
            if received is None or received.retained:
                continue
            step = side.take(received.payload)
            if step.reply is not None:
                self.say(step.reply)
            if step.event is not None:
                return step.event
        return None
