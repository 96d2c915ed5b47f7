"""Holds: decisions that their owner must name again before the release goes on.

Something that an owner said may have been lost: the broker forgot it, or this file is an
older copy. Rows only: :mod:`agent.gateway.release.holds` judges.
"""

from __future__ import annotations

from agent.vault.records.table import Table


class HoldTable(Table):
    """Reads the tables ``hold`` and ``doubt``."""

    def why(self, release: str) -> str:
        """The reason why ``release`` is held; empty if it is not."""
        rows = self._database.rows("SELECT why FROM hold WHERE release = ? LIMIT 1", (release,))
        return str(rows[0][0]) if rows else ""

    def held(self) -> dict[str, str]:
        """The releases that are held, by id, each with the reason."""
        return dict(
            self._database.rows(
                "SELECT hold.release, max(why) FROM hold JOIN release ON release.id = hold.release"
                " WHERE state IN ('PROPOSED', 'APPROVED', 'SEALED') GROUP BY 1 ORDER BY 1"
            )
        )

    def doubted_until(self) -> float | None:
        """Decisions signed until this time may have been revoked; None: there is no doubt."""
        rows = self._database.rows("SELECT at FROM doubt")
        return float(rows[0][0]) if rows else None


class HoldWriter(HoldTable):
    """Writes these tables."""

    def doubt(self, *, at: float) -> None:
        """Doubt all decisions that were signed before ``at``, also those that come later."""
        self._execute("INSERT OR REPLACE INTO doubt VALUES (1, ?)", at)

    def hold(self, release: str, decision: str, owner: str, why: str, *, at: float) -> None:
        """Hold ``release`` until ``owner`` names ``decision``, signed after ``at``."""
        row = (decision, release, owner, at, why)
        self._execute("INSERT OR REPLACE INTO hold VALUES (?, ?, ?, ?, ?)", *row)

    def confirm(self, decision: str, *, owner: str, signed_at: int) -> str | None:
        """End the hold of ``decision``; the release, if that was held by it."""
        rows = self._execute(
            "DELETE FROM hold WHERE decision = ? AND owner = ? AND CAST(at AS INTEGER) <= ?"
            " RETURNING release",
            *(decision, owner, signed_at),
        ).fetchall()
        return str(rows[0][0]) if rows else None
