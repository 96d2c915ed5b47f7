"""Debian's Chromium, driven by Playwright, and somebody who looks at a page in it.

>>> with start() as chromium, visit(chromium, PHONE) as visitor:
...     visitor.page.goto(url)

A visitor remembers what no page of ours may do: log an error, break the content security policy,
throw, or ask another host. Leaving the visit asserts that none of that happened.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Request,
    sync_playwright,
)

from tests.peers.requirements import program

ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP *.example 127.0.0.1,MAP *.example.net 127.0.0.1",
)  # fmt: skip
_PATIENCE_SECONDS: Final = 60.0
Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class Screen:
    """A size in CSS pixels, with a finger or a mouse."""

    width: int
    height: int
    touch: bool = False


WIDE: Final = Screen(1280, 800)
PHONE: Final = Screen(360, 740, touch=True)
SCREENS: Final = (WIDE, PHONE)


@dataclass
class Visitor:
    """A browser profile of its own with one page. Times are those of UTC, words English."""

    context: BrowserContext
    page: Page
    screen: Screen
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)  # host:port of each request

    def forgive(self, *texts: str) -> None:
        """Forget the errors so far; each must hold one of ``texts``, a failed load by default."""
        allowed = texts or ("Failed to load resource",)
        others = [one for one in self.errors if not any(text in one for text in allowed)]
        assert not others, "\n".join(others)
        self.errors.clear()

    def fits(self) -> bool:
        """True unless the page is wider than the screen."""
        return (
            bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
            and self.page.evaluate("window.innerWidth") <= self.screen.width
        )


def until(page: Page, script: str, argument: object = None) -> None:
    """Wait until a script's value is true. Playwright's own wait is what our pages forbid: eval."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not page.evaluate(script, argument):
        assert time.monotonic() < deadline, script
        page.wait_for_timeout(50)


class Chromium:
    """One browser for many visits: started for the first, and again after it was killed.

    Chromium has been seen to never answer the end of a visit. What a visit tests is judged before,
    so the browser is killed then, and the next visit gets a new one.
    """

    def __init__(self, playwright: Playwright, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._type = playwright.chromium
        self._patience_seconds = patience_seconds
        self._browser: Browser | None = None
        self.pid = 0

    def new_context(self, **settings: Any) -> BrowserContext:
        """A profile of its own; the settings are those of Playwright's ``new_context``."""
        if self._browser is None or not self._browser.is_connected():
            self._browser = self._type.launch(executable_path=program("chromium"), args=ARGUMENTS)
            self.pid = _pid_of(self._browser)
        return self._browser.new_context(**settings)

    def end(self, context: BrowserContext) -> None:
        """Close a profile and its pages."""
        self._within_patience(context.close)

    def close(self) -> None:
        """Close the browser."""
        if self._browser is not None and self._browser.is_connected():
            self._within_patience(self._browser.close)

    def _within_patience(self, close: Callable[[], None]) -> None:
        killed = threading.Event()

        def kill() -> None:
            killed.set()
            os.kill(self.pid, signal.SIGKILL)

        killer = threading.Timer(self._patience_seconds, kill)
        killer.start()
        try:
            close()
        except Error as fault:
            if not killed.is_set():
                raise
            warnings.warn(f"Chromium did not close, and was killed: {fault}", stacklevel=3)
        finally:
            killer.cancel()


def _pid_of(browser: Browser) -> int:
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    (pid,) = (int(one["id"]) for one in processes if one["type"] == "browser")
    return pid


@contextmanager
def start() -> Iterator[Chromium]:
    """One browser for many visits."""
    with sync_playwright() as playwright, closing(Chromium(playwright)) as chromium:
        yield chromium


@contextmanager
def visit(
    chromium: Chromium, screen: Screen = WIDE, *, scheme: Scheme = "light", locale: str = "en"
) -> Iterator[Visitor]:
    """A visitor with a new profile; asserts at the end that all pages were well-behaved."""
    context = chromium.new_context(
        viewport={"width": screen.width, "height": screen.height},
        has_touch=screen.touch,
        is_mobile=screen.touch,
        color_scheme=scheme,
        locale=locale,
        timezone_id="UTC",
        reduced_motion="reduce",
        ignore_https_errors=True,
    )
    context.set_default_timeout(30_000)
    visitor = Visitor(context, context.new_page(), screen)
    _listen(visitor, visitor.page)
    context.on("page", lambda page: _listen(visitor, page))
    try:
        yield visitor
        assert not visitor.errors, "\n".join(visitor.errors)
        assert len(visitor.hosts) <= 1, f"a page asked another host: {visitor.hosts}"
    finally:
        chromium.end(context)


def _listen(visitor: Visitor, page: Page) -> None:
    def asked(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob"):
            visitor.hosts.add(parts.netloc)

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            visitor.errors.append(message.text)

    page.on("console", said)
    page.on("pageerror", lambda error: visitor.errors.append(str(error)))
    page.on("request", asked)
