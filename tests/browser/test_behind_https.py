"""The console behind a household's web server: Debian's Caddy with the file in config/caddy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.browser.authenticator import Authenticator
from tests.browser.chromium import PHONE
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.browser.home import Home
from tests.e2e.household import PASSPHRASE
from tests.peers.process import Peer, free_port
from tests.peers.requirements import ROOT, program

EXAMPLE = "clips.example.net"


def caddyfile(port: int, upstream: int) -> str:
    """The example, with a certificate of Caddy's own and on ports that are free."""
    text = (ROOT / "config/caddy/Caddyfile").read_text()
    assert text.count(f"{EXAMPLE} {{") == text.count("127.0.0.1:8642") == 1
    text = text.replace("127.0.0.1:8642", f"127.0.0.1:{upstream}")
    text = text.replace(f"\n{EXAMPLE} {{", f"\nhttps://{EXAMPLE}:{port} {{\n\ttls internal")
    return f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}}\n{text}"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Served]:
    """A console that knows itself by Caddy's address, and Caddy."""
    caddy, port = program("caddy"), free_port()
    with ExitStack() as stack:
        home = stack.enter_context(Home.at(tmp_path / "home", cameras=1))
        origin = f"https://{EXAMPLE}:{port}"
        console = stack.enter_context(Served.of(home.folder, origin=origin))
        (tmp_path / "Caddyfile").write_text(caddyfile(port, console.port))
        server = Peer(tmp_path / "caddy.log")
        stack.callback(server.kill)
        folders = {name: str(tmp_path / "caddy") for name in ("HOME", "XDG_DATA_HOME")}
        server.run(
            [caddy, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"],
            ready="serving initial configuration",
            environment={**os.environ, **folders},
        )
        yield console


def test_a_phone_uses_the_console_through_caddy(console: Served, new_visitor: Visit) -> None:
    phone = new_visitor(PHONE)
    console.enter(phone, "/settings")
    phone.page.get_by_role("heading", name="Settings").wait_for()
    cookies = {one["name"]: one for one in phone.context.cookies()}
    assert set(cookies) == {"__Host-clip-browser", "__Host-clip-session"}
    assert all(one["secure"] and one["httpOnly"] for one in cookies.values())
    assert all(one["sameSite"] == "Strict" for one in cookies.values())
    answer = phone.page.goto(f"http://127.0.0.1:{console.port}/")
    assert answer is not None and answer.status == 421, "the console has one address"
    phone.forgive()
    phone.hosts.clear()


def test_a_passkey_belongs_to_the_households_name(console: Served, new_visitor: Visit) -> None:
    phone = new_visitor(PHONE)
    Authenticator.plugged_in(phone)
    console.enter(phone, "/settings/passkeys")
    phone.page.get_by_label("Name").fill("phone")
    phone.page.get_by_label("Passphrase").fill(PASSPHRASE)
    phone.page.get_by_role("button", name="Enrol a passkey").click()
    phone.page.get_by_role("heading", name="phone").wait_for()
    (known,) = console.parts.passkeys.enrolled().passkeys
    assert known.rp_id == EXAMPLE
    phone.page.get_by_role("button", name="Lock", exact=True).click()
    phone.page.get_by_role("button", name="Unlock with a passkey").click()
    phone.page.wait_for_url(console.url("/"))
