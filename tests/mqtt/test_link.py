"""The link against a real broker: what is promised at every connect, cut and kill."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agent.errors import NetworkFault
from agent.mqtt.link import (
    Connected,
    Disconnected,
    Published,
    Received,
)
from tests.mqtt.conftest import publish
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import ROOT
from tests.support.links import wait_for


@contextmanager
def client_process(broker: Mosquitto, code: str) -> Iterator[subprocess.Popen[str]]:
    """``code`` in a process of its own, with a connected ``link``; it says `ready` when done."""
    script = f"""
        import sys, time
        from agent.mqtt.link import *
        from tests.support.links import wait_for
        def connected(**more):
            link = MqttLink(Settings(host="{broker.host}", port={broker.port}, **more))
            link.start()
            wait_for(link, Connected)
            return link
    """
    script = textwrap.dedent(script) + textwrap.dedent(code) + "\nprint('ready', flush=True)\n"
    script += "time.sleep(60)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_a_message_arrives_and_its_sender_learns_that_the_broker_has_it(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    reader, writer = link_to(mosquitto, "reader", "a/+"), link_to(mosquitto, "writer")
    wait_for(reader, Connected)
    wait_for(writer, Connected)

    publish(writer, "a/b", b"\x00payload\xff")

    received = wait_for(reader, Received)
    assert (received.topic, received.payload, received.retained) == (
        "a/b",
        b"\x00payload\xff",
        False,
    )


def test_each_publication_has_a_token_of_its_own(mosquitto: Mosquitto, link_to: Any) -> None:
    writer = link_to(mosquitto, "writer")
    wait_for(writer, Connected)
    tokens = [writer.publish("a", b"%d" % number, retained=False) for number in range(2_000)]
    mosquitto.restart()
    wait_for(writer, Connected)
    tokens.append(writer.publish("a", b"over the next connection", retained=False))
    assert len(set(tokens)) == 2_001
    assert wait_for(writer, Published).token == tokens[-1]


def test_every_publication_is_confirmed_while_many_are_on_their_way(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    writer = link_to(mosquitto, "writer")
    wait_for(writer, Connected)
    tokens = [writer.publish("a", b"%d" % number, retained=False) for number in range(2_000)]
    assert [wait_for(writer, Published).token for _ in tokens] == tokens


def test_a_retained_message_says_so_to_a_late_reader_only(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    early, writer = link_to(mosquitto, "early", "a"), link_to(mosquitto, "writer")
    wait_for(early, Connected)
    wait_for(writer, Connected)
    publish(writer, "a", b"kept", retained=True)
    assert not wait_for(early, Received).retained

    late = link_to(mosquitto, "late", "a")

    assert wait_for(late, Received).retained


def test_after_a_broker_restart_the_link_comes_back_with_its_subscriptions(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    reader, writer = link_to(mosquitto, "reader", "a"), link_to(mosquitto, "writer")
    wait_for(reader, Connected)
    wait_for(writer, Connected)

    mosquitto.kill()
    assert "closed the connection" in wait_for(reader, Disconnected).reason
    wait_for(writer, Disconnected)
    mosquitto.start()

    wait_for(reader, Connected)
    wait_for(writer, Connected)
    publish(writer, "a", b"again")
    assert wait_for(reader, Received).payload == b"again"


def test_publishing_while_the_broker_is_away_raises_and_is_not_sent_later(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    reader, writer = link_to(mosquitto, "reader", "a"), link_to(mosquitto, "writer")
    wait_for(reader, Connected)
    wait_for(writer, Connected)
    mosquitto.kill()
    wait_for(writer, Disconnected)
    with pytest.raises(NetworkFault, match="not connected"):
        writer.publish("a", b"lost", retained=False)
    mosquitto.start()
    wait_for(writer, Connected)
    wait_for(reader, Connected)
    publish(writer, "a", b"sent")
    assert wait_for(reader, Received).payload == b"sent"


def test_the_last_will_is_said_when_the_process_is_killed(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    reader = link_to(mosquitto, "reader", "available")
    wait_for(reader, Connected)
    code = "link = connected(client_id='camera', will=('available', b'offline'))"
    with client_process(mosquitto, code) as process:
        process.send_signal(signal.SIGKILL)
        assert wait_for(reader, Received).payload == b"offline"


def test_the_last_will_stays_unsaid_when_the_link_is_stopped(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    reader = link_to(mosquitto, "reader", "available", "end")
    camera = link_to(mosquitto, "camera", will=("available", b"offline"))
    wait_for(reader, Connected)
    wait_for(camera, Connected)
    camera.publish("end", b"goodbye", retained=False)  # not waited for: stop() sends it
    camera.stop()
    assert wait_for(reader, Received).payload == b"goodbye"
    other = link_to(mosquitto, "other")
    wait_for(other, Connected)
    publish(other, "end", b"later")
    assert wait_for(reader, Received).payload == b"later"


def test_a_message_that_was_not_acknowledged_comes_again_after_a_kill(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    writer = link_to(mosquitto, "writer")
    wait_for(writer, Connected)
    code = """
        link = connected(client_id="camera", subscriptions=["owner"], clean_session=False)
        print("ready", flush=True)
        received = wait_for(link, Received)
        link.acknowledge(received)
        wait_for(link, Received)  # and is killed before it acknowledges this one
        link.publish("sent", b"after the acknowledgement", retained=False)
        wait_for(link, Published)
    """
    with client_process(mosquitto, code) as process:
        publish(writer, "owner", b"first")
        publish(writer, "owner", b"second")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    camera = link_to(mosquitto, "camera", "owner", clean_session=False)
    again = wait_for(camera, Received)
    assert (again.payload, again.retained) == (b"second", False)
    camera.acknowledge(again)
    camera.stop()

    once_more = link_to(mosquitto, "camera", "owner", clean_session=False)
    wait_for(once_more, Connected)
    publish(writer, "owner", b"third")
    assert wait_for(once_more, Received).payload == b"third"


def test_messages_to_an_absent_persistent_session_wait_for_it(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    camera = link_to(mosquitto, "camera", "owner", clean_session=False)
    writer = link_to(mosquitto, "writer")
    wait_for(camera, Connected)
    wait_for(writer, Connected)
    camera.stop()
    publish(writer, "owner", b"meanwhile")
    mosquitto.restart()

    camera = link_to(mosquitto, "camera", "owner", clean_session=False)

    received = wait_for(camera, Received)
    assert (received.payload, received.retained) == (b"meanwhile", False)


def test_acknowledging_over_a_connection_that_has_ended_does_nothing(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    link = link_to(mosquitto, "camera", "owner", clean_session=False)
    wait_for(link, Connected)
    link.publish("owner", b"letter", retained=False)
    received = wait_for(link, Received)
    mosquitto.restart()
    wait_for(link, Connected)
    link.acknowledge(received)


def test_subscriptions_are_renewed_and_bring_retained_messages_again(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    writer = link_to(mosquitto, "writer")
    wait_for(writer, Connected)
    publish(writer, "a", b"kept", retained=True)
    reader = link_to(mosquitto, "reader", "a", renews_subscriptions=True, first_renewal_seconds=0.1)
    assert wait_for(reader, Received).retained
    assert wait_for(reader, Received).retained


def test_a_stopped_link_says_nothing_more(mosquitto: Mosquitto, link_to: Any) -> None:
    link = link_to(mosquitto, "camera")
    wait_for(link, Connected)
    link.stop()
    with pytest.raises(queue.Empty):
        link.events.get_nowait()
    with pytest.raises(NetworkFault):
        link.publish("a", b"", retained=False)
