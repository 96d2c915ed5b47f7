"""The index: one SQLite file that both processes open, each with connections of its own.

``schema.sql`` beside this module is the authority on its tables and columns. A file
is opened only if it is ours and not newer, an older one is brought up to date, and its
tables are compared with the authority each time: a difference is a
:class:`StorageFault` that names it.

Writing goes through :meth:`Index.transaction`, which takes the write lock at once
(``BEGIN IMMEDIATE``), so two writers wait for each other instead of failing half
way. Every commit is synced (``synchronous=FULL``): what was committed survives a
power cut. Nothing is written that has not changed, because the disk is an SD card.

Rows of clips and of health are written by the process that sees, which may have been taken
over. Those that it would never write are there for nobody: :mod:`agent.vault.database.rows`. A text
that is not UTF-8 is read as one with question marks in it.

An index may be handed from one thread to another but serves one at a time. What the
rows mean for requests, releases and the ledger is for their own modules to say.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, Self

from agent import files
from agent.errors import InternalFault, StorageFault
from agent.vault.database import schema
from agent.vault.database.rows import LONGEST_RECORDING_SECONDS, Clip, ClipDigest, Health, Totals

__all__ = ["FILE_NAME", "LONGEST_CLIP_SECONDS", "Clip", "ClipDigest", "Health", "Index", "Totals"]

_log = logging.getLogger(__name__)

FILE_NAME = "agent.sqlite"
LONGEST_CLIP_SECONDS = 3_600.0  # generously: a camera cuts after ten minutes at most
_FILE_MODE = 0o660  # camera and gateway are two users of one group; -wal and -shm follow it
_BUSY_SECONDS = 10.0
_CURE = (
    "Stop both services, move this file and those with -wal and -shm behind its name away, and"
    " run `clip-agent reindex`: it finds every clip again. Requests and the ledger stood in it"
    " alone; sqlite3's .recover may save them"
)

_CLIP_COLUMNS = ", ".join(Clip.__dataclass_fields__)
_CLIP_MARKS = ", ".join("?" * len(Clip.__dataclass_fields__))
_HEALTH_COLUMNS = ", ".join(Health.__dataclass_fields__)


class Index:
    """An open index. Close it, or use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self.connection = connection
        self._data_version = self._read_data_version()
        self._unsound_told = False

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Self:
        """The index at ``path``, made if it is missing and ``create`` says so.

        Raises :class:`StorageFault` for a file that is missing, unreadable, not
        ours, newer than this program, or unlike ``schema.sql``.
        """
        if create:
            files.make_directory(path.parent)
            _make_file(path)
        else:
            _require_file(path)
        with _faults(path):
            connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.text_factory = _text
            try:
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

        Raises :class:`StorageFault` when the disk is full or another writer stays
        too long, :class:`InternalFault` for a row that the schema refuses.
        """
        if self.connection.in_transaction:
            raise InternalFault("a transaction of the index was begun inside another")
        connection = self.connection
        with _faults(self._path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def changed(self) -> bool:
        """Whether another connection committed anything since this was last asked."""
        before, self._data_version = self._data_version, self._read_data_version()
        return self._data_version != before

    def _read_data_version(self) -> int:
        return int(self.rows("PRAGMA data_version")[0][0])

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """What ``query`` finds, inside a transaction or outside; writes belong into one.

        Raises :class:`StorageFault` for a file that cannot be read.
        """
        with _faults(self._path):
            return self.connection.execute(query, values).fetchall()

    # Clips

    def clips(self, *, start: float | None = None, end: float | None = None) -> list[Clip]:
        """Clips that overlap ``[start, end]``, the oldest first."""
        return self._clips(f"{_OVERLAPS} ORDER BY started_at, id", *_span(start, end))

    def unmatched_clips(self, request: str, *, start: float, end: float) -> list[ClipDigest]:
        """Clips that overlap ``[start, end]`` and are not in the match set of ``request``.

        The oldest first. Only what a match set holds is read: there may be thousands.
        """
        unmatched = "NOT EXISTS (SELECT 1 FROM match WHERE request = ? AND clip = clip.id)"
        query = (
            f"SELECT id, sha256 FROM clip WHERE deleting = 0 {_OVERLAPS} AND {unmatched}"  # noqa: S608
            " ORDER BY started_at, id"
        )
        found = [ClipDigest(*row) for row in self.rows(query, (*_span(start, end), request))]
        return [clip for clip in found if clip.is_sound]

    def newest_clips(self, *, start: float, end: float, at_most: int) -> tuple[list[Clip], int]:
        """The newest clips that overlap ``[start, end]``, oldest first, and how many are left."""
        query = f"SELECT count(*) FROM clip WHERE deleting = 0 {_OVERLAPS}"  # noqa: S608
        total = int(self.rows(query, _span(start, end))[0][0])
        clause = f"{_OVERLAPS} ORDER BY started_at DESC, id DESC LIMIT ?"
        newest = self._clips(clause, *_span(start, end), at_most)
        return newest[::-1], total - len(newest)

    def clips_as_recorded(self) -> list[Clip]:
        """All clips in the order of their recording, whatever the clock said then."""
        return self._clips("ORDER BY rowid")

    def unsynced_clips(self) -> list[Clip]:
        """Clips whose wall time does not come from a synced clock."""
        return self._clips("AND clock_synced = 0 ORDER BY rowid")

    def clip(self, clip_id: str) -> Clip | None:
        """The clip with this id, unless it is being deleted."""
        return next(iter(self._clips("AND id = ?", clip_id)), None)

    def _clips(self, clause: str, *values: object) -> list[Clip]:
        query = f"SELECT {_CLIP_COLUMNS} FROM clip WHERE deleting = 0 {clause}"  # noqa: S608
        found = [_clip(row) for row in self.rows(query, values)]
        sound = [clip for clip in found if clip.is_sound]
        if len(sound) < len(found):
            self._report_unsound()
        return sound

    def _report_unsound(self) -> None:
        """Once is enough: rows are looked at many times a minute, and the log is on the card."""
        if not self._unsound_told:
            self._unsound_told = True
            _log.warning("%s: rows that no camera of ours writes are left out", self._path)

    def totals(self) -> Totals:
        """Count, bytes and oldest start of all clips."""
        query = "SELECT count(*), total(bytes), min(started_at) FROM clip WHERE deleting = 0"
        count, size, oldest = self.rows(query)[0]
        return Totals(count, int(size), oldest)

    def held_clips(self) -> list[str]:
        """Clips that are still wanted: matched by an open request, or in a release that waits
        for another owner or to be sealed.
        """
        query = """
            SELECT clip FROM match JOIN request ON digest = match.request WHERE state = 'OPEN'
            UNION
            SELECT clip FROM release_clip JOIN release ON id = release_clip.release
            WHERE state IN ('PROPOSED', 'APPROVED')
            ORDER BY clip"""
        return [row[0] for row in self.rows(query)]

    def put_clip(self, clip: Clip) -> None:
        """Insert ``clip``, or replace what is known of it. Inside a transaction."""
        updates = ", ".join(f"{name} = excluded.{name}" for name in Clip.__dataclass_fields__)
        self.connection.execute(
            f"INSERT INTO clip ({_CLIP_COLUMNS}) VALUES ({_CLIP_MARKS})"  # noqa: S608
            f" ON CONFLICT (id) DO UPDATE SET {updates}",
            astuple(clip),
        )

    def correct_start(self, clip_id: str, started_at: float, *, duration_seconds: float) -> None:
        """Note the times of a clip by a clock now synced. Inside a transaction."""
        self.connection.execute(
            "UPDATE clip SET started_at = ?, duration_seconds = ?, clock_synced = 1 WHERE id = ?",
            (started_at, duration_seconds, clip_id),
        )

    def mark_deleting(self, clip_id: str) -> bool:
        """From now on this clip is gone for everybody. Inside a transaction."""
        marked = self.connection.execute("UPDATE clip SET deleting = 1 WHERE id = ?", (clip_id,))
        return marked.rowcount > 0

    def deleting_clips(self) -> list[str]:
        """Clips that are marked, whose files may still be there."""
        return [row[0] for row in self.rows("SELECT id FROM clip WHERE deleting = 1 ORDER BY id")]

    def drop_clip(self, clip_id: str) -> None:
        """Forget a clip whose files are gone. Inside a transaction."""
        self.connection.execute("DELETE FROM clip WHERE id = ?", (clip_id,))

    # Health

    def set_health(
        self,
        part: str,
        state: str,
        detail: str,
        at: float,
        last_motion_at: float | None = None,
        encoder: str = "",
    ) -> None:
        """Note what ``part`` says of itself, if that is news.

        Without ``last_motion_at`` the one noted before stays.
        """
        known = self.health(part)
        if known is not None and last_motion_at is None:
            last_motion_at = known.last_motion_at
        said = Health(part, at, state, detail, last_motion_at, encoder)
        if known is not None and replace(known, at=at) == said:
            return
        with self.transaction() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO health ({_HEALTH_COLUMNS})"  # noqa: S608
                " VALUES (?, ?, ?, ?, ?, ?)",
                astuple(said),
            )

    def health(self, part: str) -> Health | None:
        """What ``part`` last said of itself."""
        query = f"SELECT {_HEALTH_COLUMNS} FROM health WHERE part = ?"  # noqa: S608
        row = next(iter(self.rows(query, (part,))), None)
        if row is None:
            return None
        said = Health(*row)
        if not said.is_sound:
            self._report_unsound()
            return None
        return said


# The second bound says nothing that the first and third do not: it lets the index by time
# find a window without reading all that was recorded before it.
# A clip of unknown length may have run as long as any.
_OVERLAPS = (
    "AND started_at <= ? AND started_at >= ? AND started_at +"
    f" iif(truncated AND duration_seconds = 0, {LONGEST_RECORDING_SECONDS}, duration_seconds) >= ?"
)


def _span(start: float | None, end: float | None) -> tuple[float, float, float]:
    """The values that ``_OVERLAPS`` asks for."""
    first = float("-inf") if start is None else start
    return (float("inf") if end is None else end, first - LONGEST_CLIP_SECONDS, first)


def _text(stored: bytes) -> str:
    """SQLite takes any bytes for a text; what no process of ours writes is no reason to end."""
    return stored.decode("utf-8", "replace")


def _clip(row: Sequence[Any]) -> Clip:
    known = dict(zip(Clip.__dataclass_fields__, row, strict=True))
    known["clock_synced"] = bool(known["clock_synced"])
    known["truncated"] = bool(known["truncated"])
    return Clip(**known)


def _require_file(path: Path) -> None:
    with files.faults(path):
        is_there = path.is_file()
    if not is_there:
        raise StorageFault(
            f"{path}: there is no index here", advice="Has the camera run yet? See state_dir"
        )


def _make_file(path: Path) -> None:
    """An empty file with the right mode, so that SQLite takes it for what it makes beside it."""
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


def _prepare(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Check that the file is ours before anything in it is touched, then set it up."""
    is_new = schema.check_owner(connection, path)
    if is_new and not create:
        raise StorageFault(f"{path}: the index is empty", advice="Run `clip-agent reindex`")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if is_new:
        schema.create(connection)
    schema.upgrade(connection)
    schema.check(connection, path)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """SQLite's errors by whose fault they are."""
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
