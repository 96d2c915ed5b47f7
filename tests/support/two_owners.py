"""Two owners who must agree, what an index holds of it, and what a forger would write there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.statements import InboxReport
from agent.keyfile import Keys
from agent.requester.bundle.verify import OpenedBundle, open_bundle
from agent.vault.database.gateway import Clip
from agent.vault.records.releases import ReleaseRow, ReleaseTable
from tests.support.gateway_world import World
from tests.support.house import Person


def write(world: World, query: str, *values: object) -> None:
    """Change the index as the camera's process could if it were taken over."""
    with sqlite3.connect(world.house.config.state_dir / "gateway" / "gateway.sqlite") as db:
        db.execute(query, values)
    db.close()


def releases(world: World) -> list[ReleaseRow]:
    with world.house.open_database() as database:
        return ReleaseTable(database).all()


def opened(world: World, person: Person, folder: Path) -> OpenedBundle:
    """The one bundle that arrived, as ``clip-agent requester open`` sees it."""
    (upload,) = world.receiver.finished
    path = folder / "bundle.age"
    path.write_bytes(bytes(upload.data))
    return open_bundle(path, Keys(person.signing, person.identity), folder / "out")


def ask(world: World) -> tuple[str, Clip]:
    """A request, and a clip that matches it."""
    clip = world.house.record()
    return world.post(), clip


def report(world: World) -> InboxReport:
    """The one letter about a request, as the partner reads it."""
    (letter,) = world.inbox.values()
    card = world.house.device_card()
    jws = mail.open_letter(letter, world.house.partner.identity).jws
    return signing.verify(jws, InboxReport, {card.fingerprint: card.key})
