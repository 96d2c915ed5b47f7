"""Check that a file is ours and matches its schema.

Each kind of database has a file of SQL with a comment on every column: ``camera.sql`` and
``gateway.sql``. The application id tells our files from others', the user version gives their
age. The comparison is of SQLite's own view of each file: tables, columns with type, default
and key, indexes, triggers and views. Comments and spacing do not count.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from agent import files
from agent.errors import StorageFault

_CREATE = re.compile(r"^CREATE (?:TABLE|INDEX) (\w+)", re.MULTILINE)
Shape = dict[str, str]  # a table, column or index, and its definition


@dataclass(frozen=True)
class Schema:
    """The schema in the file ``name`` beside this module."""

    name: str

    @cached_property
    def text(self) -> str:
        """The SQL."""
        folder = resources.files("agent.vault.database")
        return folder.joinpath(self.name).read_text(encoding="utf-8")

    @cached_property
    def shape(self) -> Shape:
        """All definitions."""
        with closing(sqlite3.connect(":memory:")) as reference:
            reference.executescript(self.text)
            return shape(reference)

    @property
    def version(self) -> int:
        """The version that this program reads and writes."""
        return int(self.shape["user_version"])

    def check_owner(self, connection: sqlite3.Connection, path: Path) -> bool:
        """Tell if the file is empty; :class:`StorageFault` if it is foreign or newer than we."""
        connection.execute("BEGIN")  # one view of both, while another process may set it up
        is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        application_id = pragma(connection, "application_id")
        connection.execute("COMMIT")
        if is_empty and application_id == 0:
            return True
        if str(application_id) != self.shape["application_id"]:
            raise StorageFault(
                f"{path}: is a database, but not one of clip-agent's", advice="Check state_dir"
            )
        if (found := pragma(connection, "user_version")) > self.version:
            raise StorageFault(
                f"{path}: was written by a newer clip-agent (schema {found}, this one knows"
                f" {self.version})",
                advice="Install that version again" + self._older_copy(path, found),
            )
        return False

    def _older_copy(self, path: Path, found: int) -> str:
        """Advice to go back to the copy that was made before the upgrade, if we can read it."""
        readable = [copy_of(path, number) for number in range(1, min(found, self.version + 1))]
        there = [copy for copy in readable if files.exists(copy)]
        if not there:
            return ""
        return (
            f". Or, to lose what came since, put {there[-1]} in its place, and run"
            " sudo clip-agent restored"
        )

    def create(self, connection: sqlite3.Connection) -> None:
        """Set up an empty file in one transaction."""
        with transaction(connection):
            for statement in self.statements():
                connection.execute(statement)

    def upgrade(self, connection: sqlite3.Connection) -> None:
        """Add the tables and indexes of later versions to an older file, all at once."""
        with transaction(connection):
            if 1 <= pragma(connection, "user_version") < self.version:
                known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
                for statement in self.statements():
                    new = _CREATE.search(statement)
                    if new is None or new[1] not in known:
                        connection.execute(statement)

    def statements(self) -> Iterator[str]:
        """The statements one by one: ``executescript`` would commit first."""
        statement = ""
        for line in self.text.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""

    def check(self, connection: sqlite3.Connection, path: Path, *, cure: str) -> None:
        """Raise :class:`StorageFault` with the differences from this schema, if any."""
        found = differences(shape(connection), self.shape)
        if found:
            raise StorageFault(
                f"{path}: is not as {self.name} says: {'; '.join(found)}", advice=cure
            )


def copy_of(path: Path, version: int) -> Path:
    """The copy that is made before the file at ``path``, of ``version``, is upgraded."""
    return path.with_name(f"{path.name}.schema-{version}")


def copies_of(path: Path) -> list[Path]:
    """All copies that upgrades made."""
    with files.faults(path.parent):
        return sorted(path.parent.glob(f"{path.name}.schema-*"))


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a numeric pragma."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


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
