"""A link from the configuration: password file and authorities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.errors import ConfigError
from agent.mqtt.link import (
    Connected,
    Disconnected,
    Received,
    connect_broker,
)
from agent.mqtt.session import Session
from agent.tls import trusting
from tests.conftest import StartMosquitto
from tests.peers.certificates import Authority
from tests.peers.mosquitto import HOST
from tests.support.links import wait_for


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
