"""Options of the owner's and the requester's commands as people mistype them."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from agent import options
from agent.config import Broker
from agent.errors import ConfigError, Refused


def broker(*arguments: str) -> Broker:
    parser = argparse.ArgumentParser()
    options.add_broker(parser)
    return options.broker(parser.parse_args(arguments))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("broker", "broker", 1883),
        ("broker:8883", "broker", 8883),
        ("[::1]:1884", "::1", 1884),
        ("[::1]", "::1", 1883),
    ],
)
def test_addresses_are_split(text: str, host: str, port: int) -> None:
    assert options.split_address(text, default_port=1883) == (host, port)


@pytest.mark.parametrize("text", ["", ":1883", "broker:", "broker:x", "broker:65536", "b:-1"])
def test_bad_addresses_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        options.split_address(text, default_port=1883)


def test_tls_changes_the_usual_port() -> None:
    assert broker("--broker", "b").port == 1883
    assert broker("--broker", "b", "--tls").port == 8883
    with_ca = broker("--broker", "b", "--ca-file", "ca.pem")
    assert with_ca.tls is not None
    assert with_ca.tls.ca_file == Path("ca.pem").resolve()


def test_a_password_needs_its_user() -> None:
    with pytest.raises(ConfigError, match="--username"):
        broker("--broker", "b", "--password-file", "p")
    assert broker("--broker", "b", "--password-file", "p", "--username", "ann").username == "ann"


def test_a_port_of_tls_without_tls_is_refused() -> None:
    with pytest.raises(ConfigError, match="port 8883 is for TLS"):
        broker("--broker", "b:8883")


def test_port_zero_is_no_broker() -> None:
    with pytest.raises(ConfigError, match="--broker"):
        broker("--broker", "b:0")


@pytest.mark.parametrize(
    ("typed", "agreed"), [("y", True), ("YES ", True), ("", False), ("n", False)]
)
def test_only_a_yes_is_a_yes(monkeypatch: pytest.MonkeyPatch, typed: str, agreed: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: typed)
    if agreed:
        options.confirm("Really?", yes=False)
    else:
        with pytest.raises(Refused, match="nothing was done"):
            options.confirm("Really?", yes=False)
