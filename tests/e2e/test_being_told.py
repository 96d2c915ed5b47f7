"""From a camera and a post on the feed to the words that an owner reads, without a passphrase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.mqtt import topics
from agent.owner.watch.household import Household
from agent.owner.watch.memory import Memory
from agent.vault import camera_state
from agent.vault.camera_state import StateFile
from agent.vault.locks import camera_at_work
from tests.support.gateway_world import DEVICE, World

PATIENCE = 300.0


class Home:
    """The real gateway, and a real watcher that reads what lies at the broker."""

    def __init__(self, world: World, memory: Path) -> None:
        house = world.house
        self.world = world
        self.watcher = Household(
            devices={DEVICE: house.device_card()},
            identity=house.watchers[house.owner.id].identity,
            memory=Memory(memory),
            patience_seconds=PATIENCE,
        )
        self.watcher.connected()

    def says(self, state: str, detail: str = "") -> None:
        house = self.world.house
        StateFile(house.config.state_dir, seals_to=tuple(house.recipients)).say(
            at=house.clock.now(), state=state, detail=detail
        )

    def told(self, minutes: int = 0) -> list[str]:
        """All that is told in the next ``minutes`` and the moment after."""
        said = []
        for _ in range(6 * minutes + 1):
            self.world.clock.advance(10)
            self.world.run()
            now = self.world.clock.now(), self.world.clock.monotonic()
            for topic, payload in self.world.broker.retained.items():
                if (place := topics.parse(topic, feed="")) is not None:
                    self.watcher.take(place, payload, now[0])
            self.watcher.look(*now)
            for message in list(self.watcher.untold("ntfy", *now)):
                self.watcher.remember("ntfy", message)
                said.append(str(message))
        return said


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    world = World(tmp_path / "house")
    camera_state.path_of(world.house.config.state_dir).parent.mkdir(exist_ok=True)
    with camera_at_work(world.house.config.state_dir, clock=world.clock):
        made = Home(world, tmp_path / "watch.json")
        made.says("armed")
        yield made
        world.kill()


def test_a_request_and_its_end_and_a_blind_camera_are_told_once(home: Home) -> None:
    world, house = home.world, home.world.house
    assert home.told(minutes=10) == []
    house.record()
    world.post()
    (waits,) = home.told()
    assert waits.startswith("front-door: A request waits, until ")
    assert waits.endswith(" (1 clip matches)")
    assert house.request().title not in waits
    assert home.told(minutes=10) == []
    world.restart()
    assert home.told(minutes=10) == []
    home.says("no-frames", "rtsp://192.0.2.10/main does not answer")
    (blind,) = home.told(minutes=10)
    assert blind.startswith("front-door: The camera is blind")
    home.says("armed")
    assert home.told(minutes=10) == ["front-door: The camera sends pictures again"]
    world.clock.advance(2 * 86_400 * 0.9)
    assert [one.split(": ")[1] for one in home.told()] == ["Little time is left"]
    world.clock.advance(86_400)
    assert home.told(minutes=10) == [], "it has expired"


def test_a_gateway_that_died_is_told_by_its_last_will(home: Home) -> None:
    assert home.told(minutes=10) == []
    home.world.broker.retained[topics.availability(DEVICE)] = topics.OFFLINE
    home.world.kill()
    home.world.run = lambda: None  # type: ignore[method-assign]  # nobody starts it again
    (silent,) = home.told(minutes=10)
    assert silent.startswith("front-door: Silent: nothing is heard from it, since ")
    del home.world.run
    home.world.restart()
    assert home.told(minutes=10) == ["front-door: It is heard again"]
