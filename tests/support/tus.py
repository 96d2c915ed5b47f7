"""Clients of upload receivers, as tests need them."""

from __future__ import annotations

from pathlib import Path

from agent.gateway.release.tus_client import TusClient


def new_client(
    *, ca_file: Path | None = None, timeout_seconds: float = 10, loopback: bool = True
) -> TusClient:
    """A client that may talk to receivers on loopback."""
    return TusClient(timeout_seconds=timeout_seconds, ca_file=ca_file, allow_loopback_http=loopback)
