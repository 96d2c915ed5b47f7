"""A browser for the whole run, a visitor for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import WIDE, Scheme, Screen, Visitor, start, visit

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with start() as browser:
        yield browser


@pytest.fixture
def new_visitor(chromium: Browser) -> Iterator[Visit]:
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
