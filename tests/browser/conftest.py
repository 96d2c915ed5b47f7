"""A browser for the whole run, a visitor for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.browser.chromium import WIDE, Chromium, Scheme, Screen, Visitor, visit

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Chromium]:
    with closing(Chromium(playwright)) as chromium:
        yield chromium


@pytest.fixture
def new_visitor(chromium: Chromium) -> Iterator[Visit]:
    """Start a visit with a profile of its own; what it did is judged when the test ends."""
    with ExitStack() as visits:

        def begin(
            screen: Screen = WIDE, *, scheme: Scheme = "light", locale: str = "en"
        ) -> Visitor:
            return visits.enter_context(visit(chromium, screen, scheme=scheme, locale=locale))

        yield begin


@pytest.fixture
def visitor(new_visitor: Visit) -> Visitor:
    """Somebody at a laptop."""
    return new_visitor()
