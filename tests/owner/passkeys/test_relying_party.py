"""Addresses of the console where browsers use passkeys, and where they do not."""

from __future__ import annotations

import pytest

from agent.errors import Refused
from agent.owner.passkeys.relying_party import RelyingParty


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8765", "localhost"),
        ("http://localhost", "localhost"),
        ("https://localhost", "localhost"),
        ("https://home.example:8443", "home.example"),
        ("https://Cameras.Home.Example", "cameras.home.example"),
    ],
)
def test_the_host_of_the_address_is_the_relying_party(origin: str, host: str) -> None:
    assert (RelyingParty.of(origin).id, RelyingParty.of(origin).origin) == (host, origin)


@pytest.mark.parametrize(
    ("origin", "advice"),
    [
        ("http://127.0.0.1:8765", "http://localhost:8765"),
        ("https://192.168.1.7", "http://localhost or"),
        ("https://[::1]:9", "http://localhost:9"),
        ("http://home.example", ""),
        ("http://localhost.example", ""),
        ("null", ""),
        ("", ""),
    ],
)
def test_an_ip_address_or_plain_http_is_refused_with_what_to_open(origin: str, advice: str) -> None:
    with pytest.raises(Refused) as caught:
        RelyingParty.of(origin)
    assert caught.value.rule == "no-passkeys-here"
    assert advice in caught.value.advice
