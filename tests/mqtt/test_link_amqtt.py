"""The link against amqtt, the broker inside ``clip-agent demo``: what it can be relied on for.

It cannot be relied on for a session that is away: of an anonymous client it keeps no
messages, and does not send again what was not acknowledged; to a client with a name it
gives what came meanwhile with the retained flag set, which rule 9 of an approval refuses.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amqtt.broker import Broker

from agent import config
from agent.cli.broker_check import check_owners_broker
from agent.mqtt.link import Connected, MqttLink, Published, Received, Settings
from tests.peers.process import free_port
from tests.peers.requirements import ROOT
from tests.support.house import House
from tests.support.links import wait_for

HOST = "127.0.0.1"


@pytest.fixture
def amqtt_port() -> Iterator[int]:
    """The port of an amqtt broker on a thread of its own."""
    port = free_port()
    loop = asyncio.new_event_loop()
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }

    async def make() -> Broker:
        broker = Broker(settings)
        await broker.start()
        return broker

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    broker = asyncio.run_coroutine_threadsafe(make(), loop).result(60)
    yield port
    asyncio.run_coroutine_threadsafe(broker.shutdown(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(60)
    loop.close()


def link_to(port: int, client_id: str, *subscriptions: str, **more: Any) -> MqttLink:
    link = MqttLink(
        Settings(
            client_id=client_id,
            host=HOST,
            port=port,
            subscriptions=subscriptions,
            min_retry_seconds=0.05,
            **more,
        )
    )
    link.start()
    return link


def publish(link: MqttLink, topic: str, payload: bytes, *, retained: bool = False) -> None:
    token = link.publish(topic, payload, retained=retained)
    wait_for(link, Published, lambda event: event.token == token)


def test_amqtt_carries_messages_and_marks_retained_ones(amqtt_port: int) -> None:
    early, writer = link_to(amqtt_port, "early", "feed/+"), link_to(amqtt_port, "writer")
    wait_for(early, Connected)
    wait_for(writer, Connected)
    publish(writer, "feed/a", b"kept", retained=True)
    assert not wait_for(early, Received).retained
    late = link_to(amqtt_port, "late", "feed/+")
    received = wait_for(late, Received)
    assert (received.payload, received.retained) == (b"kept", True)
    for link in (early, writer, late):
        link.stop()


def test_amqtt_says_the_last_will_of_a_killed_process(amqtt_port: int) -> None:
    reader = link_to(amqtt_port, "reader", "available")
    wait_for(reader, Connected)
    script = f"""
import time
from agent import config
from agent.cli.broker_check import check_owners_broker
from agent.mqtt.link import Connected
from tests.support.house import House
from tests.support.links import wait_for
from tests.mqtt.test_link_amqtt import link_to
wait_for(link_to({amqtt_port}, "camera", will=("available", b"offline")), Connected)
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        assert wait_for(reader, Received).payload == b"offline"
    reader.stop()


def test_a_check_of_a_broker_without_mqtt_5_asks_again_in_3_1_1(
    amqtt_port: int, tmp_path: Path
) -> None:
    house = House.build(tmp_path, mqtt=config.Broker(port=amqtt_port))
    assert check_owners_broker(house.config) == f"connected to {HOST}:{amqtt_port}"
