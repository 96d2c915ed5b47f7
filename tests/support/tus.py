"""Clients of upload receivers, as tests need them."""

from __future__ import annotations

from pathlib import Path

from agent.gateway.release.tus_client import TusClient


def new_client(
    *, ca_file: Path | None = None, timeout_seconds: float = 10, loopback: bool = True
) -> TusClient:
    """A client that may talk to receivers on loopback."""
    return TusClient(timeout_seconds=timeout_seconds, ca_file=ca_file, allow_loopback_http=loopback)


def create(client: TusClient, url: str) -> str:
    return client.create(url, size=10, metadata={})


def head(client: TusClient, url: str) -> int | None:
    return client.offset(url, size=10, sent=6)


def patch(client: TusClient, url: str) -> int:
    return client.send(url, offset=4, chunk=b"ab", size=10)
