"""The gateway goes on only from a ledger whose head it wrote itself."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.consent.statements import HeldDecision, Sync
from agent.errors import InternalFault, StorageFault
from agent.vault.records.ledger import Entry, Ledger, LedgerWriter
from tests.gateway.letters.test_status import last
from tests.support.gateway_world import World, state_of


def folder(world: World) -> Path:
    return world.house.config.state_dir / "gateway"


@contextmanager
def at_rest(world: World) -> Iterator[sqlite3.Connection]:
    """The gateway's database, as somebody with the SD card opens it."""
    world.kill()
    with world.house.open_database() as database, database.transaction() as connection:
        yield connection


def rewrite(world: World, kept: list[Entry], more: int) -> None:
    """Write another ledger, with a whole tree of its own: ``kept`` and ``more`` lines."""
    world.kill()
    with world.house.open_database() as database, database.transaction() as connection:
        connection.execute("DELETE FROM ledger")
        connection.execute("DELETE FROM ledger_node")
        ledger = LedgerWriter(database)
        for line in kept:
            ledger.append(line.event, line.subject, line.detail, at=line.at)
        for _ in range(more):
            ledger.append("clips.listed", "", {"owner": "x"}, at=world.clock.now())
        ledger.verify()


def lines(world: World) -> list[Entry]:
    with world.house.open_database() as database:
        return list(Ledger(database).entries())


@pytest.fixture
def busy(world: World) -> World:
    """A gateway with some lines in its ledger, which ran once more since."""
    world.house.record()
    for _ in range(3):
        world.post()
    world.restart()
    return world


def test_a_gateway_goes_on_from_its_own_ledger(busy: World) -> None:
    before = len(lines(busy))
    busy.post()
    busy.restart()
    assert busy.crashes == 0 and len(lines(busy)) > before


def test_lines_that_a_power_cut_kept_from_the_head_are_fine(busy: World) -> None:
    head = (folder(busy) / "keys" / "ledger-head").read_bytes()
    busy.post()
    busy.kill()
    (folder(busy) / "keys" / "ledger-head").write_bytes(head)
    busy.restart()
    assert busy.crashes == 0


@pytest.mark.parametrize("gone", [0, 2, -1])
@pytest.mark.parametrize("more", [0, 1, 30])
def test_lines_removed_at_rest_are_refused_though_the_tree_was_made_anew(
    busy: World, gone: int, more: int
) -> None:
    kept = lines(busy)
    del kept[gone]
    rewrite(busy, kept, more)
    with pytest.raises(StorageFault, match="is not the one that this gateway wrote") as caught:
        busy.restart()
    assert "ledger-head" in caught.value.advice


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE ledger SET detail = '{' WHERE seq = 2",
        "UPDATE ledger SET at = 9e999 WHERE seq = 1",
        "UPDATE ledger SET seq = 9007199254740992 WHERE seq = 3",
        "UPDATE ledger_node SET hash = x'00' WHERE level = 1",
        "DELETE FROM ledger WHERE seq > 2",
        "DELETE FROM ledger",
    ],
)
def test_a_ledger_changed_at_rest_is_refused(busy: World, tampering: str) -> None:
    with at_rest(busy) as connection:
        connection.execute(tampering)
    with pytest.raises(StorageFault, match="is not the one that this gateway wrote"):
        busy.restart()


def test_a_database_set_back_without_the_keys_is_refused_until_the_head_is_deleted(
    busy: World,
) -> None:
    busy.kill()
    database, image = folder(busy) / "gateway.sqlite", folder(busy) / "image"
    with sqlite3.connect(database) as connection:
        connection.execute(f"VACUUM INTO '{image}'")
    busy.restart()
    busy.post()
    busy.kill()
    for file in folder(busy).glob("gateway.sqlite*"):
        file.unlink()
    shutil.move(image, database)
    with pytest.raises(StorageFault, match="is not the one that this gateway wrote"):
        busy.restart()
    (folder(busy) / "keys" / "ledger-head").unlink()
    busy.restart()
    assert busy.crashes == 0


def test_a_head_that_was_deleted_is_noticed_and_told_to_the_owners(world: World) -> None:
    """Whoever deletes it can go on from a ledger with fewer lines."""
    clip = world.house.record()
    world.receiver.faults = ["request-lost"] * 50
    world.to_device(world.house.approve(world.post(), [clip]))
    (release,) = world.outcomes()
    world.kill()
    (folder(world) / "keys" / "ledger-head").unlink()
    world.restart()
    assert [event for event, _ in world.events("ledger.")] == ["ledger.unanchored"]
    (warning,) = last(world).warnings
    assert warning.startswith("the memory of its ledger's head was deleted before 24 Jan 2024")
    world.receiver.faults = []
    world.clock.advance(900)
    world.run()
    assert state_of(world, release) == "HELD"
    named = HeldDecision(decision=release, standing=True)
    world.to_device(world.house.command(Sync(decisions=(named,))))
    world.restart()
    world.clock.advance(900)
    world.run()
    assert state_of(world, release) == "SENT"
    assert len(world.events("ledger.")) == 1, "once for each deletion"
    world.clock.advance(40 * 86_400)
    world.restart()
    assert last(world).warnings == ()


def test_the_first_start_and_a_database_of_before_the_mark_lack_no_head(busy: World) -> None:
    assert busy.events("ledger.") == []
    with at_rest(busy) as connection:
        connection.execute("DELETE FROM anchored")
    (folder(busy) / "keys" / "ledger-head").unlink()
    busy.restart()
    assert busy.events("ledger.") == []


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 40_000, None])
def test_a_head_that_the_device_did_not_sign_is_refused(busy: World, content: bytes | None) -> None:
    path = folder(busy) / "keys" / "ledger-head"
    busy.kill()
    if content is None:  # the signature of another text
        header, _, signature = path.read_text().split(".")
        content = f"{header}.e30.{signature}".encode()
    path.write_bytes(content)
    with pytest.raises(StorageFault, match="is damaged"):
        busy.restart()


def test_lines_dropped_by_a_trigger_end_the_gateway(busy: World) -> None:
    with sqlite3.connect(folder(busy) / "gateway.sqlite") as connection:
        connection.execute(
            "CREATE TRIGGER hide AFTER INSERT ON ledger"
            " BEGIN DELETE FROM ledger WHERE seq = new.seq; END"
        )
    with pytest.raises(InternalFault):
        for _ in range(2):
            busy.post()
