"""Letters follow the owners and the device's name in agent.yaml."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.statements import Mute, Status
from agent.errors import UnreadableLetter
from agent.mqtt import topics
from agent.vault.camera_state import StateFile
from tests.support.gateway_world import DEVICE, World
from tests.support.house import Person


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
    said = read_status(world, house.partner)
    assert not (said.owners or said.seals_to or said.open), "that they left, and nothing else"
    assert [one.name for one in read_status(world, house.owner).owners] == ["Olive"]


def read_status(world: World, reader: Person) -> Status:
    payload = world.broker.retained[topics.status(DEVICE, reader.id)]
    card = world.house.device_card()
    jws = mail.open_letter(payload, reader.identity).jws
    return signing.verify(jws, Status, {card.fingerprint: card.key})


def set_owners(world: World, *numbers: int) -> None:
    """Restart the gateway with these of the cards of both owners."""
    house = world.house
    cards = [house.config.state_dir.parent / f"{name}.card.yaml" for name in ("owner", "partner")]
    house.config = msgspec.structs.replace(
        house.config, owners=tuple(cards[number] for number in numbers)
    )
    world.clock.advance(60)
    world.restart()


def test_an_owner_who_was_exchanged_for_another_learns_it_and_so_does_the_new_one(
    tmp_path: Path,
) -> None:
    """One for one: their number tells nothing."""
    world = World(tmp_path, partner=True)
    set_owners(world, 0)
    sealed_to = (world.house.owner.recipient, world.house.recovery.recipient)
    world.house.record()  # the camera has run
    StateFile(world.house.config.state_dir, seals_to=sealed_to).say(at=1.0, state="armed")
    set_owners(world, 1)
    assert read_status(world, world.house.owner).owners == ()
    new = read_status(world, world.house.partner)
    assert [one.name for one in new.owners] == ["Otto"]
    assert new.seals_to == sealed_to, "until the camera is restarted"
    assert world.house.partner.recipient in new.should_seal_to
    assert world.house.owner.recipient not in new.should_seal_to


def test_an_owner_who_comes_back_is_told_how_the_device_is_again(tmp_path: Path) -> None:
    world = World(tmp_path, partner=True)
    set_owners(world, 0)
    assert read_status(world, world.house.partner).owners == ()
    set_owners(world, 0, 1)
    for _ in range(3):  # hourly, all that is retained is sent again
        assert len(read_status(world, world.house.partner).owners) == 2
        world.clock.advance(3_700)
        world.run()


def test_outcomes_of_before_an_owner_left_are_closed_to_them_and_stay_open_to_the_others(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, partner=True)
    house = world.house
    clips = [house.record(seconds_ago=600), house.record(seconds_ago=100)]
    post = world.post()
    world.to_device(house.approve(post, clips[:1]))
    world.receiver.faults = ["request-lost"] * 50
    world.to_device(house.approve(post, clips[1:]))
    world.to_device(house.command(Mute(requester="x" * 43, muted=True)))  # refused
    before = world.outcomes()
    assert sorted(one.event for one in before.values()) == ["REFUSED", "SEALED", "SENT"]
    world.clock.advance(600)
    set_owners(world, 0)
    after = world.outcomes()
    assert {one: (said.event, said.iat, said.files) for one, said in after.items()} == {
        one: (said.event, said.iat, said.files)
        for one, said in before.items()
        if said.event != "REFUSED"
    }
    assert all(len(said.files) == 1 for said in after.values())
    prefix = topics.release(DEVICE, "")
    for topic, payload in world.broker.retained.items():
        if topic.startswith(prefix):
            with pytest.raises(UnreadableLetter):
                mail.open_letter(payload, house.partner.identity)


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
