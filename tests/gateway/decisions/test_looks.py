"""Pictures of a look on their way through a gateway that can neither open nor make them."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.statements import Look, StopLooking
from agent.mqtt import topics
from agent.vault import stills, wishes
from agent.vault.stills import Still, StillFiles
from tests.gateway.decisions.test_camera_commands import Both
from tests.support.gateway_world import DEVICE
from tests.support.house import Person
from tests.support.pictures import jpeg


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    both = Both(tmp_path)
    yield both
    both.world.kill()


class Looking:
    """A look under way at a gateway, whose camera is the test."""

    def __init__(self, both: Both, seconds: int = 60) -> None:
        self.world, self.house = both.world, both.house
        self.command = self.house.command(Look(seconds=seconds))
        self.world.to_device(self.command)
        state = self.house.config.state_dir
        (jws,) = wishes.read(state).commands
        self.digest = signing.digest(jws)
        self.name = self.digest[:16]
        self.files = StillFiles(state)
        self.number = 0

    def give(self, data: bytes | None = None) -> bytes:
        """The camera's next picture, a second later."""
        still = Still(
            look=self.digest,
            number=self.number,
            at=self.world.clock.now(),
            picture=base64.b64encode(jpeg(self.number)).decode(),
        )
        self.number += 1
        data = stills.sealed(still, self.house.owner.recipient) if data is None else data
        self.files.write(self.name, data)
        self.world.clock.advance(1)
        self.world.run()
        return data

    def sent(self) -> list[bytes]:
        """The pictures that were published, whose numbers run from 0 without a gap."""
        prefix, said = topics.preview(DEVICE, self.name, ""), self.world.broker.published
        found = [(topic, payload) for topic, payload in said if topic.startswith(prefix)]
        assert [topic for topic, _ in found] == [f"{prefix}{n}" for n in range(len(found))]
        return [payload for _, payload in found]


def test_each_new_picture_is_published_once_and_none_is_retained(both: Both) -> None:
    looking = Looking(both)
    given = [looking.give() for _ in range(3)]
    assert looking.sent() == given
    looking.world.clock.advance(5)
    looking.world.run()
    assert looking.sent() == given
    assert not any("/preview/" in topic for topic in looking.world.broker.retained)


def test_owner_and_ledger_are_told_of_a_look_and_of_its_end(both: Both) -> None:
    both.world.to_device(both.house.command(Look(seconds=60)))
    both.look()
    (told,) = both.told()
    assert (told.event, told.detail) == ("DONE", "pictures are on their way")
    both.world.to_device(both.house.command(StopLooking(look=told.subject)))
    both.look()
    assert both.ledger() == [
        ("camera.told", "show what it sees, for 60 seconds"),
        ("camera.obeyed", "show what it sees, for 60 seconds"),
        ("camera.told", "show no more of what it sees"),
        ("camera.obeyed", "show no more of what it sees"),
    ]


def test_pictures_end_with_the_owners_command_at_once(both: Both) -> None:
    looking = Looking(both)
    looking.give()
    looking.world.to_device(looking.house.command(StopLooking(look=looking.name)))
    looking.give()
    assert len(looking.sent()) == 1


def test_pictures_end_with_their_time_whatever_the_camera_writes(both: Both) -> None:
    looking = Looking(both, seconds=10)
    for _ in range(60):
        looking.give()
    assert 10 <= len(looking.sent()) <= 41  # ten seconds, and half a minute for a slow camera


def test_a_camera_that_nobody_asked_sends_no_byte(both: Both) -> None:
    looking = Looking(both)
    StillFiles(both.house.config.state_dir).write("f" * 16, looking.give())
    both.world.run()
    assert len(looking.sent()) == 1
    assert not any("f" * 16 in topic for topic, _ in both.world.broker.published)


def test_a_strangers_look_is_followed_by_nobody(both: Both) -> None:
    both.world.to_device(both.house.command(Look(seconds=60), by=Person()))
    state = both.house.config.state_dir
    assert both.world.events("camera.") == []
    StillFiles(state).write("a" * 16, b"x")
    both.world.run()
    assert not any("/preview/" in topic for topic, _ in both.world.broker.published)


@pytest.mark.parametrize("trick", ["not sealed", "too large", "link", "pipe", "folder"])
def test_a_camera_that_was_taken_over_puts_nothing_else_on_its_way(both: Both, trick: str) -> None:
    looking = Looking(both)
    path = both.house.config.state_dir / "camera" / "looks" / f"{looking.name}.age"
    secret = both.house.config.state_dir / "gateway" / "keys"
    match trick:
        case "not sealed":
            looking.give(b"plain text of a camera")
        case "too large":
            looking.give(b"age-encryption.org/v1\n" + bytes(10**6))
        case _:
            looking.give(b"")
            path.unlink()
            if trick == "link":
                path.symlink_to(next(secret.iterdir()))
            elif trick == "pipe":
                os.mkfifo(path)
            else:
                path.mkdir()
            both.world.clock.advance(1)
            both.world.run()
    assert looking.sent() == []
    if path.is_dir():
        path.rmdir()
    good = looking.give()
    assert looking.sent() == [good], "the next picture comes through"


def test_one_picture_is_under_way_at_a_time(both: Both) -> None:
    looking = Looking(both)
    gateway = both.world.gateway
    assert gateway is not None
    confirmed = gateway.looks.published
    gateway.looks.published = lambda token: None  # type: ignore[method-assign]
    first = looking.give()
    looking.give()
    assert looking.sent() == [first]
    gateway.looks.published = confirmed  # type: ignore[method-assign]
    gateway.looks.disconnected()
    newest = looking.give()
    assert looking.sent() == [first, newest]
