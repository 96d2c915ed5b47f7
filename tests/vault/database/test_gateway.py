"""The gateway's database opens files of its earlier versions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent import files
from agent.errors import DiskFull, StorageFault
from agent.vault.database import schema
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.ledger import Ledger, LedgerWriter


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of version 1, with a line in its ledger."""
    path = tmp_path / "gateway.sqlite"
    with GatewayDatabase.open(path) as database:
        with database.transaction():
            LedgerWriter(database).append("request.opened", "", {}, at=1.0)
        for table in ("computer", "anchored"):
            database.connection.execute(f"DROP TABLE {table}")
        database.connection.execute("PRAGMA user_version = 1")
    return path


@pytest.mark.parametrize("create", [True, False])
def test_an_older_file_gets_the_tables_of_later_versions_and_keeps_its_ledger(
    old: Path, create: bool
) -> None:
    with GatewayDatabase.open(old, create=create) as database:
        assert database.rows("SELECT count(*) FROM computer") == [(0,)]
        assert Ledger(database).verify() == 1


def test_an_older_file_in_which_something_else_is_wrong_is_refused(old: Path) -> None:
    with GatewayDatabase.open(old) as database:
        database.connection.execute("PRAGMA user_version = 1")
        database.connection.execute("DROP INDEX ledger_by_subject")
        database.connection.execute("CREATE TRIGGER t AFTER INSERT ON ledger BEGIN SELECT 1; END")
    with pytest.raises(StorageFault, match="trigger t"):
        GatewayDatabase.open(old)


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return schema.pragma(connection, "user_version")


def copy_of(path: Path) -> Path:
    return path.with_name("gateway.sqlite.schema-1")


def test_an_upgrade_keeps_a_whole_private_copy_of_the_older_file(old: Path) -> None:
    copy_of(old).with_name("gateway.sqlite.schema-0").touch()  # of the upgrade before
    with GatewayDatabase.open(old):
        pass
    assert sorted(path.name for path in old.parent.iterdir() if "schema" in path.name) == [
        copy_of(old).name
    ]
    assert version(copy_of(old)) == 1 and copy_of(old).stat().st_mode & 0o777 == 0o600
    copy_of(old).replace(old)
    with GatewayDatabase.open(old) as database:
        assert Ledger(database).verify() == 1


@pytest.mark.parametrize("made", [True, False])
def test_a_new_file_and_one_that_is_up_to_date_leave_no_copy(tmp_path: Path, made: bool) -> None:
    path = tmp_path / "gateway.sqlite"
    for _ in range(1 + made):
        GatewayDatabase.open(path).close()
    assert schema.copies_of(path) == []


@pytest.mark.parametrize(
    "step",
    [
        "agent.files.write_new",
        "agent.files.rename",
        "agent.files.sync_directory",
        "agent.vault.database.schema.Schema.statements",
        "agent.vault.database.schema.copies_of",
    ],
)
def test_an_upgrade_that_is_cut_off_leaves_a_file_that_the_next_start_upgrades(
    old: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(step, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            GatewayDatabase.open(old)
    is_upgraded = step.endswith("copies_of")
    assert version(old) == (GatewayDatabase.SCHEMA.version if is_upgraded else 1)
    with GatewayDatabase.open(old) as database:
        assert Ledger(database).verify() == 1
    assert version(copy_of(old)) == 1


def test_no_room_for_the_copy_leaves_the_older_file(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr("agent.files.write_new", lambda path, *_, **__: raise_full(path))
        with pytest.raises(DiskFull):
            GatewayDatabase.open(old)
    assert version(old) == 1
    GatewayDatabase.open(old).close()


def raise_full(path: Path) -> None:
    raise files.disk_full(path)


@pytest.mark.parametrize("has_copy", [True, False])
def test_a_file_of_a_newer_version_is_refused_with_the_way_back(old: Path, has_copy: bool) -> None:
    with GatewayDatabase.open(old) as database:
        database.connection.execute("PRAGMA user_version = 99")
    if not has_copy:
        copy_of(old).unlink()
    with pytest.raises(StorageFault, match=r"newer clip-agent \(schema 99") as caught:
        GatewayDatabase.open(old)
    assert "Install that version again" in caught.value.advice
    assert (str(copy_of(old)) in caught.value.advice) == has_copy
    assert ("clip-agent restored" in caught.value.advice) == has_copy
