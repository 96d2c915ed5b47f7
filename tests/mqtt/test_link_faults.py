"""Brokers that refuse, misbehave, flood or fall silent, and a link that stays in control."""

from __future__ import annotations

import errno
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.errors import InternalFault, NetworkFault
from agent.mqtt.connection import Connection
from agent.mqtt.link import (
    Connected,
    Disconnected,
    MqttLink,
    Received,
    Settings,
)
from tests.conftest import StartMosquitto
from tests.mqtt.conftest import publish
from tests.peers.mosquitto import HOST, Mosquitto
from tests.peers.process import free_port
from tests.support.links import wait_for

ACL = "user camera\ntopic readwrite allowed/#\nuser reader\ntopic read allowed/#\n"


def test_a_wrong_password_is_named_and_tried_again(
    start_mosquitto: StartMosquitto, link_to: Any
) -> None:
    broker = start_mosquitto(users={"camera": "right"})
    link = link_to(broker, "camera", username="camera", password="wrong")
    for _ in range(2):
        assert "user name and password" in wait_for(link, Disconnected).reason
    with pytest.raises(NetworkFault, match="not connected"):
        link.publish("a", b"", retained=False)


def test_the_right_password_connects(start_mosquitto: StartMosquitto, link_to: Any) -> None:
    broker = start_mosquitto(users={"camera": "right"})
    wait_for(link_to(broker, "camera", username="camera", password="right"), Connected)


def test_a_broker_that_is_away_is_named_in_one_line(link_to: Any) -> None:
    nobody = Mosquitto.__new__(Mosquitto)
    nobody.host, nobody.port = HOST, free_port()
    reason = wait_for(link_to(nobody, "camera"), Disconnected).reason
    assert reason == f"{HOST}:{nobody.port}: nobody listens there"


def test_an_access_list_keeps_a_reader_from_writing(
    start_mosquitto: StartMosquitto, link_to: Any
) -> None:
    users = {"camera": "one", "reader": "two"}
    broker = start_mosquitto(users=users, acl=ACL)
    camera = link_to(broker, "camera", username="camera", password="one")
    reader = link_to(broker, "reader", "#", username="reader", password="two")
    wait_for(camera, Connected)
    wait_for(reader, Connected)

    publish(reader, "allowed/forged", b"by the reader")  # taken and dropped: MQTT 3.1.1
    publish(camera, "elsewhere", b"by the camera")
    publish(camera, "allowed/true", b"by the camera")

    assert wait_for(reader, Received).topic == "allowed/true"


def test_two_clients_with_one_id_are_told_of_each_other(mosquitto: Mosquitto, link_to: Any) -> None:
    first = link_to(mosquitto, "same")
    wait_for(first, Connected)
    link_to(mosquitto, "same")
    assert "another client using the id same?" in wait_for(first, Disconnected).reason


def test_a_message_too_large_for_the_broker_is_not_blamed_on_another_client(
    tmp_path: Path, link_to: Any
) -> None:
    with Mosquitto(tmp_path / "small", settings=["max_packet_size 20000"]) as broker:
        link = link_to(broker, "camera")
        wait_for(link, Connected)
        link.publish("a", bytes(30_000), retained=True)
        reason = wait_for(link, Disconnected).reason
        assert reason == "the broker closed the connection before it confirmed what it was sent"


def test_a_broker_without_retained_messages_is_named_as_a_cause(
    tmp_path: Path, link_to: Any
) -> None:
    with Mosquitto(tmp_path / "plain", settings=["retain_available false"]) as broker:
        link = link_to(broker, "camera", will=("available", b"offline"))
        assert "does it allow our last will" in wait_for(link, Disconnected).reason


def test_a_port_that_accepts_and_never_answers_is_given_up(link_to: Any) -> None:
    with socket.create_server((HOST, 0)) as silent:
        address = Mosquitto.__new__(Mosquitto)
        address.host, address.port = HOST, silent.getsockname()[1]
        link = link_to(address, "camera", answer_seconds=0.1)
        reason = wait_for(link, Disconnected).reason
        assert reason == "no MQTT broker answers there; does this port want `tls:`?"


@contextmanager
def fake_broker(*answers: bytes) -> Iterator[Mosquitto]:
    """Takes one connection after another and sends each the next of ``answers``."""
    with socket.create_server((HOST, 0)) as listener:

        def serve(pending: Sequence[bytes]) -> None:
            for answer in pending:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, args=(answers,), daemon=True)
        thread.start()
        address = Mosquitto.__new__(Mosquitto)
        address.host, address.port = HOST, listener.getsockname()[1]
        yield address
        thread.join(60)


CONNACK = b"\x20\x02\x00\x00"
BAD_UTF8_TOPIC = b"\x30\x05\x00\x02\xff\xfex"
TOPIC_BEYOND_PACKET = b"\x30\x04\xff\xff\x00\x00"


@pytest.mark.parametrize(
    "nonsense", [BAD_UTF8_TOPIC, TOPIC_BEYOND_PACKET, b"\x90\x00", b"\x40\x00", b"\xff" * 64]
)
def test_a_broker_that_talks_nonsense_does_not_end_the_link(link_to: Any, nonsense: bytes) -> None:
    with fake_broker(CONNACK + nonsense, CONNACK) as broker:
        link = link_to(broker, "camera")
        wait_for(link, Connected)
        wait_for(link, Disconnected)
        wait_for(link, Connected)


@contextmanager
def speaking_broker(speak: Callable[[socket.socket], None]) -> Iterator[Mosquitto]:
    """Takes one connection, and then says and hears what ``speak`` does."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(CONNACK)
                speak(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = Mosquitto.__new__(Mosquitto)
        address.host, address.port = HOST, listener.getsockname()[1]
        yield address
        thread.join(60)


def test_a_link_that_wants_no_answers_lets_no_broker_time_its_owner(link_to: Any) -> None:
    """A broker that asks all the same gets its answer before anybody takes the message."""
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def speak(connection: socket.socket) -> None:
        connection.sendall(b"\x32\x08\x00\x01t\x00\x07abc")  # PUBLISH, QoS 1, id 7
        heard.put(connection.recv(4096))

    with speaking_broker(speak) as broker:
        link = link_to(broker, "anybody", qos=0)
        assert heard.get(timeout=60) == b"\x40\x02\x00\x07"  # PUBACK 7
        link.acknowledge(wait_for(link, Received))  # does nothing any more
        link.stop()


def test_a_flood_waits_at_the_broker_while_nobody_takes_it(link_to: Any) -> None:
    many, body = 3_000, b"\x00\x01t" + bytes(16_000)
    packet = b"\x30\x83\x7d" + body  # PUBLISH, QoS 0: no acknowledgement holds it back
    assert len(body) == 0x7D * 128 + 3

    def speak(connection: socket.socket) -> None:
        for _ in range(many):
            connection.sendall(packet)

    with speaking_broker(speak) as broker:
        link = link_to(broker, "anybody")
        most = 0
        for _ in range(many):
            most = max(most, link.events.qsize())
            wait_for(link, Received)
        assert 0 < most <= 110
        link.stop()


def test_an_http_server_is_not_taken_for_a_broker(link_to: Any) -> None:
    with fake_broker(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        assert wait_for(link_to(server, "camera"), Disconnected).reason


def test_a_broker_that_refuses_a_subscription_is_not_a_connection(link_to: Any) -> None:
    suback_refused = b"\x90\x03\x00\x01\x80"
    with fake_broker(CONNACK + suback_refused) as broker:
        link = link_to(broker, "camera", "secret/#")
        event = link.events.get(timeout=60)
        assert event == Disconnected("the broker does not let us read secret/#")


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "does not keep to MQTT 3.1.1"), (2, "client id"), (3, "not ready"), (4, "password")],
)
def test_each_refusal_has_plain_words(link_to: Any, code: int, words: str) -> None:
    with fake_broker(bytes([0x20, 2, 0, code])) as broker:
        assert words in wait_for(link_to(broker, "camera"), Disconnected).reason


def test_a_broker_that_falls_silent_is_given_up(link_to: Any) -> None:
    with socket.create_server((HOST, 0)) as listener:
        mute = Mosquitto.__new__(Mosquitto)
        mute.host, mute.port = HOST, listener.getsockname()[1]
        link = link_to(mute, "camera", keepalive_seconds=1)
        connection, _ = listener.accept()
        with connection:
            connection.sendall(CONNACK)  # and never answers a PINGREQ
            wait_for(link, Connected)
            assert wait_for(link, Disconnected).reason == "the broker has fallen silent"


def test_a_link_that_finds_no_file_descriptor_free_tries_again(
    mosquitto: Mosquitto, link_to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EMFILE as a connection is made ended the thread, and the gateway ran on deaf."""
    left = [1, 2]

    class Scarce(Connection):
        def __init__(self, *given: Any, **more: Any) -> None:
            if left:
                left.pop()
                raise OSError(errno.EMFILE, "Too many open files")
            super().__init__(*given, **more)

    monkeypatch.setattr("agent.mqtt.link.Connection", Scarce)
    link = link_to(mosquitto, "scarce")
    for _ in range(2):
        assert "Too many open files" in wait_for(link, Disconnected).reason
    wait_for(link, Connected)


@pytest.mark.parametrize("end", [RuntimeError("never expected"), SystemExit()])
def test_a_reader_of_a_link_whose_thread_ended_gets_an_internal_fault(
    monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    """However quietly: a SystemExit ends a thread without a word."""

    def ends(*_: object, **__: object) -> float:
        raise end

    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # the test's own, pytest's aside
    monkeypatch.setattr("agent.mqtt.link.pause_seconds", ends)
    link = MqttLink(Settings(client_id="ends", host=HOST, port=free_port()))
    link.start()
    assert "nobody listens there" in wait_for(link, Disconnected).reason
    assert "the thread of the link" in wait_for(link, Disconnected).reason
    for _ in range(2):
        with pytest.raises(InternalFault, match="the thread of the link"):
            link.events.get(timeout=60)
        with pytest.raises(InternalFault, match="the thread of the link"):
            link.events.get(block=False)
