"""What reaches systemd's socket is what was said, in UTF-8."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agent.host import systemd as service


@pytest.mark.parametrize("said", ["READY=1", "STATUS=armed; 50 °C", "STATUS=/видео/猫.mp4 → gone"])
def test_any_text_arrives_as_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        service.notifier()(said)
        assert systemd.recv(4096).decode("utf-8") == said


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    service.notifier()("READY=1")
