"""Passkeys in Chromium with its virtual authenticator: enrol, unlock, sign, remove, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from agent.config import Broker
from agent.consent.cards import format_card
from agent.owner.home import keys as owner_keys
from agent.owner.home.folder import OwnerFolder, Settings
from tests.browser import axe
from tests.browser.authenticator import Authenticator
from tests.browser.chromium import SCREENS, Screen, Visitor
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.browser.footage import walker
from tests.browser.home import Home
from tests.e2e.household import PASSPHRASE
from tests.owner.camera import NOW, FakeCamera
from tests.peers.mosquitto import Mosquitto

SETTINGS = "/settings/passkeys"


@pytest.fixture
def served(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Served]:
    """The console of an owner whose camera says nothing."""
    owner = owner_keys.make("Ann Example", PASSPHRASE, now=NOW)
    settings = Settings(mqtt=Broker(host=mosquitto.host, port=mosquitto.port))
    folder = OwnerFolder.create(tmp_path / "owner", owner, settings)
    card = tmp_path / "device.card.yaml"
    card.write_text(format_card(FakeCamera("front-door", owner.card).card))
    folder.enrol(card)
    with Served.of(folder, collect_seconds=3_600.0) as console:
        yield console


def enrol(visitor: Visitor, name: str = "Ann's phone", passphrase: str = PASSPHRASE) -> None:
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_label("Passphrase").fill(passphrase)
    visitor.page.get_by_role("button", name="Enrol a passkey").click()


def enrolled(visitor: Visitor) -> None:
    """Enrol, and wait until the passkey is in the list."""
    enrol(visitor)
    expect(visitor.page.get_by_role("heading", name="Ann's phone")).to_be_visible()


def unlock_button(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Unlock with a passkey").click()


@pytest.mark.parametrize("screen", SCREENS, ids=("wide", "phone"))
def test_a_passkey_is_enrolled_unlocks_and_is_removed(
    served: Served, new_visitor: Visit, screen: Screen
) -> None:
    visitor = new_visitor(screen)
    page, finger = visitor.page, Authenticator.plugged_in(visitor)
    served.enter(visitor, SETTINGS)
    expect(page.get_by_text("No passkey is enrolled.")).to_be_visible()
    assert axe.violations(page) == []
    enrolled(visitor)
    assert visitor.fits()
    assert axe.violations(page) == []
    assert len(finger.credentials()) == 1

    page.get_by_role("button", name="Lock", exact=True).click()
    unlock_button(visitor)
    page.wait_for_url(served.url("/"))
    assert finger.credentials()[0]["signCount"] >= 2

    page.goto(served.url(SETTINGS))
    page.get_by_role("button", name="Remove Ann's phone").click()
    expect(page.get_by_role("status")).to_contain_text("The passkey was removed")
    page.get_by_role("button", name="Lock", exact=True).click()
    expect(page.get_by_role("button", name="Unlock", exact=True)).to_be_visible()
    assert page.get_by_role("button", name="Unlock with a passkey").count() == 0


def test_a_wrong_finger_unlocks_nothing_and_the_passphrase_still_does(
    served: Served, visitor: Visitor
) -> None:
    page, finger = visitor.page, Authenticator.plugged_in(visitor)
    served.enter(visitor, SETTINGS)
    enrolled(visitor)
    page.get_by_role("button", name="Lock", exact=True).click()
    assert axe.violations(page) == []
    finger.verifies(False)
    unlock_button(visitor)
    expect(page.get_by_role("alert")).to_contain_text("The passkey was not used")
    assert page.url.endswith("/unlock")
    served.unlock(visitor)
    page.wait_for_url(served.url("/"))


def test_an_authenticator_without_prf_enrols_nothing_and_says_why(
    served: Served, visitor: Visitor
) -> None:
    Authenticator.plugged_in(visitor, prf=False)
    served.enter(visitor, SETTINGS)
    enrol(visitor)
    expect(visitor.page.get_by_role("alert")).to_contain_text("PRF")
    assert not served.parts.passkeys.enrolled().passkeys
    visitor.forgive()


def test_a_wrong_passphrase_enrols_nothing(served: Served, visitor: Visitor) -> None:
    finger = Authenticator.plugged_in(visitor)
    served.enter(visitor, SETTINGS)
    enrol(visitor, passphrase="a wrong one")
    expect(visitor.page.get_by_role("alert")).to_contain_text("not your passphrase")
    assert not finger.credentials()
    visitor.forgive()


def test_one_device_is_enrolled_once(served: Served, visitor: Visitor) -> None:
    Authenticator.plugged_in(visitor)
    served.enter(visitor, SETTINGS)
    enrolled(visitor)
    enrol(visitor, "the same phone")
    expect(visitor.page.get_by_role("alert")).to_contain_text("already")
    assert len(served.parts.passkeys.enrolled().passkeys) == 1


@pytest.mark.parametrize("screen", SCREENS, ids=("wide", "phone"))
def test_a_forgotten_passphrase_is_replaced_by_a_passkey(
    served: Served, new_visitor: Visit, screen: Screen
) -> None:
    visitor = new_visitor(screen)
    page = visitor.page
    Authenticator.plugged_in(visitor)
    served.enter(visitor, SETTINGS)
    enrolled(visitor)
    page.goto(served.url("/settings"))
    page.get_by_role("link", name="New passphrase").click()
    by_passkey = page.get_by_role("button", name="Change the passphrase with a passkey")
    by_passkey.click()
    assert page.evaluate("document.activeElement.id") == "new", "what is missing is asked for"
    page.get_by_label("New passphrase, at least").fill("another passphrase")
    page.get_by_label("The new passphrase again").fill("another passphrase")
    assert visitor.fits()
    assert axe.violations(page) == []
    by_passkey.click()
    expect(page.get_by_role("status")).to_contain_text("The new passphrase opens your keys")
    page.get_by_role("button", name="Lock", exact=True).click()
    served.unlock(visitor, "another passphrase")
    page.wait_for_url(served.url("/"))


@pytest.mark.parametrize("screen", SCREENS, ids=("wide", "phone"))
def test_a_finger_signs_the_last_page_and_the_clip_leaves(
    tmp_path: Path, new_visitor: Visit, screen: Screen
) -> None:
    visitor = new_visitor(screen)
    page, finger = visitor.page, Authenticator.plugged_in(visitor)
    with Home.at(tmp_path, cameras=1) as home, Served.of(home.folder) as console:
        home.record(walker(), minutes_ago=5)
        home.ask()
        console.enter(visitor, SETTINGS)
        enrolled(visitor)
        page.goto(console.url("/?now=1"))
        page.get_by_role("link", name="Bicycle theft on Elm Street").click()
        page.get_by_role("button", name="Decide on the chosen clips").click()
        page.get_by_role("button", name="To the last page").click()
        page.get_by_role("heading", name="Let this leave?").wait_for()
        used = finger.credentials()[0]["signCount"]
        page.get_by_role("button", name="Sign, and send with a passkey").click()
        expect(page.locator(".state")).to_contain_text("sent", timeout=120_000)
        assert finger.credentials()[0]["signCount"] > used
        assert len(home.agency.receiver.finished()) == 1
