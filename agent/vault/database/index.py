"""The index: rows of clips, and what each process says of itself.

``schema.sql`` defines its tables and columns. Nothing is written that has not changed,
because the disk is an SD card. The camera's process writes these rows and may have been
taken over, so rows that our camera would never write are ignored
(:mod:`agent.vault.database.rows`). Requests, releases and the ledger have modules of
their own in :mod:`agent.vault.records`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from typing import Any

from agent.vault.database.connection import Database
from agent.vault.database.rows import LONGEST_RECORDING_SECONDS, Clip, ClipDigest, Health, Totals

__all__ = ["FILE_NAME", "LONGEST_CLIP_SECONDS", "Clip", "ClipDigest", "Health", "Index", "Totals"]

_log = logging.getLogger(__name__)

FILE_NAME = "agent.sqlite"
LONGEST_CLIP_SECONDS = 3_600.0  # generously: a camera cuts after ten minutes at most

_CLIP_FIELDS = [field.name for field in fields(Clip)]
_CLIP_COLUMNS = ", ".join(_CLIP_FIELDS)
_CLIP_MARKS = ", ".join("?" * len(_CLIP_FIELDS))
_CLIP_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in _CLIP_FIELDS)
_HEALTH_COLUMNS = ", ".join(field.name for field in fields(Health))

# The second bound follows from the others: it lets the index by time find a window without
# reading all clips before it. A clip of unknown length may have run as long as any.
_OVERLAPS = (
    "AND started_at <= ? AND started_at >= ? AND started_at +"
    f" iif(truncated AND duration_seconds = 0, {LONGEST_RECORDING_SECONDS}, duration_seconds) >= ?"
)


def _span(start: float | None, end: float | None) -> tuple[float, float, float]:
    """The values that ``_OVERLAPS`` asks for."""
    first = float("-inf") if start is None else start
    return (float("inf") if end is None else end, first - LONGEST_CLIP_SECONDS, first)


class Index(Database):
    """An open index."""

    _unsound_told = False

    # Clips

    def clips(self, *, start: float | None = None, end: float | None = None) -> list[Clip]:
        """Clips that overlap ``[start, end]``, the oldest first."""
        return self._clips(f"{_OVERLAPS} ORDER BY started_at, id", *_span(start, end))

    def unmatched_clips(self, request: str, *, start: float, end: float) -> list[ClipDigest]:
        """Clips that overlap ``[start, end]`` and do not match ``request`` yet, the oldest first.

        Only the columns of a match are read: there may be thousands.
        """
        unmatched = "NOT EXISTS (SELECT 1 FROM match WHERE request = ? AND clip = clip.id)"
        clause = f"deleting = 0 {_OVERLAPS} AND {unmatched} ORDER BY started_at, id"
        query = f"SELECT id, sha256 FROM clip WHERE {clause}"  # noqa: S608
        found = [ClipDigest(*row) for row in self.rows(query, (*_span(start, end), request))]
        return [clip for clip in found if clip.is_sound]

    def newest_clips(self, *, start: float, end: float, at_most: int) -> tuple[list[Clip], int]:
        """The newest clips that overlap ``[start, end]``, oldest first, and the number left."""
        query = f"SELECT count(*) FROM clip WHERE deleting = 0 {_OVERLAPS}"  # noqa: S608
        total = int(self.rows(query, _span(start, end))[0][0])
        clause = f"{_OVERLAPS} ORDER BY started_at DESC, id DESC LIMIT ?"
        newest = self._clips(clause, *_span(start, end), at_most)
        return newest[::-1], total - len(newest)

    def clips_as_recorded(self) -> list[Clip]:
        """All clips in the order of recording, independent of the clock."""
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
        """Warn once: rows are read many times a minute, and the log is on the card."""
        if not self._unsound_told:
            self._unsound_told = True
            _log.warning("%s: rows that no camera of ours writes are ignored", self.path)

    def totals(self) -> Totals:
        """Count, bytes and oldest start of all clips."""
        query = "SELECT count(*), total(bytes), min(started_at) FROM clip WHERE deleting = 0"
        count, size, oldest = self.rows(query)[0]
        return Totals(count, int(size), oldest)

    def held_clips(self) -> list[str]:
        """Clips that match an open request, or are in a release not sealed yet."""
        query = """
            SELECT clip FROM match JOIN request ON digest = match.request WHERE state = 'OPEN'
            UNION
            SELECT clip FROM release_clip JOIN release ON id = release_clip.release
            WHERE state IN ('PROPOSED', 'APPROVED')
            ORDER BY clip"""
        return [row[0] for row in self.rows(query)]

    def put_clip(self, clip: Clip) -> None:
        """Insert ``clip`` or replace its row. Inside a transaction."""
        self.connection.execute(
            f"INSERT INTO clip ({_CLIP_COLUMNS}) VALUES ({_CLIP_MARKS})"  # noqa: S608
            f" ON CONFLICT (id) DO UPDATE SET {_CLIP_UPDATES}",
            astuple(clip),
        )

    def correct_start(self, clip_id: str, started_at: float, *, duration_seconds: float) -> None:
        """Set the times of a clip by a clock that is synced now. Inside a transaction."""
        self.connection.execute(
            "UPDATE clip SET started_at = ?, duration_seconds = ?, clock_synced = 1 WHERE id = ?",
            (started_at, duration_seconds, clip_id),
        )

    def mark_deleting(self, clip_id: str) -> bool:
        """Hide this clip from everybody; False if there is none. Inside a transaction."""
        marked = self.connection.execute("UPDATE clip SET deleting = 1 WHERE id = ?", (clip_id,))
        return marked.rowcount > 0

    def deleting_clips(self) -> list[str]:
        """Clips marked as deleting, whose files may still exist."""
        return [row[0] for row in self.rows("SELECT id FROM clip WHERE deleting = 1 ORDER BY id")]

    def drop_clip(self, clip_id: str) -> None:
        """Delete the row of a clip whose files are gone. Inside a transaction."""
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
        """Write the health of ``part`` if it has changed.

        Without ``last_motion_at`` the previous one stays.
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
        """The health that ``part`` last wrote."""
        query = f"SELECT {_HEALTH_COLUMNS} FROM health WHERE part = ?"  # noqa: S608
        for row in self.rows(query, (part,)):
            said = Health(*row)
            if said.is_sound:
                return said
            self._report_unsound()
        return None


def _clip(row: Sequence[Any]) -> Clip:
    known = Clip(*row)
    return replace(known, clock_synced=bool(known.clock_synced), truncated=bool(known.truncated))
