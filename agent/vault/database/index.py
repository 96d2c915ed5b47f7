"""The camera's index of its clips.

``camera.sql`` defines its tables and columns. Nothing is written that has not changed,
because the disk is an SD card.
"""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

from agent.vault.database.clip_table import LONGEST_CLIP_SECONDS, ClipTable
from agent.vault.database.rows import Clip, Totals
from agent.vault.database.schema import Schema

__all__ = ["LONGEST_CLIP_SECONDS", "Clip", "Index", "Totals", "path_of"]


def path_of(state_dir: Path) -> Path:
    """The camera's index below ``state_dir``."""
    return state_dir / "camera" / "index.sqlite"


class Index(ClipTable):
    """An open index."""

    SCHEMA = Schema("camera.sql")
    CURE = (
        "Stop the camera, and move this file and those with -wal and -shm after its name away:"
        " at its next start the camera finds every clip again"
    )
    _THERE = "deleting = 0"

    def clips_as_recorded(self) -> list[Clip]:
        """All clips in the order of recording, independent of the clock."""
        return self._clips("ORDER BY rowid")

    def unsynced_clips(self) -> list[Clip]:
        """Clips whose wall time does not come from a synced clock."""
        return self._clips("AND clock_synced = 0 ORDER BY rowid")

    def put_clip(self, clip: Clip) -> None:
        """Insert ``clip`` or replace its row. Inside a transaction."""
        self._put(astuple(clip))

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
        marked = self.connection.execute("UPDATE clip SET deleting = 1 WHERE id = ?", (clip_id,))
        return marked.rowcount > 0

    def deleting_clips(self) -> list[str]:
        """Clips marked as deleting, whose files may still exist."""
        return [row[0] for row in self.rows("SELECT id FROM clip WHERE deleting = 1 ORDER BY id")]
