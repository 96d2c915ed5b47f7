"""Letters follow the owners and the device's name in agent.yaml."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent.consent import letters as mail
from agent.errors import UnreadableLetter
from agent.mqtt import topics
from tests.support.gateway_world import DEVICE, World


def test_a_removed_owner_no_longer_opens_the_letters_that_lie_at_the_broker(tmp_path: Path) -> None:
    world = World(tmp_path, partner=True)
    house = world.house
    house.record()
    world.post()
    (letter,) = world.inbox.values()
    assert mail.open_letter(letter, house.partner.identity)
    house.config = msgspec.structs.replace(house.config, owners=house.config.owners[:1])
    world.restart()
    (letter,) = world.inbox.values()
    assert mail.open_letter(letter, house.owner.identity)
    with pytest.raises(UnreadableLetter):
        mail.open_letter(letter, house.partner.identity)
    assert topics.status(DEVICE, house.partner.id) not in world.broker.retained


def test_open_requests_go_on_under_the_new_name_of_a_camera(world: World) -> None:
    house = world.house
    house.record()
    world.post()
    assert len(world.inbox) == 1
    device = msgspec.structs.replace(house.config.device, name="back-door")
    house.config = msgspec.structs.replace(house.config, device=device)
    world.restart()
    assert len(world.inbox) == 1, "under the new name"
    old = [topic for topic in world.broker.retained if topic.startswith(f"clip-agent/{DEVICE}/")]
    assert old == []


def test_a_start_with_the_same_readers_writes_no_letter(world: World) -> None:
    world.house.record()
    world.post()
    before = dict(world.inbox)
    world.restart()
    assert world.inbox == before
