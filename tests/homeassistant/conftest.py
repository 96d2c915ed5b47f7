"""Fixtures: the root, a household with Home Assistant, and its owner's phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.household import Household
from tests.homeassistant.instance import HomeAssistant, Phone
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import ROOT, missing

_ROOT = ROOT / ".cache/ha-root"
PASSWORDS = {"front-door": "of the device", "homeassistant": "of the house"}
# The switch's topic is commented out in the file, for owners who want none.
ACL = (ROOT / "config/mosquitto/clip-agent.acl").read_text().replace("# topic write", "topic write")
# All that are shipped; what they wait for lasts a second here.
AUTOMATIONS = "".join(
    re.sub(r"for: .*", 'for: "00:00:01"', (ROOT / "config/homeassistant" / name).read_text())
    for name in ("automations.yaml", "arm-when-away.yaml")
)


class NoReceiver:
    """The address of a receiver that no test here needs."""

    host, url = "127.0.0.1:1", "http://127.0.0.1:1/files/"


class Home:
    """Camera and gateway, a broker with the shipped access list, Home Assistant, and a phone."""

    def __init__(self, folder: Path, broker: Mosquitto, feed: Mosquitto, root: Path) -> None:
        self.broker, self.phone = broker, Phone()
        (folder / "house").mkdir()
        self.house = Household(folder / "house", broker, NoReceiver(), feed=feed)
        (folder / "house/password").write_text(PASSWORDS["front-door"])
        self.configure(url="https://console.example/inbox")
        self.assistant = HomeAssistant(folder, root)

    def configure(self, **section: object) -> None:
        """Write the section ``homeassistant:``, or none."""
        settings = yaml.safe_load(self.house.config.read_text())
        settings["mqtt"] |= {"username": "front-door", "password_file": "password"}
        settings["homeassistant"] = section or None
        self.house.config.write_text(yaml.safe_dump(settings))

    def restart(self, *names: str) -> None:
        for name in names:
            self.house.stop(name)
            self.house.start(name)

    def end(self) -> None:
        self.house.kill_all()
        self.assistant.stop()
        self.phone.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """All of it, at work; Home Assistant came after the gateway."""
    if not (_ROOT / "packages.stamp").exists():
        missing("the root for tests/homeassistant is not built", "run make test-ha as root")
    with (
        Mosquitto(tmp_path / "broker", users=PASSWORDS, acl=ACL) as broker,
        Mosquitto(tmp_path / "feed") as feed,
    ):
        home = Home(tmp_path, broker, feed, _ROOT.resolve())
        try:
            home.house.start("gateway")
            home.house.start("camera")
            home.assistant.start()
            home.assistant.onboard()
            user = "homeassistant"
            home.assistant.connect(broker.port, user=user, password=PASSWORDS[user])
            home.assistant.pair(home.phone)
            home.assistant.automate(AUTOMATIONS)
            yield home
        finally:
            home.end()
