"""A request from its arrival to its receipt, in a browser, on a laptop and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import axe, pictures
from tests.browser.chromium import PHONE, SCREENS, WIDE, Screen, Visitor, until
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.browser.footage import walker
from tests.browser.home import FRONT, GARDEN, Home
from tests.e2e.household import PASSPHRASE

pytestmark = pytest.mark.timeout(900)
expect.set_options(timeout=60_000)


class Clicks:
    """An owner who counts what they press."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def on(self, place: Locator) -> None:
        self.count += 1
        place.click()

    def button(self, name: str | re.Pattern[str]) -> None:
        self.on(self.page.get_by_role("button", name=name))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as home:
        home.record(walker(0), minutes_ago=12)
        home.record(walker(1), minutes_ago=8, camera=GARDEN)
        home.record(walker(2), minutes_ago=4)
        yield home


@pytest.fixture
def console(home: Home) -> Iterator[Served]:
    with Served.of(home.folder) as console:
        yield console


def choose_clips(page: Page, *numbers: int) -> None:
    boxes = page.locator("input[name=clips]")
    for number in numbers:
        boxes.nth(number).check()
    page.get_by_role("button", name="Decide on the chosen clips").click()


def wait_until_rendered(shot: Locator) -> str:
    """The SHA-256 of what would leave of the clip with its present edits."""
    expect(shot).not_to_have_class(re.compile("stale"))
    told = shot.locator(".leaving")
    expect(told).to_contain_text("SHA-256")
    return told.inner_text().split()[-1]


def sign(page: Page) -> None:
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Sign, and send").click()


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: str(screen.width))
def test_play_trim_redact_with_a_moving_box_sign_and_get_the_receipt(
    home: Home, console: Served, new_visitor: Visit, screen: Screen
) -> None:
    visitor = new_visitor(screen)
    page = visitor.page
    digest = home.ask()
    console.enter(visitor)
    page.get_by_role("link", name="Bicycle theft on Elm Street").click()
    choose_clips(page, 2)
    shot = page.locator(".shot")
    whole = wait_until_rendered(shot)

    shot.get_by_role("button", name="Play", exact=True).click()
    until(page, "document.querySelector('.before').currentTime > 0.3")
    shot.get_by_role("button", name="Pause").click()
    shot.get_by_label("From second").fill("1")
    shot.get_by_label("to second").first.fill("5")
    shot.get_by_label("Time in the clip").fill("1.5")
    draw_a_box(page, shot)
    shot.get_by_label("Time in the clip").fill("4.5")
    shot.get_by_label("Left, percent").fill("70")
    shot.get_by_label("Left, percent").blur()
    expect(shot.locator(".positions li")).to_have_count(2)
    edited = wait_until_rendered(shot)
    assert edited != whole
    see_grey_where_the_box_is(page, shot)
    shot.get_by_role("heading").first.scroll_into_view_if_needed()
    page.evaluate("document.querySelector('.shot').scrollIntoView()")
    pictures.take(visitor, "decide")
    assert axe.violations(page) == []
    assert visitor.fits()

    page.get_by_role("button", name="To the last page").click()
    page.get_by_role("heading", name="Let this leave?").wait_for()
    said = page.locator("main").inner_text()
    for words in ("Springfield Police Department", "front-door sends this, and nothing else"):
        assert words in said
    assert "seen on" in said and "not seen" not in said
    pictures.take(visitor, "last-page", whole_page=True)
    assert axe.violations(page) == []
    assert visitor.fits()
    assert home.agency.receiver.finished() == [], "nothing leaves before the signature"

    sign(page)
    expect(page.locator(".state")).to_contain_text("sent", timeout=120_000)
    (bundle,) = home.agency.receiver.finished()
    assert home.hand_out_receipts() == 1
    expect(page.locator(".state")).to_contain_text("delivered", timeout=120_000)
    pictures.take(visitor, "release")
    assert axe.violations(page) == []
    assert edited in page.locator(".files").inner_text(), "what was shown is what left"
    assert digest and bundle


def draw_a_box(page: Page, shot: Locator) -> None:
    """Draw with the pointer from the upper left towards the middle of the picture."""
    layer = shot.locator(".boxes")
    layer.scroll_into_view_if_needed()
    area = layer.bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + area["width"] * 0.1, area["y"] + area["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.3, area["y"] + area["height"] * 0.8, steps=5)
    page.mouse.up()
    expect(shot.locator(".box")).to_have_count(1)


def see_grey_where_the_box_is(page: Page, shot: Locator) -> None:
    """The rendered clip is plain grey at the box's place, and is not beside it."""
    shot.get_by_label("Time in the clip").fill("1.5")
    spread = """([x, y, most]) => {
      const video = document.querySelector(".after");
      const drawing = document.createElement("canvas").getContext("2d");
      drawing.drawImage(video, 0, 0, 100, 100);
      const at = drawing.getImageData(x, y, 8, 20).data;
      const greens = [...at].filter((_, place) => place % 4 === 1);
      return Math.max(...greens) - Math.min(...greens) < most;
    }"""
    until(page, spread, [15, 40, 12])
    assert not page.evaluate(spread, [60, 40, 30])


def test_three_clips_of_two_cameras_take_at_most_six_clicks_and_one_unlock(
    home: Home, console: Served, visitor: Visitor
) -> None:
    home.ask()
    console.admit(visitor)
    console.unlock(visitor)
    page = visitor.page
    clicks = Clicks(page)
    clicks.on(page.get_by_role("link", name="Bicycle theft on Elm Street"))
    clicks.button("Decide on the chosen clips")
    expect(page.locator(".shot")).to_have_count(3)
    clicks.button("To the last page")
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    clicks.button("Sign, and send")
    expect(page.locator(".release")).to_have_count(2)
    for number in (0, 1):
        expect(page.locator(".state").nth(number)).to_contain_text("sent", timeout=120_000)
    assert clicks.count <= 6
    assert len(home.agency.receiver.finished()) == 2, "one bundle of each camera"


def test_a_decline_is_one_click_and_tells_the_agency_nothing(
    home: Home, console: Served, visitor: Visitor
) -> None:
    home.ask()
    console.enter(visitor)
    visitor.page.get_by_role("link", name="Bicycle theft on Elm Street").click()
    visitor.page.get_by_role("button", name="Decline", exact=True).click()
    for camera in home.cameras:
        home.wait_for(camera, "request.declined")
    visitor.page.goto(console.url("/?now=1"))
    expect(visitor.page.get_by_text("Bicycle theft on Elm Street")).to_have_count(0)
    assert home.agency.receiver.finished() == []


def test_a_release_is_stopped_while_the_receiver_is_away(
    home: Home, console: Served, visitor: Visitor
) -> None:
    home.ask()
    home.agency.receiver.stop()
    console.enter(visitor)
    page = visitor.page
    page.get_by_role("link", name="Bicycle theft on Elm Street").click()
    choose_clips(page, 0)
    page.get_by_role("button", name="To the last page").click()
    sign(page)
    expect(page.locator(".state")).to_contain_text("being sent")
    page.get_by_role("button", name="Stop it before it is sent").click()
    expect(page.locator(".state")).to_contain_text(re.compile("revoked|stopped"), timeout=120_000)


def test_a_device_that_is_offline_is_said_and_the_rest_goes_on(
    home: Home, console: Served, visitor: Visitor
) -> None:
    home.ask()
    home.cameras[GARDEN].stop("gateway")
    console.enter(visitor)
    page = visitor.page
    expect(page.locator("main")).to_contain_text(re.compile("garden: .*offline|garden is offline"))
    page.get_by_role("link", name="Bicycle theft on Elm Street").click()
    page.get_by_role("button", name="Decide on the chosen clips").click()
    expect(page.locator(".shot")).to_have_count(3)
    expect(page.locator(".told", has_text="garden is offline")).to_have_count(1)
    page.get_by_role("button", name="To the last page").click()
    sign(page)
    front = page.locator(f".release[data-key^='{FRONT}/'] .state")
    expect(front).to_contain_text("sent", timeout=120_000)
    expect(page.locator(f".release[data-key^='{GARDEN}/'] .away")).to_be_visible()


def test_a_requester_is_muted_and_heard_again(
    home: Home, console: Served, visitor: Visitor
) -> None:
    page = visitor.page
    home.ask()
    console.enter(visitor)
    page.get_by_role("link", name="Bicycle theft on Elm Street").click()
    page.get_by_role("button", name="Decline, and mute the sender").click()
    for camera in home.cameras:
        home.wait_for(camera, "requester.muted")
    home.house.post(title="A second request")
    for camera in home.cameras:
        home.wait_for(camera, "request.refused")
    page.goto(console.url("/?now=1"))
    expect(page.get_by_text("A second request")).to_have_count(0)
    page.goto(console.url("/requesters"))
    page.get_by_role("link", name="Springfield Police Department").first.click()
    page.get_by_role("button", name=re.compile("Get their requests again|Unmute")).click()
    for camera in home.cameras:
        home.wait_for(camera, "requester.unmuted")


def test_the_ledger_tells_what_happened_and_is_verified(
    home: Home, console: Served, visitor: Visitor
) -> None:
    home.ask()
    console.enter(visitor, "/ledger")
    visitor.page.get_by_role("button", name="Fetch new lines").click()
    expect(visitor.page.locator("main")).to_contain_text("lines hold together")
    said = visitor.page.locator("main").inner_text()
    assert "2 clips of this device were recorded in the time that was asked about" in said
    pictures.take(visitor, "ledger")
    assert axe.violations(visitor.page) == []


def test_two_owners_agree_with_one_click_and_a_passphrase_each(
    tmp_path: Path, new_visitor: Visit
) -> None:
    with Home.at(tmp_path, cameras=1, owners=2) as home:
        home.record(walker(), minutes_ago=5)
        home.ask()
        first, second = new_visitor(WIDE), new_visitor(PHONE)
        with Served.of(home.folder) as olives, Served.of(home.partner) as ottos:
            olives.enter(first)
            first.page.get_by_role("link", name="Bicycle theft on Elm Street").click()
            first.page.get_by_role("button", name="Decide on the chosen clips").click()
            first.page.get_by_role("button", name="To the last page").click()
            assert "nothing is sent before" in first.page.locator("main").inner_text()
            sign(first.page)
            expect(first.page.locator(".state")).to_contain_text("waits for")
            ottos.enter(second)
            second.page.get_by_role("link", name="Bicycle theft on Elm Street").click()
            second.page.get_by_role("link", name="See it, and agree").click()
            pictures.take(second, "agree", whole_page=True)
            assert axe.violations(second.page) == []
            second.page.get_by_label("Passphrase").fill(PASSPHRASE)
            second.page.get_by_role("button", name="Agree, and sign").click()
            expect(second.page.locator(".state")).to_contain_text("sent", timeout=120_000)
            expect(first.page.locator(".state")).to_contain_text("sent", timeout=120_000)
            for one in (first, second):
                one.page.goto("about:blank")  # before the console ends
