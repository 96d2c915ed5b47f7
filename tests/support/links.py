"""Looking at what a link says, without sleeping for luck."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import TypeVar

from agent.config import Broker
from agent.mqtt.link import (
    Connected,
    Disconnected,
    Event,
    Link,
    MqttLink,
    Published,
    Received,
    Settings,
)
from agent.mqtt.session import Session
from tests.peers.mosquitto import Mosquitto

E = TypeVar("E", Connected, Disconnected, Received, Published)

LONG_SECONDS = 60.0  # a test that waits this long has failed


def wait_for(link: Link, kind: type[E], wanted: Callable[[E], bool] = lambda _event: True) -> E:
    """The next event of ``kind`` that is ``wanted``; others before it are dropped."""
    deadline = time.monotonic() + LONG_SECONDS
    dropped: list[Event] = []
    while (left := deadline - time.monotonic()) > 0:
        try:
            event = link.events.get(timeout=left)
        except queue.Empty:
            break
        if isinstance(event, kind) and wanted(event):
            return event
        dropped.append(event)
    raise AssertionError(f"no such {kind.__name__} came, but {dropped}")


def retained(broker: Mosquitto | Broker, *filters: str) -> list[Received]:
    """All that ``broker`` keeps under ``filters``; our own message comes after the last of it."""
    end = "onlooker/end"
    settings = Settings(
        client_id="onlooker", host=broker.host, port=broker.port, subscriptions=(*filters, end)
    )
    found: list[Received] = []
    with Session(MqttLink(settings), seconds=LONG_SECONDS) as session:
        session.publish(end, b"", retained=False)
        while (received := session.receive(LONG_SECONDS)) and received.topic != end:
            found.append(received)
    assert received, "the broker keeps silent"
    return found
