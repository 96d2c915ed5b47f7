"""The table ``clip`` that the camera's index and the gateway's database both have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar

from agent.vault.database.connection import Database
from agent.vault.database.rows import LONGEST_RECORDING_SECONDS, Clip, Totals

LONGEST_CLIP_SECONDS = 3_600.0  # generously: a camera cuts after ten minutes at most

CLIP_FIELDS = [field.name for field in fields(Clip)]
_COLUMNS = ", ".join(CLIP_FIELDS)
_FLAGS = ("clock_synced", "truncated", "kept")

# The second bound follows from the others: it lets the index by time find a window without
# reading all clips before it. A clip of unknown length may have run as long as any.
OVERLAPS = (
    "started_at <= ? AND started_at >= ? AND started_at +"
    f" iif(truncated AND duration_seconds = 0, {LONGEST_RECORDING_SECONDS}, duration_seconds) >= ?"
)


def span(start: float | None, end: float | None) -> tuple[float, float, float]:
    """The values that ``OVERLAPS`` asks for."""
    first = float("-inf") if start is None else start
    return (float("inf") if end is None else end, first - LONGEST_CLIP_SECONDS, first)


class ClipTable(Database):
    """A database with clips; ``_THERE`` is the condition that a clip is not being deleted."""

    _THERE: ClassVar[str] = "true"

    def clips(self, *, start: float | None = None, end: float | None = None) -> list[Clip]:
        """Clips that overlap ``[start, end]``, the oldest first."""
        return self._clips(f"AND {OVERLAPS} ORDER BY started_at, id", *span(start, end))

    def clip(self, clip_id: str) -> Clip | None:
        """The clip with this id."""
        return next(iter(self._clips("AND id = ?", clip_id)), None)

    def overlaps(self, clip_id: str, *, start: float, end: float) -> bool:
        """True if the clip with this id overlaps ``[start, end]``."""
        return bool(self._clips(f"AND {OVERLAPS} AND id = ?", *span(start, end), clip_id))

    def totals(self, clip_ids: Sequence[str] | None = None) -> Totals:
        """Count, bytes and oldest start of clips, all unless named, and the number of kept ones."""
        sums = "count(*), total(bytes), min(started_at), total(kept)"
        which = "" if clip_ids is None else " AND id IN (SELECT value FROM json_each(?))"
        query = f"SELECT {sums} FROM clip WHERE {self._THERE}{which}"  # noqa: S608 - our own text
        values = () if clip_ids is None else (json.dumps(clip_ids),)
        count, size, oldest, kept = self.rows(query, values)[0]
        return Totals(count, int(size), oldest, int(kept))

    def days(self) -> set[str]:
        """The days of all clips, as their ids begin."""
        query = f"SELECT DISTINCT substr(id, 1, 8) FROM clip WHERE {self._THERE}"  # noqa: S608
        return {row[0] for row in self.rows(query)}

    def ids_of(self, day: str) -> set[str]:
        """The ids of the clips of one day."""
        query = f"SELECT id FROM clip WHERE {self._THERE} AND id BETWEEN ? AND ?"  # noqa: S608
        return {row[0] for row in self.rows(query, (f"{day}-", f"{day}."))}

    def drop_clip(self, clip_id: str) -> None:
        """Delete the row of a clip whose files are gone. Inside a transaction."""
        self.connection.execute("DELETE FROM clip WHERE id = ?", (clip_id,))

    def _clips(self, clause: str, *values: object) -> list[Clip]:
        query = f"SELECT {_COLUMNS} FROM clip WHERE {self._THERE} {clause}"  # noqa: S608
        return [_clip(row) for row in self.rows(query, values)]

    def _put(self, values: Sequence[object], *more: str) -> None:
        """Insert a clip or replace its row; ``values`` end with those of the columns ``more``."""
        names = [*CLIP_FIELDS, *more]
        updates = ", ".join(f"{name} = excluded.{name}" for name in names)
        self.connection.execute(
            f"INSERT INTO clip ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
            f" ON CONFLICT (id) DO UPDATE SET {updates}",
            values,
        )


def _clip(row: Sequence[Any]) -> Clip:
    values = dict(zip(CLIP_FIELDS, row, strict=True))
    return Clip(**values | {name: bool(values[name]) for name in _FLAGS})
