"""Migration of an older file: the tables of ``schema.sql``, filled with the old rows.

Columns keep their rows by name and new columns take their default, so a new column has a
default or allows null. A process of the old program may still have the file open.
"""

from __future__ import annotations

import sqlite3

from agent.vault.database import schema

# Rows that version 3 added and that can be told from those of older files.
_ADDED_BY_3 = (
    "INSERT INTO release_clip SELECT release.id, match.clip FROM release JOIN match"
    " USING (request) WHERE release.state = 'APPROVED'",
    "UPDATE request SET told_at = received_at"
    " WHERE EXISTS (SELECT 1 FROM match WHERE request = digest)",
    "INSERT INTO begun VALUES (1, 0)",
)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring an older file up to date in one transaction; fine if another process just did.

    Foreign keys must not be checked yet: tables are dropped in any order.
    """
    if not _is_older(connection):
        return
    connection.execute("PRAGMA legacy_alter_table = ON")  # references keep naming the new tables
    with schema.transaction(connection):
        if _is_older(connection):
            _carry_over(connection)
    connection.execute("PRAGMA legacy_alter_table = OFF")


def _is_older(connection: sqlite3.Connection) -> bool:
    return 0 < schema.pragma(connection, "user_version") < schema.version()


def _carry_over(connection: sqlite3.Connection) -> None:
    found = schema.pragma(connection, "user_version")
    for (index,) in _names(connection, "index"):
        connection.execute(f"DROP INDEX {index}")
    tables = [table for (table,) in _names(connection, "table")]
    for table in tables:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in schema.statements():
        connection.execute(statement)
    for table in tables:
        new, old = _columns(connection, table), _columns(connection, f"old_{table}")
        if shared := ", ".join(column for column in old if column in new):
            connection.execute(
                f"INSERT INTO {table} ({shared}) SELECT {shared} FROM old_{table}"  # noqa: S608
            )
        connection.execute(f"DROP TABLE old_{table}")
    if found < 3:
        for statement in _ADDED_BY_3:
            connection.execute(statement)


def _names(connection: sqlite3.Connection, kind: str) -> list[tuple[str]]:
    """The tables or indexes of the file, but for those that SQLite made by itself."""
    query = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'"
    return connection.execute(query, (kind,)).fetchall()


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    query = "SELECT name FROM pragma_table_info(?)"
    return [name for (name,) in connection.execute(query, (table,))]
