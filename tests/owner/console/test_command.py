"""``owner console``: its addresses, its link, and what it refuses to start with."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.errors import ConfigError, KeyFileError, NetworkFault
from agent.owner.console.command import origins_of
from agent.owner.console.door import Door
from tests.owner.at_home import OwnerAtHome, run


def test_a_console_at_home_is_reached_by_the_names_of_this_computer() -> None:
    assert origins_of(None, "127.0.0.1", 8642) == (
        "http://localhost:8642", "http://127.0.0.1:8642", "http://[::1]:8642"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ("https://clips.example.net", "https://clips.example.net"),
        ("https://Clips.Example.Net:8443/", "https://clips.example.net:8443"),
    ],
)
def test_behind_https_only_that_address_is_served(origin: str, found: str) -> None:
    assert origins_of(origin, "192.168.1.5", 8642) == (found,)


@pytest.mark.parametrize(
    "origin",
    [
        "http://clips.example.net", "clips.example.net", "https://", "https://a.example/console",
        "https://me@a.example", "https://a.example?x", "https://a.example#x", "javascript:x", "",
    ],
)  # fmt: skip
def test_another_form_of_address_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError, match="must be https://"):
        origins_of(origin, "127.0.0.1", 8642)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "clips.example"])
def test_no_passphrase_crosses_a_network_without_encryption(host: str) -> None:
    with pytest.raises(ConfigError, match="without encryption"):
        origins_of(None, host, 8642)


def test_a_link_is_printed_that_a_running_console_takes(
    owner: OwnerAtHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert owner.run("console", "--link", "--origin", "https://clips.example.net") == 0
    said = capsys.readouterr().out
    link = re.search(r"https://clips\.example\.net/enter\?token=(\S+)", said)
    assert link is not None
    assert "█" in said or "▀" in said, "and a QR code for a phone"
    assert Door(owner.folder, SystemClock(synced_marker=None)).admit(link[1], "phone")


def test_a_link_needs_an_owners_folder(
    tmp_path: Path,
) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    with pytest.raises(KeyFileError, match="there are no keys here"):
        run("console", "--link", "--home", str(home))
    assert list(home.iterdir()) == []


def test_a_port_that_is_taken_is_said_with_what_to_do(
    owner: OwnerAtHome,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NetworkFault, match=f"cannot listen on 127.0.0.1:{port}") as fault:
            owner.run("console", "--listen", f"127.0.0.1:{port}")
    assert "--link" in fault.value.advice
