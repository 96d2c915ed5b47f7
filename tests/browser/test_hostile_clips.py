"""Clips of a camera that was taken over, in the player: refused with a reason, run by nobody."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Visitor
from tests.browser.console import Served
from tests.browser.footage import walker
from tests.browser.hostile import FOUND, HostileHome

MP4 = walker(seconds=2).mp4
SCRIPT = b"<!doctype html><script>document.title = 'hit'</script>"
CLIPS = {
    "nothing": b"",
    "noise": os.urandom(50_000),
    "a page": SCRIPT * 2_000,
    "a page behind the head of an MP4": MP4[:32] + SCRIPT * 2_000,
    "a drawing with a script": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "cut in the index": MP4[:700],
    "an index of ones": MP4.replace(b"trun\x00", b"trun\xff"),
    "lengths of four gigabytes": re.sub(rb"....moof", b"\xff\xff\xff\xffmoof", MP4, flags=re.S),
    "pictures of noise": MP4[:2_000] + os.urandom(len(MP4) - 2_000),
}


@pytest.mark.parametrize("name", CLIPS)
def test_a_hostile_clip_is_refused_and_the_page_lives_on(
    name: str, tmp_path: Path, visitor: Visitor
) -> None:
    page = visitor.page
    with HostileHome.at(tmp_path, CLIPS[name]) as home, Served.of(home.folder) as console:
        console.enter(visitor)
        page.goto(console.url(f"/requests/{home.requests[0]}/decide"))
        told = page.locator(".shot .told")
        expect(told).to_contain_text(re.compile(r"\w+ \w+"), timeout=60_000)
        expect(told).not_to_contain_text("on its way", timeout=60_000)
        words = told.inner_text()
        assert "null" not in words and "undefined" not in words
        assert page.title() != "hit" and page.evaluate(FOUND) == 0
        page.goto(console.url("/settings"))
        page.get_by_role("heading", name="Settings").wait_for()
        page.goto("about:blank")
    visitor.forgive()
