"""Words of strangers on every page: a taken-over camera and a requester who attack the reader."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Visitor
from tests.browser.console import Served
from tests.browser.crawl import every_page
from tests.browser.footage import walker
from tests.browser.hostile import ATTACK, FOUND, HostileHome


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileHome]:
    with HostileHome.at(tmp_path_factory.mktemp("hostile"), walker(seconds=2).mp4) as home:
        yield home


@pytest.fixture
def console(home: HostileHome) -> Iterator[Served]:
    with Served.of(home.folder) as console:
        yield console


def test_no_words_of_a_camera_or_a_requester_become_markup(
    console: Served, visitor: Visitor
) -> None:
    console.enter(visitor)
    shown = {}
    for path in every_page(visitor, console):
        assert visitor.page.evaluate(FOUND) == 0, path
        shown[path] = visitor.page.inner_text("body").count(ATTACK[:20])
    assert sum(shown.values()) >= 5, shown
