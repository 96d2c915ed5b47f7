"""One SQLite file, which one process opens, each of its threads with a connection of its own.

A file is opened only if it is ours and not newer. Its definitions are compared with its schema
each time: a column, trigger or view that is not ours is refused.

Writes go through :meth:`Database.transaction`, which takes the write lock at once, so two
writers wait for each other instead of failing half way. Every commit is synced: it
survives a power cut. Text that is not UTF-8 is read with replacement characters.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from agent import files
from agent.errors import InternalFault, StorageFault
from agent.vault.database import schema
from agent.vault.database.schema import Schema

_BUSY_SECONDS = 10.0


class Database:
    """An open file, for one thread at a time. Close it, or use it as a context manager.

    ``CURE`` tells people how to go on without a damaged file.
    """

    SCHEMA: ClassVar[Schema]
    CURE: ClassVar[str]

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._version: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Self:
        """Open the file at ``path``; ``create`` makes it if it is missing.

        Raises :class:`StorageFault` for a file that is missing, unreadable, not
        ours, newer than this program, or different from its schema.
        """
        if create:
            files.make_directory(path.parent)
            cls._make(path)
        elif not files.exists(path):
            raise StorageFault(
                f"{path}: there is no such file", advice="Has the service run yet? See state_dir"
            )
        with cls._faults(path):
            connection = _connect(path)
            connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
            try:
                _refuse_link(connection, path)
                cls._prepare(connection, path)
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
            raise InternalFault("a transaction was begun inside another")
        with self._faults(self.path), schema.transaction(self.connection):
            yield self.connection

    def changed(self) -> bool:
        """Tell if anything was written since the last call, by this connection or another."""
        before = self._version
        self._version = (self.rows("PRAGMA data_version")[0][0], self.connection.total_changes)
        return self._version != before

    def own_changes(self) -> int:
        """Count the rows that this connection has changed so far."""
        return self.connection.total_changes

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """The rows of ``query``, inside a transaction or outside; never a write.

        Raises :class:`StorageFault` for a file that cannot be read.
        """
        with self._faults(self.path):
            return self.connection.execute(query, values).fetchall()

    def each(self, query: str, values: Sequence[object] = ()) -> Iterator[Any]:
        """The same one by one, for many: read while they are used, and not all if not all are."""
        with self._faults(self.path), closing(self.connection.cursor()) as cursor:
            yield from cursor.execute(query, values)

    def verify(self) -> None:
        """Read the whole file; raises :class:`StorageFault` for a damaged one."""
        (said,) = self.rows("PRAGMA quick_check(1)")[0]
        if said != "ok":
            text = str(said).splitlines()[-1]
            raise StorageFault(f"{self.path}: damaged ({text})", advice=self.CURE)

    @classmethod
    def _make(cls, path: Path) -> None:
        """Make the file, unless there is one; it has its name only once it is whole.

        So nobody has it open while it changes to WAL: SQLite does not wait for readers then.
        """
        if _is_there(path):
            return
        draft, lock = (path.with_name(path.name + end) for end in (".new", ".lock"))
        with files.locked(lock):
            if not _is_there(path):
                cls._draw_up(draft, path)
            files.remove(lock)  # who still waits for it sees that the file is there

    @classmethod
    def _draw_up(cls, draft: Path, path: Path) -> None:
        for left in (draft, path.with_name(f"{draft.name}-journal")):
            files.remove(left)
        # SQLite copies the mode to the files that it adds beside this one.
        files.write_new(draft, b"", mode=files.PRIVATE_MODE)
        with cls._faults(path), closing(_connect(draft)) as connection:
            cls.SCHEMA.create(connection)
            connection.execute("PRAGMA journal_mode = WAL")
        files.rename(draft, path)
        files.sync_directory(path.parent)

    @classmethod
    def _prepare(cls, connection: sqlite3.Connection, path: Path) -> None:
        """Check that the file is ours before anything in it is changed, then set it up."""
        if cls.SCHEMA.check_owner(connection, path):
            raise StorageFault(f"{path}: is empty", advice=cls.CURE)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        if schema.pragma(connection, "user_version") < cls.SCHEMA.version:
            cls._upgrade(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
        cls.SCHEMA.check(connection, path, cure=cls.CURE)

    @classmethod
    def _upgrade(cls, connection: sqlite3.Connection, path: Path) -> None:
        """Bring an older file up to date, after a copy of it was made. One copy is kept.

        A cut leaves the older file, which the next start upgrades.
        """
        lock = path.with_name(f"{path.name}.lock")
        with files.locked(lock):
            before = schema.pragma(connection, "user_version")
            if before < cls.SCHEMA.version:  # else another process did it
                copy = schema.copy_of(path, before)
                draft = path.with_name(f"{path.name}.copy")
                files.remove(draft)
                files.write_new(draft, b"", mode=files.PRIVATE_MODE)
                connection.execute("VACUUM INTO ?", (str(draft),))
                with files.faults(draft), draft.open("rb") as made:
                    os.fsync(made.fileno())
                files.rename(draft, copy)
                files.sync_directory(path.parent)
                cls.SCHEMA.upgrade(connection)
                for older in set(schema.copies_of(path)) - {copy}:
                    files.remove(older)
            files.remove(lock)

    @classmethod
    @contextmanager
    def _faults(cls, path: Path) -> Iterator[None]:
        """Turn SQLite's errors into faults of ours or of the disk."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
            raise InternalFault(f"{path}: {error}") from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code == sqlite3.SQLITE_ERROR:  # wrong SQL
                raise InternalFault(f"{path}: {error}") from error
            if code == sqlite3.SQLITE_FULL:
                raise files.disk_full(path) from error
            if files.is_read_only(path):
                raise files.read_only(path) from error
            # SQLite's index of its log is a file of 32 KiB: without room for that, it says no more
            # than that the disk, or the opening, failed.
            if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and files.is_full(path):
                raise files.disk_full(path) from error
            damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            raise StorageFault(f"{path}: {error}", advice=cls.CURE if damaged else "") from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # never makes a file
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _is_there(path: Path) -> bool:
    """Tell if there is a file with content, or a link, which whoever opens it refuses."""
    return path.is_symlink() or (files.exists(path) and files.size(path) > 0)


def _refuse_link(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a link: another file would be changed in the place of ours.

    SQLite resolves links first, opens what it found with O_NOFOLLOW, and says here what that was.
    """
    (_, _, opened) = connection.execute("PRAGMA database_list").fetchone()
    if Path(opened) != path.parent.resolve() / path.name:
        raise StorageFault(f"{path}: is a link to {opened}", advice="Remove the link")
