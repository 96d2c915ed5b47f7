"""A household whose owner decides in a browser: broker, cameras, gateways, an agency, all real.

>>> with Home.at(tmp_path) as home:
...     home.record(walker(), minutes_ago=5)
...     digest = home.house.post()
...     home.hand_out_receipts()        # what the agency's receiver got is opened and answered

Clips are written as a camera writes them, so that no test waits for somebody to walk by; with
``home.house.start("camera")`` a camera runs too. Two cameras: ``front-door`` and ``garden``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from agent import config
from agent.clock import SystemClock
from agent.owner.home.folder import OwnerFolder
from agent.parties import load_owners, recipients
from agent.requester.cases import records
from agent.requester.cases.intake import Intake
from agent.requester.folder import RequesterFolder
from agent.requester.receiver.server import Receiver
from agent.vault.camera_state import StateFile
from agent.vault.locks import camera_at_work
from tests.browser.footage import Film
from tests.e2e.household import PASSPHRASE, Household
from tests.peers.mosquitto import Mosquitto
from tests.support import house as paper

PARTNER = "partner"  # the second owner's folder
FRONT, GARDEN = "front-door", "garden"


@dataclass
class Agency:
    """The receiver of an agency as the household knows it, and its intake."""

    folder: Path
    receiver: Receiver

    @property
    def host(self) -> str:
        return self.receiver.address

    @property
    def url(self) -> str:
        return self.receiver.url


@dataclass
class Home:
    """The household; ``house`` is its first camera with all commands, ``cameras`` are both."""

    house: Household
    agency: Agency
    broker: Mosquitto
    cameras: dict[str, Household]

    @classmethod
    @contextmanager
    def at(cls, root: Path, *, cameras: int = 2, owners: int = 1) -> Iterator[Home]:
        """All running but the cameras' recording; it ends with the block."""
        received = root / "received"
        received.mkdir(parents=True)
        receipts = partial(records.receipt_of, received)
        with ExitStack() as stack:
            broker = stack.enter_context(Mosquitto(root / "mosquitto"))
            receiver = Receiver(received, receipt_of=receipts)
            receiver.start()
            stack.callback(receiver.stop)
            agency = Agency(received, receiver)
            house = Household(root / "house", broker, agency)
            if owners > 1:
                _add_owner(house, broker)
            both = {FRONT: house}
            if cameras > 1:
                both[GARDEN] = house.another(GARDEN)
            home = cls(house, agency, broker, both)
            for one in both.values():
                stack.callback(one.kill_all)
                stack.enter_context(_camera_that_says_armed(one))
                one.start("gateway")
            for one in both.values():
                home._enrol(one, owners)
            yield home

    def _enrol(self, camera: Household, owners: int) -> None:
        card = camera.state / "wishes" / "device.card.yaml"
        camera.enrol()
        if owners > 1:
            home = self.house.root / PARTNER
            self.house.run("owner", "card", "--add", card, "--home", home)

    @property
    def folder(self) -> OwnerFolder:
        """The owner's folder, which the console opens."""
        return OwnerFolder(self.house.root / "owner")

    @property
    def partner(self) -> OwnerFolder:
        """The second owner's folder."""
        return OwnerFolder(self.house.root / PARTNER)

    def record(self, film: Film, *, minutes_ago: float, camera: str = FRONT) -> str:
        """A finished clip of the ``camera`` with its thumbnail; its id."""
        settings, clock = config.load(self.cameras[camera].config), SystemClock(synced_marker=None)
        readers = recipients(load_owners(settings.owners))
        clip = paper.record(
            settings.state_dir,
            readers,
            clock,
            seconds_ago=60 * minutes_ago,
            video=film.mp4,
            seconds=film.seconds,
            thumbnail=film.thumbnail,
        )
        return clip.id

    def ask(self, **changes: Any) -> str:
        """An agency asks in public, and each camera has looked for clips; the digest."""
        matched = {camera: self._heard(camera) for camera in self.cameras}
        digest = self.house.post(**changes)
        for name, camera in self.cameras.items():
            camera.wait("a match", partial(lambda name: self._heard(name) > matched[name], name))
        return digest

    def wait_for(self, camera: str, event: str) -> None:
        """Wait until the ledger of the ``camera`` holds such a line."""
        house = self.cameras[camera]
        house.wait(event, lambda: event in house.ledger())

    def _heard(self, camera: str) -> int:
        events = self.cameras[camera].ledger()
        return sum(event.startswith("request.") for event in events)

    def hand_out_receipts(self) -> int:
        """Let the agency open, verify and answer the bundles it received; their number."""
        home = RequesterFolder(self.house.root / "requester")
        intake = Intake(
            self.agency.folder,
            home=home,
            keys=home.unlock(PASSPHRASE),
            clock=SystemClock(synced_marker=None),
        )
        return len([intake.take(path) for path in self.agency.receiver.finished()])


@contextmanager
def _camera_that_says_armed(house: Household) -> Iterator[None]:
    """A camera that records nothing by itself, and says that all is well."""
    clock = SystemClock(synced_marker=None)
    (house.state / "camera").mkdir(parents=True)
    readers = recipients(load_owners(config.load(house.config).owners))
    with camera_at_work(house.state, clock=clock):
        StateFile(house.state, seals_to=tuple(readers)).say(at=clock.now(), state="armed")
        yield


def _add_owner(house: Household, broker: Mosquitto) -> None:
    """A second owner, before the gateways start; both must approve."""
    partner, address = house.root / PARTNER, f"{broker.host}:{broker.port}"
    house.run("owner", "init", "--name", "Otto", "--broker", address, "--home", partner)
    settings = yaml.safe_load(house.config.read_text())
    settings |= {"owners": [*settings["owners"], f"{PARTNER}/owner.card.yaml"]}
    settings["approvals_needed"] = 2
    house.config.write_text(yaml.safe_dump(settings))


def requests_in(inbox: str) -> list[str]:
    """The digests in what ``owner inbox --json`` prints."""
    return [one["digest"] for one in json.loads(inbox)["requests"]]
