"""The link against a real broker: what is promised at every connect, cut and kill."""

from __future__ import annotations

import errno
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.errors import ConfigError, InternalFault, NetworkFault
from agent.mqtt.connection import Connection
from agent.mqtt.link import (
    Connected,
    Disconnected,
    MqttLink,
    Published,
    Received,
    Settings,
    connect_broker,
)
from agent.mqtt.session import Session
from agent.tls import trusting
from tests.conftest import StartMosquitto
from tests.peers.certificates import Authority
from tests.peers.mosquitto import HOST, Mosquitto
from tests.peers.process import free_port
from tests.peers.requirements import ROOT
from tests.support.links import wait_for

QUICK = {"min_retry_seconds": 0.02, "max_retry_seconds": 0.05}
ACL = "user camera\ntopic readwrite allowed/#\nuser reader\ntopic read allowed/#\n"


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


def test_subscriptions_are_renewed_and_bring_retained_messages_again(
    mosquitto: Mosquitto, link_to: Any
) -> None:
    writer = link_to(mosquitto, "writer")
    wait_for(writer, Connected)
    publish(writer, "a", b"kept", retained=True)
    reader = link_to(mosquitto, "reader", "a", renews_subscriptions=True, first_renewal_seconds=0.1)
    assert wait_for(reader, Received).retained
    assert wait_for(reader, Received).retained


def test_tls_is_accepted_from_the_given_authority_alone(
    start_mosquitto: StartMosquitto, link_to: Any, tmp_path: Path
) -> None:
    ours, another = Authority(tmp_path / "ours"), Authority(tmp_path / "another")
    broker = start_mosquitto(certificate=ours.issue(HOST))
    reader = link_to(broker, "reader", "a", tls=trusting(ours.ca_file))
    wait_for(reader, Connected)
    payload = bytes(range(256)) * 2_000  # several TLS records
    reader.publish("a", payload, retained=False)
    assert wait_for(reader, Received).payload == payload

    deceived = link_to(broker, "deceived", tls=trusting(another.ca_file))
    assert "certificate is not trusted" in wait_for(deceived, Disconnected).reason


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


def test_a_link_that_acknowledges_at_once_lets_no_broker_time_its_owner(link_to: Any) -> None:
    """It acknowledges a message that nobody has taken off the queue yet."""
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def speak(connection: socket.socket) -> None:
        connection.sendall(b"\x32\x08\x00\x01t\x00\x07abc")  # PUBLISH, QoS 1, id 7
        heard.put(connection.recv(4096))

    with speaking_broker(speak) as broker:
        link = link_to(broker, "anybody", acknowledge_at_once=True)
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


def test_a_stopped_link_says_nothing_more(mosquitto: Mosquitto, link_to: Any) -> None:
    link = link_to(mosquitto, "camera")
    wait_for(link, Connected)
    link.stop()
    with pytest.raises(queue.Empty):
        link.events.get_nowait()
    with pytest.raises(NetworkFault):
        link.publish("a", b"", retained=False)


def test_a_configured_broker_is_connected_to_with_its_password_file(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    broker = start_mosquitto(users={"camera": "p w:d"})
    (tmp_path / "password").write_text("p w:d\nnot this line\n")
    settings = config.Broker(
        host=broker.host,
        port=broker.port,
        username="camera",
        password_file=tmp_path / "password",
    )
    link = connect_broker(settings, client_id="camera", subscriptions=["a"], clean_session=True)
    with Session(link) as session:
        session.publish("a", b"hello", retained=False)
        received = session.receive(10)
        assert received is not None
        assert received.payload == b"hello"


@pytest.mark.parametrize("content", ["", "\n", None])
def test_a_password_file_without_a_password_is_a_config_error(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
    broker = config.Broker(username="camera", password_file=path)
    with pytest.raises(ConfigError, match="password"):
        connect_broker(broker, client_id="x", subscriptions=[], clean_session=True)


def test_a_password_file_without_a_user_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    broker = config.Broker(password_file=tmp_path / "password")
    with pytest.raises(ConfigError, match="username"):
        connect_broker(broker, client_id="x", subscriptions=[], clean_session=True)


@pytest.mark.parametrize("content", ["not a certificate", None])
def test_an_unusable_ca_file_is_a_config_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    broker = config.Broker(tls=config.Tls(ca_file=path))
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        connect_broker(broker, client_id="x", subscriptions=[], clean_session=True)
