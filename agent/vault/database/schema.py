"""Check that a file is our index and matches ``schema.sql``.

The application id tells our files from others', the user version gives their age. The
comparison is of SQLite's own view of each file: tables, columns with type, default and
key, and indexes. Comments and spacing do not count.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

from agent.errors import StorageFault

Shape = dict[str, str]  # a table, column or index, and its definition


@cache
def text() -> str:
    """``schema.sql``."""
    return (
        resources.files("agent.vault.database").joinpath("schema.sql").read_text(encoding="utf-8")
    )


@cache
def _wanted() -> Shape:
    with closing(sqlite3.connect(":memory:")) as reference:
        reference.executescript(text())
        return shape(reference)


def version() -> int:
    """The version that this program reads and writes."""
    return int(_wanted()["user_version"])


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a numeric pragma."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def check_owner(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell if the file is empty; :class:`StorageFault` if it is foreign or newer than we."""
    connection.execute("BEGIN")  # one view of both, while another process may set it up
    is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    application_id = pragma(connection, "application_id")
    connection.execute("COMMIT")
    if is_empty and application_id == 0:
        return True
    if str(application_id) != _wanted()["application_id"]:
        raise StorageFault(
            f"{path}: is a database, but not one of clip-agent's", advice="Check state_dir"
        )
    if (found := pragma(connection, "user_version")) > version():
        raise StorageFault(
            f"{path}: was written by a newer clip-agent (schema {found}, this one knows"
            f" {version()})",
            advice="Install that version again",
        )
    return False


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, with the write lock from the beginning."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def create(connection: sqlite3.Connection) -> None:
    """Set up an empty file in one transaction; fine if another process just did."""
    with transaction(connection):
        if pragma(connection, "application_id") == 0:
            for statement in statements():
                connection.execute(statement)


def statements() -> Iterator[str]:
    """The statements of ``schema.sql`` one by one: ``executescript`` would commit first."""
    statement = ""
    for line in text().splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise :class:`StorageFault` with the differences from ``schema.sql``, if any."""
    found = differences(shape(connection), _wanted())
    if found:
        raise StorageFault(
            f"{path}: is not as schema.sql says: {'; '.join(found)}",
            advice="Put it aside and run `clip-agent reindex`",
        )


def differences(found: Shape, wanted: Shape) -> list[str]:
    """A sentence for each definition that is missing, extra or different."""
    missing = [f"{name} is missing" for name in wanted if name not in found]
    extra = [f"{name} is not ours" for name in found if name not in wanted]
    changed = [
        f"{name} is `{found[name]}`, not `{definition}`"
        for name, definition in wanted.items()
        if name in found and found[name] != definition
    ]
    return missing + extra + changed


def shape(connection: sqlite3.Connection) -> Shape:
    """Tables, columns and indexes of a database, each with its definition."""
    known = {name: str(pragma(connection, name)) for name in ("application_id", "user_version")}
    tables = connection.execute(
        "SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main'"
        " AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for table, without_rowid, strict in tables:
        known[f"table {table}"] = f"without rowid {without_rowid}, strict {strict}"
        columns = connection.execute(
            'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?)', (table,)
        )
        for name, kind, not_null, default, key in columns.fetchall():
            known[f"column {table}.{name}"] = (
                f"{kind}, not null {not_null}, default {default}, key {key}"
            )
    others = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type != 'table' AND sql IS NOT NULL"
    )
    for kind, name, sql in others.fetchall():
        known[f"{kind} {name}"] = re.sub(r"\s+", " ", sql)
    return known
