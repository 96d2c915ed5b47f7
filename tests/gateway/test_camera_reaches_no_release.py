"""Whatever stands in the camera's folder, a release that was revoked is not sent.

Finding 3 of security.md: the camera's process added a trigger to the shared database, or set
REVOKED back to APPROVED, and the broker repeated the letter.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.statements import Revoke
from agent.vault.database import gateway
from tests.support.gateway_world import World

FORGED = (
    "UPDATE release SET state = 'APPROVED', stop = '', detail = ''",
    "CREATE TRIGGER t BEFORE INSERT ON ledger BEGIN SELECT raise(IGNORE); END",
    "DELETE FROM seen",
)


def plant(state: Path, name: str) -> None:
    """A copy of the gateway's database with forged rows, under a name in the camera's folder."""
    forged = state / "camera" / name
    forged.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(gateway.path_of(state))) as real,
        sqlite3.connect(forged) as database,
    ):
        real.backup(database)
        for statement in FORGED:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize("name", ["gateway.sqlite", "agent.sqlite", "index.sqlite", "state.json"])
def test_a_database_of_the_camera_does_not_revive_a_revoked_release(
    world: World, name: str
) -> None:
    clip, post = world.house.record(), world.post()
    world.receiver.faults = ["request-lost"] * 3
    jws = world.house.owner.signing.sign(world.house.approval(post, [clip]))
    letter = world.house.seal_letter(jws, world.house.clip_keys([clip]))
    world.to_device(letter)
    world.to_device(world.house.command(Revoke(release=signing.digest(jws)[:16])))
    sent = len(world.receiver.finished)
    world.kill()
    plant(world.house.config.state_dir, name)
    world.receiver.faults = []
    world.restart()
    world.clock.advance(3_600)
    world.to_device(letter)
    assert len(world.receiver.finished) == sent == 0
    assert world.events("release.revoked")
