"""The camera's index of its clips.

``camera.sql`` defines its tables and columns. Nothing is written that has not changed,
because the disk is an SD card.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from agent.vault.database.clip_table import CLIP_FIELDS, LONGEST_CLIP_SECONDS, ClipTable
from agent.vault.database.recorded_share import Recorded, hour_before
from agent.vault.database.rows import LONGEST_RECORDING_SECONDS, Clip, Totals
from agent.vault.database.schema import Schema
from agent.vault.database.stock import Stock

__all__ = ["LONGEST_CLIP_SECONDS", "Clip", "Index", "Totals", "path_of"]


def path_of(state_dir: Path) -> Path:
    """The camera's index below ``state_dir``."""
    return state_dir / "camera" / "index.sqlite"


_RECORDED = ", ".join(Recorded._fields)
_ENDED_MONOTONIC = "monotonic_seconds + duration_seconds"
_HELD = """
    SELECT id, bytes FROM (
        SELECT 0 AS turn, rowid AS number, id, bytes FROM clip
        WHERE kept = 1 AND deleting = 0
        UNION ALL
        SELECT 1, rowid, id, bytes FROM clip
        WHERE id IN (SELECT value FROM json_each(?)) AND kept = 0 AND deleting = 0
    ) ORDER BY turn, number"""
_VALUES = attrgetter(*CLIP_FIELDS)


class Sized(NamedTuple):
    """The id of a clip and the bytes of its sealed file."""

    id: str
    bytes: int


class Index(ClipTable):
    """An open index. The camera that writes it is its only writer, so sums are kept in memory."""

    SCHEMA = Schema("camera.sql")
    CURE = (
        "Stop the camera, and move this file and those with -wal and -shm after its name away:"
        " at its next start the camera finds every clip again"
    )
    _THERE = "deleting = 0"

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._stock: Stock | None = None
        self._held: tuple[object, list[Sized]] = (None, [])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """See :meth:`Database.transaction`; sums of rows that did not come are forgotten."""
        try:
            with super().transaction() as connection:
                yield connection
        except BaseException:
            self._stock = None
            raise

    @property
    def stock(self) -> Stock:
        """Sums over all clips."""
        if self._stock is None:
            query = f"SELECT {_RECORDED} FROM clip WHERE deleting = 0 ORDER BY rowid"  # noqa: S608
            self._stock = Stock(Recorded(*row) for row in self.each(query))
        return self._stock

    def as_recorded(self) -> Iterator[Sized]:
        """All clips in the order of recording, independent of the clock; read as they are used."""
        query = "SELECT id, bytes FROM clip WHERE deleting = 0 ORDER BY rowid"
        return (Sized(*row) for row in self.each(query))

    def held(self, clip_ids: Collection[str]) -> list[Sized]:
        """Clips that an owner keeps, then those in ``clip_ids``, each as recorded.

        Remembered until a row changes: there may be thousands, asked for every half minute.
        """
        asked = (self.own_changes(), clip_ids)
        if self._held[0] != asked:
            found = self.rows(_HELD, (json.dumps(list(clip_ids)),))
            self._held = (asked, [Sized(*row) for row in found])
        return self._held[1]

    def kept_bytes(self, *, but: str) -> int:
        """The bytes of all clips that an owner keeps, ``but`` one."""
        query = "SELECT total(bytes) FROM clip WHERE kept = 1 AND deleting = 0 AND id != ?"
        return int(self.rows(query, (but,))[0][0])

    def ended_before(
        self, *, boot_id: str, monotonic: float, wall: float | None
    ) -> Iterator[Sized]:
        """Clips that ended before a moment, as recorded.

        Those of this boot by the monotonic clock, those of others by ``wall``: none if it is
        None, and none whose own time is uncertain.
        """
        here = f"boot_id = ? AND monotonic_seconds < ? AND {_ENDED_MONOTONIC} < ?"
        values: list[object] = [boot_id, monotonic, monotonic]
        query = f"SELECT rowid AS number, id, bytes FROM clip WHERE deleting = 0 AND {here}"  # noqa: S608
        if wall is not None:
            query += (
                " UNION ALL SELECT rowid, id, bytes FROM clip WHERE deleting = 0"
                " AND clock_synced = 1 AND started_at < ? AND started_at + duration_seconds < ?"
                " AND boot_id != ?"
            )
            values += [wall, wall, boot_id]
        ordered = f"SELECT id, bytes FROM ({query}) ORDER BY number"  # noqa: S608
        return (Sized(*row) for row in self.each(ordered, values))

    def recorded_in_hour(self, *, boot_id: str, monotonic: float) -> list[Recorded]:
        """Clips of this boot of which some may lie in the hour before ``monotonic``."""
        query = (
            f"SELECT {_RECORDED} FROM clip"  # noqa: S608
            " WHERE deleting = 0 AND boot_id = ? AND monotonic_seconds > ?"
        )
        begin = hour_before(monotonic) - LONGEST_RECORDING_SECONDS
        return [Recorded(*row) for row in self.rows(query, (boot_id, begin))]

    def unsynced_clips(self, boot_id: str, *, at_most: int | None = None) -> list[Clip]:
        """Clips of a boot whose wall time does not come from a synced clock, as recorded."""
        clause = "AND clock_synced = 0 AND boot_id = ? ORDER BY rowid LIMIT ?"
        return self._clips(clause, boot_id, -1 if at_most is None else at_most)

    def first_unsynced_of_each_boot(self) -> list[Clip]:
        """Of such clips the first that was recorded, for each boot."""
        first = "SELECT min(rowid) FROM clip WHERE clock_synced = 0 AND deleting = 0"
        return self._clips(f"AND rowid IN ({first} GROUP BY boot_id) ORDER BY rowid")

    def put_clip(self, clip: Clip) -> None:
        """Insert ``clip`` or replace its row. Inside a transaction."""
        if self._stock is not None:
            if self.clip(clip.id) is None:
                self._stock.put(clip)
            else:
                self._stock = None
        self._put(_VALUES(clip))

    def last_recorded(self) -> int:
        """A number for :meth:`order_by_time`."""
        return int(self.rows("SELECT coalesce(max(rowid), 0) FROM clip")[0][0])

    def order_by_time(self, *, after: int) -> None:
        """Make clips that were put after ``last_recorded`` as if recorded in the order of dates.

        Inside a transaction.
        """
        is_right = "SELECT started_at FROM clip WHERE rowid > ? ORDER BY rowid"
        before = float("-inf")
        for (started_at,) in self.each(is_right, (after,)):
            if started_at < before:
                break
            before = started_at
        else:
            return
        dated = self.rows("SELECT id FROM clip WHERE rowid > ? ORDER BY started_at, id", (after,))
        for number, (clip_id,) in enumerate(dated, start=self.last_recorded() + 1):
            self.connection.execute("UPDATE clip SET rowid = ? WHERE id = ?", (number, clip_id))
        self._stock = None

    def correct_start(self, clip_id: str, started_at: float, *, duration_seconds: float) -> None:
        """Set the times of a clip by a clock that is synced now. Inside a transaction."""
        self.connection.execute(
            "UPDATE clip SET started_at = ?, duration_seconds = ?, clock_synced = 1 WHERE id = ?",
            (started_at, duration_seconds, clip_id),
        )

    def set_kept(self, clip_id: str, kept: bool) -> None:
        """Note that an owner keeps this clip, or no longer. Inside a transaction."""
        self.connection.execute("UPDATE clip SET kept = ? WHERE id = ?", (kept, clip_id))

    def command_seen(self, jti: str) -> bool:
        """True if an owner's command with this id was obeyed."""
        return bool(self.rows("SELECT 1 FROM command WHERE jti = ?", (jti,)))

    def answer_to(self, name: str) -> str | None:
        """The answer to an owner's command that was obeyed, by the digits of its digest."""
        rows = self.rows("SELECT answer FROM command WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def note_command(self, jti: str, name: str, answer: str, *, at: float) -> None:
        """Note that a command was obeyed. Inside a transaction."""
        self.connection.execute("INSERT INTO command VALUES (?, ?, ?, ?)", (jti, name, answer, at))

    def mark_deleting(self, clip_id: str) -> bool:
        """Hide this clip; False if there is none. Inside a transaction."""
        self._forget(clip_id)
        marked = self.connection.execute("UPDATE clip SET deleting = 1 WHERE id = ?", (clip_id,))
        return marked.rowcount > 0

    def drop_clip(self, clip_id: str) -> None:
        """See :meth:`ClipTable.drop_clip`."""
        self._forget(clip_id)
        super().drop_clip(clip_id)

    def _forget(self, clip_id: str) -> None:
        """Take a clip that is still there out of the sums."""
        if self._stock is not None and (clip := self.clip(clip_id)) is not None:
            self._stock.drop(clip_id, clip.bytes)

    def deleting_clips(self) -> list[str]:
        """Clips marked as deleting, whose files may still exist."""
        return [row[0] for row in self.rows("SELECT id FROM clip WHERE deleting = 1 ORDER BY id")]
