"""Deciding in a real browser: play, trim, cover with boxes that move, sign, follow."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Locator, Page, expect

from agent.consent.statements import Redaction
from tests.browser import axe
from tests.browser.chromium import PHONE, Visitor
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.browser.footage import walker
from tests.browser.home import GARDEN, Home
from tests.e2e.household import PASSPHRASE

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home.at(tmp_path_factory.mktemp("home")) as home:
        home.record(walker(), minutes_ago=9)
        home.record(walker(1), minutes_ago=8)
        home.record(walker(), minutes_ago=6, camera=GARDEN)
        yield home


@pytest.fixture
def console(home: Home) -> Iterator[Served]:
    with Served.of(home.folder) as console:
        yield console


@pytest.fixture(scope="module")
def digest(home: Home) -> str:
    """A request that stays open: its clips may leave more than once."""
    return home.ask(title="A bicycle on Elm Street")


def open_page(visitor: Visitor, console: Served, path: str) -> None:
    """Come in, and look at a page of a request once the cameras' letters about it are there."""
    console.enter(visitor)
    deadline = time.monotonic() + 60
    while True:
        answer = visitor.page.goto(console.url(path))
        assert answer is not None and time.monotonic() < deadline
        if answer.status == 200 and "garden" in visitor.page.inner_text("main"):
            visitor.forgive()
            return
        visitor.page.goto(console.url("/?now=1"))


def until(page: Page, expression: str) -> None:
    """Wait until an expression of JavaScript is true; the page's policy forbids it to wait."""
    deadline = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.05)


class Desk:
    """The page on which clips are decided, once the first of them is shown."""

    def __init__(self, visitor: Visitor, console: Served, digest: str) -> None:
        self.page: Page = visitor.page
        open_page(visitor, console, f"/requests/{digest}/decide")
        self.await_rendering(self.shot)

    @property
    def shot(self) -> Locator:
        """The first clip."""
        return self.page.locator(".shot").first

    def await_rendering(self, shot: Locator, words: str = "This is what would leave") -> None:
        expect(shot.locator(".leaving")).to_contain_text(words)
        expect(shot).not_to_have_class("stale")

    def seek(self, seconds: float) -> None:
        """Move the time, and wait for the picture."""
        self.shot.locator(".position").fill(str(seconds))
        until(self.page, "!document.querySelector('.before').seeking")

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """From one place of the picture to another, in shares of it, by mouse."""
        self.shot.locator(".stage").first.scroll_into_view_if_needed()
        area = self.shot.locator(".boxes").bounding_box()
        assert area is not None
        (x, y), (to_x, to_y) = (
            (area["x"] + share[0] * area["width"], area["y"] + share[1] * area["height"])
            for share in (begin, end)
        )
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(to_x, to_y, steps=4)
        mouse.up()

    def next_page(self) -> list[dict[str, Any]]:
        """Go on; the edits of the clips as the last page holds them."""
        self.page.get_by_role("button", name="To the last page").click()
        self.page.locator("input[name=draft]").first.wait_for(state="attached")
        draft = json.loads(self.page.locator("input[name=draft]").first.input_value())
        clips: list[dict[str, Any]] = draft["edits"]["clips"]
        return clips


def test_three_clips_of_two_cameras_are_decided_with_six_clicks_and_one_unlock(
    home: Home, console: Served, new_visitor: Visit, digest: str
) -> None:
    visitor = new_visitor(PHONE)
    page = visitor.page
    open_page(visitor, console, f"/requests/{digest}")
    clicks = 0

    def click(one: Locator) -> None:
        nonlocal clicks
        clicks += 1
        one.click()

    for box in page.locator("input[name=clips]").all():
        if not box.is_checked():
            click(box)
    click(page.get_by_role("button", name="Decide on the chosen clips"))
    assert page.locator(".shot").count() == 3
    click(page.get_by_role("button", name="To the last page"))
    page.locator("#passphrase").fill(PASSPHRASE)
    click(page.get_by_role("button", name="Sign, and send"))
    assert clicks <= 6
    states = page.locator(".release .state")
    expect(states).to_have_count(2)
    for state in states.all():
        expect(state).to_contain_text("sent, no receipt yet")
    assert home.hand_out_receipts() >= 2
    for state in states.all():
        expect(state).to_contain_text("delivered")
    assert axe.violations(page) == []
    assert visitor.fits()


def test_a_box_that_is_moved_at_another_time_moves_between(
    console: Served, visitor: Visitor, digest: str
) -> None:
    desk = Desk(visitor, console, digest)
    desk.seek(1)
    desk.drag((0.1, 0.2), (0.3, 0.5))
    desk.seek(4)
    desk.drag((0.2, 0.3), (0.7, 0.3))
    desk.seek(2.5)
    left = desk.shot.locator(".box").evaluate("box => parseFloat(box.style.left)")
    assert 30 < left < 40, "half way between 10 and 60"
    desk.await_rendering(desk.shot)
    assert axe.violations(desk.page) == []
    first, second, third = desk.next_page()
    (box,) = first["redact"]
    (begin, x, _, width, height), (end, to_x, *_) = box["positions"]
    assert (begin, end) == (1, 4)
    assert (x, to_x) == (pytest.approx(0.1, abs=0.02), pytest.approx(0.6, abs=0.02))
    assert (width, height) == (pytest.approx(0.2, abs=0.02), pytest.approx(0.3, abs=0.02))
    assert "redact" not in second and "redact" not in third
    assert "a box that moves" in desk.page.inner_text("main")


def test_all_edits_work_by_keyboard(console: Served, visitor: Visitor, digest: str) -> None:
    desk = Desk(visitor, console, digest)
    keyboard, shot = desk.page.keyboard, desk.shot
    shot.get_by_role("button", name="Add a box").press("Enter")
    assert desk.page.evaluate("document.activeElement.className") == "box"
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown"):
        keyboard.press(key)
    shot.get_by_label("Begin of the part").focus()
    for _ in range(5):
        keyboard.press("ArrowRight")
    shot.get_by_label("End of the part").focus()
    for _ in range(3):
        keyboard.press("ArrowLeft")
    keyboard.press(".")
    first = desk.next_page()[0]
    assert first["trim"] == {"from_seconds": 0.5, "to_seconds": 5.7}
    (((_, x, y, width, height),),) = [box["positions"] for box in first["redact"]]
    assert (x, y, width, height) == (0.33, 0.34, 0.31, 0.31)


def test_a_box_is_deleted_resized_by_numbers_and_given_an_end(
    console: Served, visitor: Visitor, digest: str
) -> None:
    desk = Desk(visitor, console, digest)
    shot = desk.shot
    for _ in range(2):
        shot.get_by_role("button", name="Add a box").click()
    shot.locator(".box").last.press("Delete")
    assert shot.locator(".box").count() == 1
    shot.get_by_label("Width, percent").fill("50")
    shot.get_by_label("Width, percent").press("Tab")
    shot.locator(".ends").fill("3")
    shot.locator(".ends").press("Tab")
    (box,) = desk.next_page()[0]["redact"]
    assert box["to_seconds"] == 3 and box["positions"][0][3] == 0.5


def test_edits_survive_the_way_back_from_the_last_page(
    console: Served, visitor: Visitor, digest: str
) -> None:
    desk = Desk(visitor, console, digest)
    desk.shot.get_by_role("button", name="Add a box").click()
    desk.shot.locator(".from-number").fill("2")
    desk.page.locator(".leaves").last.uncheck()
    desk.page.get_by_label("Your name").fill("Ann")
    before = desk.next_page()
    assert len(before) == 2
    desk.page.get_by_role("button", name="Change something").click()
    desk.await_rendering(desk.shot, "40 pictures")
    assert desk.page.locator(".shot").count() == 2
    assert desk.page.get_by_label("Your name").input_value() == "Ann"
    assert desk.next_page() == before


def test_playing_counts_as_seen_and_plays_both_sides(
    console: Served, new_visitor: Visit, digest: str
) -> None:
    phone = new_visitor(PHONE)
    desk = Desk(phone, console, digest)
    assert phone.fits() and axe.violations(phone.page) == []
    desk.shot.get_by_role("button", name="Play", exact=True).tap()
    both = "[...document.querySelector('.shot').querySelectorAll('video')]"
    until(phone.page, f"{both}.every(video => video.currentTime > 0.2)")
    desk.next_page()
    said = phone.page.locator("dd", has_text="seen on").first.inner_text()
    assert "60 pictures" in said
    assert phone.fits() and axe.violations(phone.page) == []


def test_a_wrong_passphrase_signs_nothing_and_the_right_one_does(
    console: Served, visitor: Visitor, digest: str
) -> None:
    page = visitor.page
    open_page(visitor, console, f"/requests/{digest}/decide")
    page.get_by_role("button", name="To the last page").click()
    page.locator("#passphrase").fill("wrong horse battery")
    page.get_by_role("button", name="Sign, and send").click()
    expect(page.get_by_role("alert").first).to_contain_text("not your passphrase")
    visitor.forgive()
    page.locator("#passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Sign, and send").click()
    page.wait_for_url("**/releases/sent*")


position = st.tuples(st.integers(0, 100), *[st.integers(0, 50)] * 2, *[st.integers(1, 50)] * 2).map(
    lambda one: [one[0] / 10, *(side / 100 for side in one[1:])]
)
positions = st.lists(position, min_size=1, max_size=6, unique_by=lambda one: one[0]).map(sorted)


def test_boxes_stand_where_the_release_covers(console: Served, visitor: Visitor) -> None:
    console.enter(visitor)
    show = """async ([redaction, times]) => {
        const { at, place } = await import('/static/boxes.js');
        return times.map(time => at(redaction, time));
    }"""

    @settings(max_examples=25, deadline=None)
    @given(positions, st.lists(st.integers(-10, 1_100), min_size=1, max_size=8))
    def check(places: list[list[float]], hundredths: list[int]) -> None:
        plain = {"positions": places}
        times = [max(0, one) / 100 for one in hundredths]
        redaction = msgspec.convert(plain, Redaction)
        for at, (x, y, width, height) in zip(
            times, visitor.page.evaluate(show, [plain, times]), strict=True
        ):
            region = redaction.region(at, at)
            assert region is not None
            edges = (x, y, x + width, y + height)
            assert edges == pytest.approx(tuple(region), abs=1e-9)

    check()


def test_a_clip_is_seen_on_the_last_page_which_then_says_so_and_is_signed(
    console: Served, visitor: Visitor, digest: str
) -> None:
    page = visitor.page
    open_page(visitor, console, f"/requests/{digest}/decide")
    page.get_by_role("button", name="To the last page").click()
    for place in range(3):
        page.locator(".see button").nth(place).click()
        expect(page.locator(".see video").nth(place)).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("not seen on this computer")
    page.get_by_text("a form for uploads instead").click()
    page.get_by_label("Whose form").fill("Springfield PD, Axon")
    with page.expect_download() as download:
        page.get_by_role("button", name="Make the file").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert len(archive.namelist()) == 6
    assert axe.violations(page) == []
    page.locator("#passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Sign, and send").click()
    page.wait_for_url("**/releases/sent*")
