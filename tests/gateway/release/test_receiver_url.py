"""Addresses that a receiver names: those that may be contacted, and one server's own."""

from __future__ import annotations

import pytest

from agent.errors import ReceiverRefused
from agent.gateway.release import receiver_url

UNSAFE = (
    "http://[::1",
    "https://receiver.example:0/files",
    "https://receiver.example:99999/files",
    "http://receiver.example/files",
    "http://localhost/files",
    "ftp://receiver.example/files",
    "https:///files",
    "https://receiver.example/a b",
    "https://receiver.example/\u00e9",
    "https://receiver.example/\n",
    "https://somebody@receiver.example/files",
    "https://receiver.example/files#part",
    "https://receiver.example/" + "a" * receiver_url.MAX_CHARACTERS,
)


def test_unsafe_addresses_are_refused() -> None:
    for url in UNSAFE:
        with pytest.raises(ReceiverRefused) as refused:
            receiver_url.check(url, loopback_http=True)
        assert refused.value.rule == "unsafe-url", url
    with pytest.raises(ReceiverRefused, match="is not an HTTPS address"):
        receiver_url.check("http://127.0.0.1:1080/files", loopback_http=False)


def test_https_and_a_loopback_of_a_test_are_taken() -> None:
    assert receiver_url.check("https://receiver.example/files", loopback_http=False).port is None
    assert receiver_url.check("http://127.0.0.1:1080/files", loopback_http=True).port == 1080
    assert receiver_url.check("http://[::1]:1080/files", loopback_http=True).hostname == "::1"


def test_a_receiver_behind_tls_that_names_http_is_reached_by_https() -> None:
    ours = "https://receiver.example:8443/files"
    for theirs in ("http://receiver.example/f/1", "http://receiver.example:80/f/1"):
        assert receiver_url.secured(theirs, ours) == "https://receiver.example:8443/f/1"
    for other in ("http://other.example/f/1", "http://receiver.example:81/f/1"):
        assert receiver_url.secured(other, ours) == other


def test_an_origin_is_scheme_host_and_port() -> None:
    same, other = "https://receiver.example:443/a", "https://receiver.example:444/a"
    assert receiver_url.same_origin("https://receiver.example/b", same)
    assert not receiver_url.same_origin("https://receiver.example/b", other)
    assert not receiver_url.same_origin("http://receiver.example/b", same)
    assert not receiver_url.same_origin("https://[broken", same)
