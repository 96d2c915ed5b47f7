"""Links that are stopped after the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from agent.mqtt.link import MqttLink, Published, Settings
from tests.peers.mosquitto import Mosquitto
from tests.support.links import wait_for

QUICK = {"min_retry_seconds": 0.02, "max_retry_seconds": 0.05}


@pytest.fixture
def link_to() -> Iterator[Any]:
    """Starts links to a broker, and stops them all in the end."""
    with ExitStack() as running:

        def start(broker: Mosquitto, client_id: str, *subscriptions: str, **more: Any) -> MqttLink:
            settings: dict[str, Any] = {"host": broker.host, "port": broker.port, **QUICK, **more}
            link = MqttLink(Settings(client_id=client_id, subscriptions=subscriptions, **settings))
            link.start()
            running.callback(link.stop)
            return link

        yield start


def publish(link: MqttLink, topic: str, payload: bytes, *, retained: bool = False) -> None:
    """Publish and wait for the broker's confirmation."""
    token = link.publish(topic, payload, retained=retained)
    wait_for(link, Published, lambda event: event.token == token)
