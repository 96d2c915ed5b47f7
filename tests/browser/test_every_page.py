"""Every page: for all readers, on a phone and on a laptop, in both themes and both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import axe, pictures
from tests.browser.chromium import PHONE, SCREENS, Screen
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.browser.crawl import every_page, title_of
from tests.browser.footage import walker
from tests.browser.home import FRONT, GARDEN, Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home.at(tmp_path_factory.mktemp("home")) as home:
        for number, camera in enumerate((FRONT, GARDEN, FRONT)):
            home.record(walker(number), minutes_ago=15 - 4 * number, camera=camera)
        home.ask()
        yield home


@pytest.fixture
def console(home: Home) -> Iterator[Served]:
    with Served.of(home.folder) as console:
        yield console


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: str(screen.width))
def test_every_page_is_accessible_and_fits_the_screen(
    console: Served, new_visitor: Visit, screen: Screen
) -> None:
    visitor, faults = new_visitor(screen), []
    console.enter(visitor)
    for path in every_page(visitor, console):
        pictures.take(visitor, title_of(path))
        faults += [f"{path}: {one}" for one in axe.violations(visitor.page)]
        if not visitor.fits():
            faults.append(f"{path}: is wider than {screen.width} px")
    assert not faults, "\n".join(faults)


def test_every_page_is_in_spanish_for_a_reader_of_spanish(
    console: Served, new_visitor: Visit
) -> None:
    reader = new_visitor(PHONE, locale="es")
    console.enter(reader)
    for path in every_page(reader, console):
        assert reader.page.locator("html").get_attribute("lang") == "es", path
        assert "Bandeja" in reader.page.locator("header").inner_text(), path
        assert reader.fits(), path


def test_every_page_of_a_new_household_and_of_one_whose_broker_is_away(
    tmp_path: Path, new_visitor: Visit
) -> None:
    phone, faults = new_visitor(PHONE, scheme="dark"), []
    with Home.at(tmp_path, cameras=1) as home, Served.of(home.folder) as console:
        console.enter(phone)
        for path in every_page(phone, console):
            faults += [f"{path}: {one}" for one in axe.violations(phone.page)]
        home.broker.stop()
        for path in every_page(phone, console):
            if not phone.fits():
                faults.append(f"{path}: is wider than {PHONE.width} px")
        phone.page.goto(console.url("/"))
        expect(phone.page.locator("main")).to_contain_text("could not be fetched")
        phone.page.goto("about:blank")
    assert not faults, "\n".join(faults)
    phone.forgive()
