"""Sessions of commands against a real broker."""

from __future__ import annotations

import socket

import pytest

from agent.errors import NetworkFault
from agent.mqtt.link import MqttLink, Settings
from agent.mqtt.session import Session
from tests.peers.mosquitto import HOST, Mosquitto
from tests.peers.process import free_port


def session_link(broker: Mosquitto, *subscriptions: str) -> MqttLink:
    return MqttLink(
        Settings(
            client_id="command", host=broker.host, port=broker.port, subscriptions=subscriptions
        )
    )


def test_a_session_collects_every_retained_message(mosquitto: Mosquitto) -> None:
    with Session(session_link(mosquitto)) as writer:
        for number in range(20):
            writer.publish(f"inbox/{number}", b"letter", retained=True)
    with Session(session_link(mosquitto, "inbox/+")) as reader:
        letters = reader.collect(quiet_seconds=3, at_most_seconds=60)
    assert {letter.topic for letter in letters} == {f"inbox/{number}" for number in range(20)}
    assert all(letter.retained for letter in letters)


def test_a_session_keeps_what_comes_while_it_waits_for_a_confirmation(
    mosquitto: Mosquitto,
) -> None:
    with Session(session_link(mosquitto, "a")) as session:
        for number in range(5):
            session.publish("a", b"%d" % number, retained=False)
        letters = [session.receive(60) for _ in range(5)]
        assert [letter and letter.payload for letter in letters] == [b"0", b"1", b"2", b"3", b"4"]
        assert session.receive(0) is None


def test_a_session_with_a_broker_that_is_away_fails_in_one_line() -> None:
    port = free_port()
    link = MqttLink(Settings(client_id="command", host=HOST, port=port))
    with pytest.raises(NetworkFault, match=f"127.0.0.1:{port}: nobody listens there"):
        Session(link).__enter__()


def test_a_session_does_not_wait_for_ever_for_a_broker_that_says_nothing() -> None:
    with socket.create_server((HOST, 0)) as silent:
        link = MqttLink(Settings(client_id="command", host=HOST, port=silent.getsockname()[1]))
        with pytest.raises(NetworkFault, match="too long"):
            Session(link, seconds=0.2).__enter__()


def test_a_session_notices_that_the_broker_has_gone(mosquitto: Mosquitto) -> None:
    with Session(session_link(mosquitto, "a")) as session:
        mosquitto.kill()
        with pytest.raises(NetworkFault, match="closed the connection"):
            session.receive(60)
