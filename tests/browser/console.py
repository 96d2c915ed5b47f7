"""The console of an owner, served on localhost by this process, and the way into it.

>>> with Served.of(home.folder) as console:
...     console.enter(visitor)                  # by a link, and the passphrase
...     visitor.page.goto(console.url("/timeline"))
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from agent.clock import SystemClock
from agent.owner.console import app
from agent.owner.console.context import Console
from agent.owner.home.folder import OwnerFolder
from tests.browser.chromium import Visitor
from tests.e2e.household import PASSPHRASE

_START_SECONDS = 60.0


@dataclass
class LaterClock(SystemClock):
    """The machine's clock, whose monotonic time a test moves on."""

    later_seconds: float = 0.0

    def __init__(self) -> None:
        super().__init__(synced_marker=None)

    def monotonic(self) -> float:
        return super().monotonic() + self.later_seconds


@dataclass
class Served:
    """A console that is reached at ``origin``; ``clock`` is in the hand of the test."""

    origin: str
    parts: Console
    clock: LaterClock
    port: int

    @classmethod
    @contextmanager
    def of(cls, folder: OwnerFolder, *, origin: str = "", **options: Any) -> Iterator[Served]:
        """Serve until the block ends; ``origin`` is that of a web server before it."""
        clock = LaterClock()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            origins = (
                (origin,)
                if origin
                else tuple(f"http://{name}:{port}" for name in ("localhost", "127.0.0.1"))
            )
            options = {"collect_seconds": 1.0, **options}
            built = app.build(folder, origins, clock, **options)
            settings = uvicorn.Config(built, log_config=None, ws="none", proxy_headers=False)
            server = uvicorn.Server(settings)
            thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
            thread.start()
            deadline = time.monotonic() + _START_SECONDS
            while not server.started:
                assert thread.is_alive() and time.monotonic() < deadline, "it does not start"
                time.sleep(0.01)
            try:
                yield cls(origins[0], built.state.console, clock, port)
            finally:
                server.should_exit = True
                thread.join(_START_SECONDS)

    def url(self, path: str) -> str:
        """The address of a page."""
        return self.origin + path

    def admit(self, visitor: Visitor) -> None:
        """Open a new link, and press its button."""
        visitor.page.goto(self.url(f"/enter?token={self.parts.door.link()}"))
        visitor.page.locator("main button").click()
        visitor.page.wait_for_url("**/unlock*")

    def unlock(self, visitor: Visitor, passphrase: str = PASSPHRASE) -> None:
        """Type the passphrase on the page that asks for it."""
        visitor.page.locator("input[type=password]").fill(passphrase)
        visitor.page.locator("main form button.primary").click()

    def unlock_again(self, visitor: Visitor) -> None:
        """Come back to a console that has locked itself."""
        visitor.page.goto(self.url("/"))
        self.unlock(visitor)
        visitor.page.wait_for_url(self.url("/"))

    def enter(self, visitor: Visitor, path: str = "/") -> None:
        """Come in, and look at a page."""
        self.admit(visitor)
        self.unlock(visitor)
        visitor.page.wait_for_url(self.url("/"))
        if path != "/":
            visitor.page.goto(self.url(path))
