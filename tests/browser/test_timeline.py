"""The clips of a day and a look, in Chromium: by mouse, by keys, on a phone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from agent.owner.home.folder import OwnerFolder
from tests.browser import axe, pictures
from tests.browser.chromium import PHONE, SCREENS, WIDE, Screen
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.browser.footage import RATE, walker
from tests.browser.home import FRONT, GARDEN, Home
from tests.e2e.household import Household

_PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home.at(tmp_path_factory.mktemp("home")) as home:
        yield home


@pytest.fixture(scope="module")
def recorded(home: Home) -> list[str]:
    """Three clips within minutes, of two cameras, the oldest first."""
    cameras = (FRONT, GARDEN, FRONT)
    return [
        home.record(walker(number), minutes_ago=3 - number, camera=camera)
        for number, camera in enumerate(cameras)
    ]


@pytest.fixture
def console(home: Home) -> Iterator[Served]:
    with Served.of(home.folder) as console:
        yield console


def opened(visit: Visit, console: Served, screen: Screen = WIDE, **options: str) -> Page:
    """The timeline, listed."""
    visitor = visit(screen, **options)
    console.enter(visitor, "/timeline")
    visitor.page.locator("#choice").wait_for(timeout=_PATIENCE_MS)
    return visitor.page


def clips(page: Page) -> list[str]:
    found = page.locator("[data-clip]").all()
    return [(one.get_attribute("data-clip") or "").split("/")[1] for one in found]


def time_of(page: Page) -> float:
    return float(page.evaluate("document.getElementById('video').currentTime"))


def until(ready: Callable[[], bool]) -> None:
    """Poll: the pages' policy forbids the browser to evaluate what Playwright would wait for."""
    deadline = time.monotonic() + _PATIENCE_MS / 1_000
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_thumbnails_of_all_cameras_stand_in_the_order_of_their_times(
    new_visitor: Visit, console: Served, recorded: list[str]
) -> None:
    page = opened(new_visitor, console)
    assert clips(page) == recorded
    expect(page.locator(".shot img")).to_have_count(3, timeout=_PATIENCE_MS)
    images = "[...document.querySelectorAll('.shot img')]"
    widths = f"Promise.all({images}.map(one => one.decode().then(() => one.naturalWidth)))"
    assert page.evaluate(widths) == [320, 320, 320]


def test_a_clip_plays_and_keys_step_through_pictures_and_clips(
    new_visitor: Visit, console: Served, recorded: list[str]
) -> None:
    page = opened(new_visitor, console)
    page.locator("[data-clip]").first.click()
    download = page.locator("#download")
    expect(download).to_have_attribute("download", f"{recorded[0]}.mp4", timeout=_PATIENCE_MS)
    until(lambda: time_of(page) > 0)
    page.keyboard.press(",")
    page.evaluate("document.getElementById('video').currentTime = 1")
    page.keyboard.press(".")
    assert time_of(page) == pytest.approx(1 + 1 / RATE, abs=0.03)
    page.keyboard.press(",")
    assert time_of(page) == pytest.approx(1, abs=0.03)
    page.keyboard.press("j")
    expect(page.locator("#player-title")).to_contain_text(GARDEN)
    expect(download).to_have_attribute("download", f"{recorded[1]}.mp4", timeout=_PATIENCE_MS)
    page.keyboard.press("k")
    expect(page.locator("#player-title")).to_contain_text(FRONT)
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    expect(page.locator("#number")).to_have_text("1 chosen")
    expect(page.locator("[data-clip]").first).to_be_focused()


def test_chosen_clips_are_kept_and_one_is_shared(
    new_visitor: Visit, console: Served, recorded: list[str], home: Home
) -> None:
    page = opened(new_visitor, console)
    page.locator('input[name="clip"]').nth(0).check()
    page.locator("#share").click()
    page.wait_for_url("**/share?clips=*")
    assert recorded[0] in page.url


def test_the_filter_and_the_days_beside_it(
    new_visitor: Visit, console: Served, recorded: list[str]
) -> None:
    page = opened(new_visitor, console)
    page.locator('select[name="camera"]').select_option(GARDEN)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("[data-clip]")).to_have_count(1)
    assert clips(page) == [recorded[1]]
    page.get_by_role("link", name="The day before").click()
    expect(page.locator("#none")).to_contain_text("No clip", timeout=_PATIENCE_MS)


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: str(screen.width))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_timeline_player_and_look_are_accessible_and_fit(
    new_visitor: Visit, console: Served, recorded: list[str], screen: Screen, scheme: str
) -> None:
    visitor = new_visitor(screen, scheme=scheme)
    console.enter(visitor, "/timeline")
    page = visitor.page
    page.locator("#choice").wait_for(timeout=_PATIENCE_MS)
    expect(page.locator(".shot img")).to_have_count(3, timeout=_PATIENCE_MS)
    assert axe.violations(page) == []
    assert visitor.fits()
    page.locator("[data-clip]").first.click()
    page.locator("#download").wait_for(timeout=_PATIENCE_MS)
    assert axe.violations(page) == []
    assert visitor.fits()
    if scheme == "light":
        pictures.take(visitor, "timeline-player")
    page.goto(console.url("/look"))
    assert axe.violations(page) == []
    assert visitor.fits()


def test_a_look_waits_for_pictures_and_ends_with_a_press(
    new_visitor: Visit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("looking")
    with Home.at(folder, cameras=1) as home, Served.of(home.folder) as console:
        visitor = new_visitor(PHONE)
        console.enter(visitor, "/look")
        page = visitor.page
        page.locator("#begin").click()
        expect(page.locator("#state")).to_have_text("Waiting for the first picture …")
        page.locator("#end").click(timeout=_PATIENCE_MS)
        expect(page.locator("#state")).to_have_text("No more pictures.", timeout=_PATIENCE_MS)


def test_a_look_through_a_camera_shows_pictures_and_ends_when_the_page_is_left(
    new_visitor: Visit, house: Household
) -> None:
    house.start("gateway")
    house.enrol()
    house.start("camera")
    folder, looks = OwnerFolder(house.root / "owner"), house.state / "camera" / "looks"
    with Served.of(folder) as console:
        visitor = new_visitor()
        console.enter(visitor, "/look")
        page = visitor.page
        page.locator("#begin").click()
        expect(page.locator("#picture")).to_be_visible(timeout=_PATIENCE_MS)
        expect(page.locator("#picture")).to_have_attribute("alt", "What front-door sees")
        size = "document.getElementById('picture').naturalWidth"
        until(lambda: page.evaluate(size) == 320)
        assert axe.violations(page) == []
        page.goto(console.url("/settings"))
        until(lambda: not list(looks.iterdir()))
