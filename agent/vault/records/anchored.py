"""The mark that the ledger's head is remembered beside the keys, and when that was found gone."""

from __future__ import annotations

from agent.vault.records.table import Table


class AnchoredTable(Table):
    """Reads the table ``anchored``."""

    def is_anchored(self) -> bool:
        """True once the head was remembered."""
        return bool(self._database.rows("SELECT 1 FROM anchored"))

    def lost_at(self) -> float | None:
        """The time at which the head was last found missing; None if it never was."""
        rows = self._database.rows("SELECT lost_at FROM anchored WHERE lost_at IS NOT NULL")
        return float(rows[0][0]) if rows else None


class AnchoredWriter(AnchoredTable):
    """Writes this table."""

    def mark(self) -> None:
        """Note that the head is remembered."""
        self._execute("INSERT OR IGNORE INTO anchored VALUES (1, NULL)")

    def lose(self, *, at: float) -> None:
        """Note that the head is gone."""
        self._execute("INSERT OR REPLACE INTO anchored VALUES (1, ?)", at)
