"""The tools of these tests notice what they are there to notice."""

from __future__ import annotations

import base64
import os
import signal
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from tests.browser import axe
from tests.browser.chromium import PHONE, WIDE, Chromium, Visitor, visit
from tests.browser.footage import walker
from tests.browser.home import FRONT, GARDEN, Home, requests_in

GOOD = """<!doctype html><html lang=en><title>A page</title><main><h1>Clips</h1>
<video muted width=320 src="data:video/mp4;base64,%s"></video></main>"""


def test_the_footage_plays(visitor: Visitor) -> None:
    visitor.page.set_content(GOOD % base64.b64encode(walker(seconds=2).mp4).decode())
    visitor.page.evaluate("document.querySelector('video').play()")
    visitor.page.wait_for_function("document.querySelector('video').ended")
    assert axe.violations(visitor.page) == []


def test_axe_finds_a_picture_without_words_and_grey_on_grey(visitor: Visitor) -> None:
    visitor.page.set_content(
        "<html lang=en><title>x</title><main><h1 style='color:#aaa;background:#fff'>Pale</h1>"
        "<img src='data:,'></main>"
    )
    found = " ".join(axe.violations(visitor.page))
    assert "image-alt" in found and "color-contrast" in found


@pytest.mark.parametrize("script", ["throw new Error('broken')", "console.error('broken')"])
def test_an_error_on_a_page_fails_the_visit(chromium: Chromium, script: str) -> None:
    with pytest.raises(AssertionError, match="broken"), visit(chromium) as visitor:
        visitor.page.set_content(f"<script>{script}</script>")


def test_a_page_that_is_too_wide_for_a_phone_is_noticed(chromium: Chromium) -> None:
    page = "<meta name=viewport content='width=device-width'><div style='width:%dpx'>x</div>"
    with visit(chromium, PHONE) as phone:
        phone.page.set_content(page % 300)
        assert phone.fits()
        phone.page.set_content(page % 500)
        assert not phone.fits()
    with visit(chromium, WIDE) as laptop:
        laptop.page.set_content(page % 500)
        assert laptop.fits()


def test_a_browser_that_never_closes_is_killed_and_the_next_visit_gets_another(
    playwright: Playwright,
) -> None:
    with closing(Chromium(playwright, patience_seconds=1)) as stubborn:
        with pytest.warns(UserWarning, match="was killed"), visit(stubborn) as visitor:
            visitor.page.set_content("<h1>Stopped</h1>")
            stopped = stubborn.pid
            os.kill(stopped, signal.SIGSTOP)
        with visit(stubborn) as visitor:
            visitor.page.set_content("<h1>New</h1>")
            assert visitor.page.locator("h1").inner_text() == "New"
        assert stubborn.pid != stopped


def test_two_cameras_of_a_home_match_the_same_request(tmp_path: Path) -> None:
    with Home.at(tmp_path) as home:
        for minutes, camera in ((9, FRONT), (6, GARDEN)):
            home.record(walker(seconds=2), minutes_ago=minutes, camera=camera)
        digest = home.ask()
        assert requests_in(home.house.owner("inbox", "--json", "--wait", "60")) == [digest] * 2
