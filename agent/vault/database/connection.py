"""One SQLite file that both processes open, each with connections of its own.

A file is opened only if it is ours and not newer. An older one is migrated, and the
tables are compared with ``schema.sql`` each time.

Writes go through :meth:`Database.transaction`, which takes the write lock at once, so two
writers wait for each other instead of failing half way. Every commit is synced: it
survives a power cut. Text that is not UTF-8 is read with replacement characters.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from agent import files
from agent.errors import InternalFault, StorageFault
from agent.vault.database import migrations, schema

_FILE_MODE = 0o660  # camera and gateway are two users of one group; -wal and -shm follow it
_BUSY_SECONDS = 10.0
_CURE = (
    "Stop both services, move this file and those with -wal and -shm after its name away, and run"
    " `clip-agent reindex`: it finds every clip again. Only this file held the requests and the"
    " ledger; sqlite3's .recover may save them"
)


class Database:
    """An open file, for one thread at a time. Close it, or use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._data_version = self._read_data_version()

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Self:
        """Open the file at ``path``; ``create`` makes it if it is missing.

        Raises :class:`StorageFault` for a file that is missing, unreadable, not
        ours, newer than this program, or different from ``schema.sql``.
        """
        if create:
            files.make_directory(path.parent)
            _make_file(path)
        elif not files.exists(path):
            raise StorageFault(
                f"{path}: there is no index here", advice="Has the camera run yet? See state_dir"
            )
        with _faults(path):
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",  # never makes a file
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
            try:
                _refuse_link(connection, path)
                _prepare(connection, path, create=create)
            except BaseException:
                connection.close()
                raise
            return cls(path, connection)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable once the block ends; not to be nested.

        Raises :class:`StorageFault` when the disk is full or another writer takes
        too long, :class:`InternalFault` for a row that the schema refuses.
        """
        if self.connection.in_transaction:
            raise InternalFault("a transaction of the index was begun inside another")
        with _faults(self.path), schema.transaction(self.connection):
            yield self.connection

    def changed(self) -> bool:
        """Tell if another connection has committed anything since the last call."""
        before, self._data_version = self._data_version, self._read_data_version()
        return self._data_version != before

    def _read_data_version(self) -> int:
        return int(self.rows("PRAGMA data_version")[0][0])

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """The rows of ``query``, inside a transaction or outside; never a write.

        Raises :class:`StorageFault` for a file that cannot be read.
        """
        with _faults(self.path):
            return self.connection.execute(query, values).fetchall()


def _make_file(path: Path) -> None:
    """Make an empty file with the right mode, which SQLite copies to those it adds beside it."""
    with files.faults(path):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        except FileExistsError:
            return
        try:
            os.fchmod(descriptor, _FILE_MODE)
        finally:
            os.close(descriptor)
    files.sync_directory(path.parent)


def _refuse_link(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a link: it would have root change a file of the camera's choice (`sudo clip-agent`).

    SQLite resolves links first, opens what it found with O_NOFOLLOW, and says here what that was.
    """
    (_, _, opened) = connection.execute("PRAGMA database_list").fetchone()
    if Path(opened) != path.parent.resolve() / path.name:
        raise StorageFault(f"{path}: is a link to {opened}", advice="Remove the link")


def _prepare(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Check that the file is ours before anything in it is changed, then set it up."""
    is_new = schema.check_owner(connection, path)
    if is_new and not create:
        raise StorageFault(f"{path}: the index is empty", advice="Run `clip-agent reindex`")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if is_new:
        schema.create(connection)
    migrations.upgrade(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    schema.check(connection, path)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into faults of ours or of the disk."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
        raise InternalFault(f"{path}: {error}") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # without details
        if code == sqlite3.SQLITE_ERROR:  # wrong SQL
            raise InternalFault(f"{path}: {error}") from error
        if code == sqlite3.SQLITE_FULL:
            raise files.disk_full(path) from error
        damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        raise StorageFault(f"{path}: {error}", advice=_CURE if damaged else "") from error
