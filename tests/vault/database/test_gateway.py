"""The gateway's database opens files of its earlier versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import StorageFault
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
