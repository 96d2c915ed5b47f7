"""Home Assistant as a device sees it, beside a gateway of :mod:`tests.support.gateway_world`.

>>> home = Home(World(tmp_path, homeassistant=config.HomeAssistant()))
>>> home.state()["requests"]
>>> home.events()
"""

from __future__ import annotations

import json
from typing import Any

from agent import files
from agent.mqtt import topics
from agent.vault.camera_state import StateFile
from agent.vault.locks import camera_at_work
from tests.support.gateway_world import DEVICE, World
from tests.support.peers import FakeLink

LONG_SECONDS = 130  # after a connection, until events are told


class Home:
    """Reads what a gateway tells; :meth:`say` and :meth:`flip` answer as Home Assistant does."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def link(self) -> FakeLink:
        """The gateway's connection."""
        assert self.world.gateway is not None
        assert isinstance(self.world.gateway.owner_link, FakeLink)
        return self.world.gateway.owner_link

    def wait(self, seconds: float = LONG_SECONDS) -> None:
        """Let ``seconds`` pass."""
        self.world.clock.advance(seconds)
        self.world.run()

    def message(self, prefix: str = "homeassistant", device: str = DEVICE) -> dict[str, Any]:
        """The discovery message."""
        plain = json.loads(self.world.broker.retained[topics.discovery(prefix, device)])
        assert isinstance(plain, dict)
        return plain

    def state(self) -> dict[str, Any]:
        """The last state."""
        plain = json.loads(self.world.broker.retained[topics.homeassistant(DEVICE, "state")])
        assert isinstance(plain, dict)
        return plain

    def told(self) -> list[dict[str, Any]]:
        """All events that were sent, the first one first."""
        return [
            json.loads(payload)
            for topic, payload in self.world.broker.published
            if topic == topics.homeassistant(DEVICE, "request")
        ]

    def events(self) -> list[str]:
        """Their types."""
        return [one["event_type"] for one in self.told()]

    def say(self, word: str) -> None:
        """``online`` or ``offline``."""
        self.world.broker.send("homeassistant/status", word.encode())
        self.world.run()

    def flip(self, word: str, *, retained: bool = False) -> None:
        """Use the switch."""
        topic = topics.homeassistant(DEVICE, "arm")
        self.world.broker.send(topic, word.encode(), retained=retained)
        self.world.run()

    def camera(self, **said: Any) -> None:
        """Let the camera process run and say this."""
        folder = self.world.house.config.state_dir
        files.make_directory(folder / "camera")
        with camera_at_work(folder, clock=self.world.clock):
            StateFile(folder, seals_to=()).say(at=self.world.clock.now(), **said)
            self.wait(6)
