"""Coming in, unlocking and locking, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import axe
from tests.browser.chromium import PHONE, Visitor
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.browser.home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home.at(tmp_path_factory.mktemp("home"), cameras=1) as home:
        yield home


@pytest.fixture
def console(home: Home) -> Iterator[Served]:
    with Served.of(home.folder) as console:
        yield console


def test_an_owner_comes_in_by_a_link_and_a_passphrase(console: Served, visitor: Visitor) -> None:
    console.enter(visitor)
    assert visitor.page.title() == "Inbox · clip-agent"


def test_a_browser_that_was_not_admitted_is_told_how(console: Served, visitor: Visitor) -> None:
    visitor.page.goto(console.url("/"))
    assert "clip-agent owner console --link" in visitor.page.inner_text("body")
    visitor.forgive()


def test_a_wrong_passphrase_is_said_and_the_right_one_leads_on(
    console: Served, visitor: Visitor
) -> None:
    console.admit(visitor)
    console.unlock(visitor, "wrong horse battery")
    said = visitor.page.get_by_role("alert").inner_text()
    assert said == "That is not your passphrase, or the file with your keys is damaged."
    visitor.forgive()
    console.unlock(visitor)
    visitor.page.wait_for_url(console.url("/"))


def test_nothing_is_left_on_the_screen_after_the_lock_also_behind_the_back_button(
    console: Served, visitor: Visitor
) -> None:
    console.enter(visitor)
    visitor.page.goto(console.url("/?now=1"))
    visitor.page.get_by_role("button", name="Lock").click()
    visitor.page.wait_for_url("**/unlock")
    visitor.page.go_back()
    visitor.page.locator("input[type=password]").wait_for()


@pytest.mark.parametrize("path", ["/enter?token=x", "/unlock", "/nowhere"])
def test_the_way_in_is_accessible_and_fits_a_phone(
    console: Served, new_visitor: Visit, path: str
) -> None:
    phone = new_visitor(PHONE)
    console.admit(phone)
    phone.page.goto(console.url(path))
    assert axe.violations(phone.page) == []
    assert phone.fits()


def test_a_phone_may_install_the_console(console: Served, new_visitor: Visit) -> None:
    phone = new_visitor(PHONE)
    console.enter(phone)
    devtools = phone.context.new_cdp_session(phone.page)
    manifest = devtools.send("Page.getAppManifest")
    assert (manifest["url"], manifest["errors"]) == (
        console.url("/static/manifest.webmanifest"), []
    )  # fmt: skip
    problems = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {one["errorId"] for one in problems} <= {"in-incognito"}, "as all test profiles are"
    assert not phone.page.evaluate("navigator.serviceWorker.getRegistrations()"), "none keeps pages"


def test_each_reader_has_their_language_and_may_choose_another(
    console: Served, new_visitor: Visit
) -> None:
    reader = new_visitor(locale="es-MX")
    console.admit(reader)
    assert reader.page.locator("html").get_attribute("lang") == "es"
    reader.page.get_by_role("button", name="English").click()
    reader.page.get_by_role("heading", name="Unlock").wait_for()
    console.unlock(reader)
    reader.page.get_by_role("heading", name="Inbox").wait_for()
