"""A further camera is paired from the page of cameras, over a real broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from agent import config
from agent.cli.setup.device_pairing import pair
from agent.cli.setup.host import PairedDevice
from agent.cli.setup.steps import Steps
from agent.config import Broker
from agent.consent.cards import OwnerCard, format_card, format_fingerprint, parse_card
from agent.mqtt.link import Settings as Login
from agent.owner.home import keys as owner_keys
from agent.owner.home.folder import OwnerFolder, Settings
from agent.pairing.code import PairingCode
from tests.browser import axe
from tests.browser.chromium import SCREENS, Screen, Visitor
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.e2e.household import PASSPHRASE
from tests.owner.camera import NOW, FakeCamera
from tests.peers.mosquitto import Mosquitto
from tests.support.pairing import device_card

CODES = [PairingCode.parse(code) for code in ("417-062-913", "530-118-274")]
GARDEN = device_card("garden")


@pytest.fixture
def folder(tmp_path: Path, mosquitto: Mosquitto) -> OwnerFolder:
    """The folder of an owner with one camera, which says nothing."""
    owner = owner_keys.make("Ann Example", PASSPHRASE, now=NOW)
    settings = Settings(mqtt=Broker(host=mosquitto.host, port=mosquitto.port))
    folder = OwnerFolder.create(tmp_path / "owner", owner, settings)
    folder.take_over(FakeCamera("front-door", owner.card).card, "the card")
    return folder


@pytest.fixture
def served(folder: OwnerFolder) -> Iterator[Served]:
    with Served.of(folder, collect_seconds=3_600.0) as console:
        yield console


@pytest.fixture
def garden(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Path]:
    """The settings of a camera that shows two codes, one after the other."""
    path = tmp_path / "garden" / "agent.yaml"
    (path.parent / "owners").mkdir(parents=True)
    path.write_text(
        "device: {name: garden, place: {latitude: 42.1, longitude: -72.5}}\nowners: [owners]\n"
    )
    settings, left = config.load(path, is_paired=False), list(CODES)
    device = PairedDevice(path, settings, GARDEN, None, Steps(dry_run=False), address="")
    login = Login(client_id="", host=mosquitto.host, port=mosquitto.port)
    shown = threading.Thread(
        target=pair, args=(device, login), kwargs={"new_code": lambda: left.pop(0)}, daemon=True
    )
    shown.start()
    yield path
    shown.join(60)
    assert not shown.is_alive(), "the camera still shows a code"


def type_code(visitor: Visitor, code: str) -> None:
    visitor.page.get_by_text("Add a camera, or rename one").click()
    visitor.page.get_by_label("Pairing code").fill(code)
    visitor.page.get_by_role("button", name="Pair", exact=True).click()


@pytest.mark.parametrize("screen", SCREENS, ids=("wide", "phone"))
def test_a_camera_is_paired_by_the_code_that_it_shows_and_not_by_another(
    served: Served, folder: OwnerFolder, garden: Path, new_visitor: Visit, screen: Screen
) -> None:
    visitor = new_visitor(screen)
    page = visitor.page
    served.enter(visitor, "/devices")
    type_code(visitor, "417 062 914")
    expect(page.get_by_text("Type the new code that it shows now")).to_be_visible(timeout=60_000)
    visitor.forgive()  # the page of the refusal is a 409
    assert list(folder.devices()) == ["front-door"]

    page.goto(served.url("/devices"))
    type_code(visitor, "530 118 274")
    expect(page.get_by_text("Paired with garden")).to_be_visible(timeout=60_000)
    expect(page.locator("main")).to_contain_text(format_fingerprint(GARDEN.fingerprint))
    page.get_by_text("Add a camera, or rename one").click()
    assert axe.violations(page) == []
    assert visitor.fits()
    assert folder.devices()["garden"] == GARDEN
    (card,) = config.load(garden).owners
    assert parse_card(card.read_text(), OwnerCard, "card") == folder.card()
    assert format_card(GARDEN) in (folder.path / "devices/garden.card.yaml").read_text()
