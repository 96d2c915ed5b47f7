"""Holds: decisions that their owner must name again before the release goes on.

Something that an owner said may have been lost: the broker forgot it, or this file is an
older copy. Rows only: :mod:`agent.gateway.release.holds` judges.
"""

from __future__ import annotations

from collections.abc import Collection

from agent.vault.records.table import Table, marks

_COMPUTER_SECONDS = 30 * 86_400.0  # a computer that is silent for so long is waited for no more
_MOST_COMPUTERS = 8  # of an owner


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

    def release_of(self, decision: str) -> str | None:
        """The release that is held by ``decision``."""
        rows = self._database.rows("SELECT release FROM hold WHERE decision = ?", (decision,))
        return str(rows[0][0]) if rows else None

    def doubted_until(self) -> float | None:
        """Decisions signed until this time may have been revoked; None: there is no doubt."""
        rows = self._database.rows("SELECT at FROM doubt")
        return float(rows[0][0]) if rows else None

    def unheard(
        self, decision: str, *, owner: str, computer: str | None, household: Collection[str]
    ) -> float | None:
        """The time of the last word of another computer of ``household``, silent since the hold.

        ``household`` are the owners: any may have revoked. None if all were heard: what was
        revoked on one of them would be known.
        """
        query = (
            "SELECT max(computer.at) FROM computer, hold WHERE decision = ?"  # noqa: S608 - marks
            " AND NOT (computer.owner = ? AND id IS ?) AND computer.at < CAST(hold.at AS INTEGER)"
            f" AND computer.owner IN ({marks(list(household))})"
        )
        (row,) = self._database.rows(query, (decision, owner, computer, *household))
        return None if row[0] is None else float(row[0])


class HoldWriter(HoldTable):
    """Writes these tables, and ``computer``."""

    def note_computer(self, owner: str, computer: str, *, at: float) -> None:
        """Note that ``computer`` sent a sync, and forget those that have not for a month."""
        self._execute(
            "INSERT INTO computer VALUES (?, ?, ?) ON CONFLICT (owner, id)"
            " DO UPDATE SET at = max(at, excluded.at)",
            *(owner, computer, at),
        )
        self._execute(
            "DELETE FROM computer WHERE owner = ?1 AND (at < ?2 OR id NOT IN"
            " (SELECT id FROM computer WHERE owner = ?1 ORDER BY at DESC LIMIT ?3))",
            *(owner, at - _COMPUTER_SECONDS, _MOST_COMPUTERS),
        )

    def explain(self, decision: str, why: str) -> None:
        """Replace the reason for people."""
        self._execute("UPDATE hold SET why = ? WHERE decision = ?", why, decision)

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
