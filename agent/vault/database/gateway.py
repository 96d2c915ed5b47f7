"""The gateway's database: requests, releases, the ledger, and its own index of the clips.

``gateway.sql`` defines its tables and columns; :mod:`agent.vault.records` reads and writes most
of them. The clips in it are those that :mod:`agent.gateway.catalog` found.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

from agent.vault.database import schema
from agent.vault.database.clip_table import OVERLAPS, ClipTable, span
from agent.vault.database.rows import Clip, ClipDigest
from agent.vault.database.schema import Schema

__all__ = ["Clip", "ClipDigest", "GatewayDatabase", "Health", "path_of"]

# Rows that version 3 of the old file added and that can be told from those of older files.
_ADDED_BY_3 = (
    "INSERT INTO release_clip SELECT release.id, match.clip FROM release JOIN match"
    " USING (request) WHERE release.state = 'APPROVED'",
    "UPDATE request SET told_at = received_at"
    " WHERE EXISTS (SELECT 1 FROM match WHERE request = digest)",
    "INSERT INTO begun VALUES (1, 0)",
)
_NOT_CARRIED = ("clip", "health", "ledger_node")  # all are made anew


def path_of(state_dir: Path) -> Path:
    """The gateway's database below ``state_dir``."""
    return state_dir / "gateway" / "gateway.sqlite"


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the gateway as it last wrote it."""

    at: float
    state: str
    detail: str


class GatewayDatabase(ClipTable):
    """An open database of the gateway."""

    SCHEMA = Schema("gateway.sql")
    CURE = (
        "Stop the gateway, and restore its folder as a whole from a backup. Only this file held"
        " the requests and the ledger; sqlite3's .recover may save them. To go on without them,"
        " move this file, those with -wal and -shm after its name, and keys/ledger-head away:"
        " what was approved before must then be approved again"
    )

    def unmatched_clips(self, request: str, *, start: float, end: float) -> list[ClipDigest]:
        """Clips that overlap ``[start, end]`` and do not match ``request`` yet, the oldest first.

        Only the columns of a match are read: there may be thousands.
        """
        unmatched = "NOT EXISTS (SELECT 1 FROM match WHERE request = ? AND clip = clip.id)"
        clause = f"{OVERLAPS} AND {unmatched} ORDER BY started_at, id"
        query = f"SELECT id, sha256 FROM clip WHERE {clause}"  # noqa: S608
        return [ClipDigest(*row) for row in self.rows(query, (*span(start, end), request))]

    def newest_clips(self, *, start: float, end: float, at_most: int) -> tuple[list[Clip], int]:
        """The newest clips that overlap ``[start, end]``, oldest first, and the number left."""
        query = f"SELECT count(*) FROM clip WHERE {OVERLAPS}"  # noqa: S608
        total = int(self.rows(query, span(start, end))[0][0])
        clause = f"AND {OVERLAPS} ORDER BY started_at DESC, id DESC LIMIT ?"
        newest = self._clips(clause, *span(start, end), at_most)
        return newest[::-1], total - len(newest)

    def oldest(self) -> float | None:
        """The start of the oldest clip."""
        return self.rows("SELECT min(started_at) FROM clip")[0][0]  # type: ignore[no-any-return]

    def recorded_seconds(self, *, start: float, end: float) -> float:
        """The length of all clips that began in ``[start, end]``."""
        query = "SELECT total(duration_seconds) FROM clip WHERE started_at BETWEEN ? AND ?"
        return float(self.rows(query, (start, end))[0][0])

    def held_clips(self, *, at_most: int = -1) -> list[str]:
        """Clips that match an open request, or are in a release not sealed yet, the oldest first.

        An id begins with the time of its clip.
        """
        query = """
            SELECT clip FROM match JOIN request ON digest = match.request WHERE state = 'OPEN'
            UNION
            SELECT clip FROM release_clip JOIN release ON id = release_clip.release
            WHERE state IN ('PROPOSED', 'APPROVED')
            ORDER BY clip LIMIT ?"""
        return [row[0] for row in self.rows(query, (at_most,))]

    # The catalog

    def clip_stamps(self, day: str) -> dict[str, int]:
        """The clips of one day, each with the stamp of its sidecar."""
        query = "SELECT id, stamp FROM clip WHERE id BETWEEN ? AND ?"
        return dict(self.rows(query, (f"{day}-", f"{day}.")))

    def put_clip(self, clip: Clip, *, stamp: int) -> None:
        """Insert ``clip`` or replace its row. Inside a transaction."""
        self._put((*astuple(clip), stamp), "stamp")

    # Health

    def set_health(self, state: str, detail: str, at: float) -> None:
        """Write the state of the gateway if it has changed."""
        known = self.health()
        if known is None or (known.state, known.detail) != (state, detail):
            with self.transaction() as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO health VALUES (1, ?, ?, ?)", (at, state, detail)
                )

    def health(self) -> Health | None:
        """The state that the gateway last wrote."""
        rows = self.rows("SELECT at, state, detail FROM health")
        return Health(*rows[0]) if rows else None


def carry_over(old: Path, database: GatewayDatabase) -> None:
    """Copy the rows of ``old``, the one database of before, by the names of their columns.

    New columns take their default. All in one transaction, into an empty ``database``.
    """
    with closing(sqlite3.connect(f"{old.absolute().as_uri()}?mode=rw", uri=True)) as source:
        version = schema.pragma(source, "user_version")
        tables = source.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        with database.transaction() as connection:
            connection.execute("PRAGMA defer_foreign_keys = ON")
            for (table,) in tables:
                if table not in _NOT_CARRIED:
                    _copy(source, connection, table)
            for statement in _ADDED_BY_3 if version < 3 else ():
                connection.execute(statement)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    new = _columns(target, table)
    if shared := ", ".join(column for column in _columns(source, table) if column in new):
        rows = source.execute(f"SELECT {shared} FROM {table}")  # noqa: S608
        marks = ", ".join("?" * (shared.count(",") + 1))
        target.executemany(f"INSERT INTO {table} ({shared}) VALUES ({marks})", rows)  # noqa: S608


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    query = "SELECT name FROM pragma_table_info(?)"
    return [name for (name,) in connection.execute(query, (table,))]
