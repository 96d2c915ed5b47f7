"""Messages to systemd's socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agent.host import systemd as service


@pytest.mark.parametrize("said", ["READY=1", "STATUS=armed; 50 °C", "STATUS=/видео/猫.mp4 → gone"])
@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_a_message_arrives_as_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, abstract: bool
) -> None:
    address = f"@clip-agent-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0"))
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        service.notifier()(said)
        assert systemd.recv(4096).decode("utf-8") == said


def test_without_systemd_no_message_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    service.notifier()("READY=1")


@pytest.mark.parametrize("message", ["READY=1", "STATUS=" + "x" * 10_000_000])
def test_a_message_that_cannot_be_sent_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    service.notifier()(message)
