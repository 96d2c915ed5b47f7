"""``clip-agent owner console`` as a process of its own, as a person starts it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from benchmarks import procfs
from tests.browser.chromium import Visitor
from tests.browser.footage import walker
from tests.browser.home import Home
from tests.e2e.household import PASSPHRASE
from tests.peers.process import Peer, free_port
from tests.peers.requirements import ROOT

MOST_MEGABYTES = 120.0


def test_the_console_starts_plays_a_clip_and_stays_small(tmp_path: Path, visitor: Visitor) -> None:
    page, port = visitor.page, free_port()
    with Home.at(tmp_path / "home", cameras=1) as home:
        home.record(walker(), minutes_ago=5)
        home.ask()
        options = ["--home", str(home.folder.path), "--listen", f"127.0.0.1:{port}"]
        command = [sys.executable, "-m", "agent", "owner", "console", *options]
        server = Peer(tmp_path / "console.log")
        try:
            said = server.run(command, ready="Listening for")
            assert "token" not in said, "a service's journal holds no link"
            told = subprocess.run(
                [*command, "--link"], capture_output=True, text=True, check=True, cwd=ROOT
            ).stdout
            link = re.search(r"http://localhost:\d+/enter\?token=\S+", told)
            assert link is not None
            page.goto(link[0])
            page.get_by_role("button", name="Admit this browser").click()
            page.get_by_label("Passphrase").fill(PASSPHRASE)
            page.get_by_role("button", name="Unlock", exact=True).click()
            page.get_by_role("link", name="Bicycle theft on Elm Street").click()
            page.get_by_role("button", name="Decide on the chosen clips").click()
            expect(page.locator(".leaving")).to_contain_text("SHA-256")
            used = procfs.memory(server.pid).rss
            assert used < MOST_MEGABYTES, f"{used:.0f} MB are resident"
            page.goto("about:blank")
        finally:
            server.terminate()
