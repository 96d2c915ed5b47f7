"""From the approval to the receipt: gateway, upload, intake by case, and the owner's ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agent import config, files
from agent.config import Broker
from agent.consent import signing
from agent.consent.statements import Receipt
from agent.keyfile import Keys
from agent.requester.cases import records
from agent.requester.cases.intake import Intake
from agent.requester.folder import RequesterFolder, Settings
from agent.requester.receiver.server import Receiver
from tests.support import statements
from tests.support.gateway_world import World, state_of
from tests.support.tus import new_client


class Agency:
    """The requester of a world: a home with what it posted, a receiver, and an intake."""

    def __init__(self, root: Path, world: World) -> None:
        self.folder = root / "received"
        person = world.house.requester
        keys = Keys(person.signing, person.identity)
        settings = Settings(name="Springfield PD", broker=Broker(host="b.example"))
        self.home = RequesterFolder.create(root / "home", b"locked", settings)
        self.folder.mkdir()
        self.intake = Intake(self.folder, home=self.home, keys=keys, clock=world.clock)
        self.receiver = Receiver(
            self.folder, receipt_of=partial(records.receipt_of, self.folder), clock=world.clock
        )

    def take_all(self) -> list[records.Record]:
        return [self.intake.take(path) for path in self.receiver.finished()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "world", upload=config.Upload(allow_loopback_http=True))
    yield world
    world.kill()


@pytest.fixture
def agency(tmp_path: Path, world: World) -> Iterator[Agency]:
    agency = Agency(tmp_path, world)
    agency.receiver.start()
    cards = world.house.config.requesters
    cards.write_text(re.sub(r"127\.0\.0\.1:[0-9]+", agency.receiver.address, cards.read_text()))
    world.receiver = new_client(timeout_seconds=30)  # type: ignore[assignment]
    world.restart()
    yield agency
    agency.receiver.stop()


def release(world: World, agency: Agency, *, posted: bool = True) -> str:
    """A release that has arrived at the agency's receiver; its id."""
    clip = world.house.record()
    request = world.house.request(upload=statements.upload(agency.receiver.url))
    jws = world.post(request)
    if posted:
        agency.home.keep_posted(jws)
    world.to_device(world.house.approve(jws, [clip]))
    (release_id,) = world.outcomes()
    assert state_of(world, release_id) == "SENT"
    return release_id


def later(world: World) -> None:
    world.clock.advance(30)
    world.run()


def test_a_bundle_that_was_opened_and_verified_is_delivered(world: World, agency: Agency) -> None:
    release_id = release(world, agency)
    later(world)
    assert state_of(world, release_id) == "SENT", "it has arrived, and nobody has opened it"
    (record,) = agency.take_all()
    later(world)
    assert state_of(world, release_id) == "DELIVERED"
    ((_, line),) = world.events("release.delivered")
    requester = world.house.requester.signing.public
    receipt = signing.verify(line["receipt"], Receipt, {requester.fingerprint: requester})
    assert receipt.bundle == files.sha256(agency.folder / f"{record.place}.age")
    assert record.place.startswith("cases/2024-")


def test_a_bundle_for_a_request_that_was_never_posted_is_rejected_with_the_reason(
    world: World, agency: Agency
) -> None:
    release_id = release(world, agency, posted=False)
    agency.take_all()
    later(world)
    outcome = world.outcomes()[release_id]
    assert outcome.event == "REJECTED" and outcome.detail.startswith("request-not-posted: ")


def test_a_bundle_that_rotted_at_the_receiver_is_not_delivered(
    world: World, agency: Agency
) -> None:
    release_id = release(world, agency)
    (path,) = agency.receiver.finished()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    agency.take_all()
    later(world)
    assert state_of(world, release_id) == "SENT", "that receipt is for another file"
    world.clock.advance(3_600)
    world.run()
    assert world.outcomes()[release_id].detail.startswith("no receipt")


def test_a_receipt_tells_nothing_without_the_uploads_url(world: World, agency: Agency) -> None:
    release(world, agency)
    agency.take_all()
    client = new_client(timeout_seconds=30)
    for guess in ("0" * 32, "", "..", "index.html"):
        assert client.receipt(agency.receiver.url + guess, at_most=4_000) is None
