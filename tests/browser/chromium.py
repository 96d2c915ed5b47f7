"""Debian's Chromium, driven by Playwright, and somebody who looks at a page in it.

>>> with start() as chromium, visit(chromium, PHONE) as visitor:
...     visitor.page.goto(url)

A visitor remembers what no page of ours may do: log an error, break the content security policy,
throw, or ask another host. Leaving the visit asserts that none of that happened.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
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


@contextmanager
def start() -> Iterator[Browser]:
    """One browser for many visits."""
    path = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(
    browser: Browser, screen: Screen = WIDE, *, scheme: Scheme = "light", locale: str = "en"
) -> Iterator[Visitor]:
    """A visitor with a new profile; asserts at the end that all pages were well-behaved."""
    context = browser.new_context(
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
        context.close()


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
