"""Base of the tables: reads at any time, writes inside a transaction only."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from agent.errors import InternalFault
from agent.vault.database.connection import Database


class Table:
    """One or a few tables of the gateway's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Write; InternalFault outside a transaction."""
        if not self._database.connection.in_transaction:
            raise InternalFault("a record is written outside a transaction")
        return self._database.connection.execute(statement, values)


def columns_of(row: type) -> str:
    """The columns of a dataclass whose fields are named after them."""
    return ", ".join(row.__dataclass_fields__)  # type: ignore[attr-defined]


def marks(values: Sequence[object]) -> str:
    """A placeholder for each of ``values``."""
    return ", ".join("?" * len(values))
