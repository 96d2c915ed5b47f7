"""Names with more addresses than a connection tries."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import pytest

from agent.errors import NetworkFault
from tests.peers.process import free_port
from tests.support.fake_receiver import FakeReceiver, answer
from tests.support.tus import new_client


def name_has(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Have every name stand for these places of this machine, all IPv4."""
    places: Sequence[Any] = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: places)


def test_the_next_address_is_tried_if_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeReceiver(answer(204)) as fake:
        name_has(monkeypatch, free_port(), fake.port)
        new_client().remove(f"{fake.url}/1")
    assert [one.method for one in fake.requests] == ["DELETE"]


def test_a_name_with_thousands_of_addresses_is_given_up_after_a_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each address that does not answer costs the time-out, and all releases wait for it."""
    tried = 0

    def count(*_: object) -> None:
        nonlocal tried
        tried += 1
        raise TimeoutError

    name_has(monkeypatch, *range(1, 5_000))
    monkeypatch.setattr(socket.socket, "connect", count)
    with pytest.raises(NetworkFault, match="no answer in time"):
        new_client().remove("http://127.0.0.1:1/files/1")
    assert tried == 2


def test_a_name_without_an_address_is_a_fault_that_may_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name_has(monkeypatch)
    with pytest.raises(NetworkFault, match="no address"):
        new_client().remove("http://127.0.0.1:1/files/1")
