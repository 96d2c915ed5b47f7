"""Awaited receipts: releases that were sealed or sent, and not yet confirmed by their recipient.

Rows only: :mod:`agent.gateway.release.receipts` asks for the receipts and judges them.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.vault.records.table import Table, columns_of


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A row of ``receipt`` of a release that was sent; see ``gateway.sql``."""

    release: str
    statement: str
    sent_at: float
    asked: int
    not_before: float
    overdue: int


_COLUMNS = columns_of(ReceiptRow)


class ReceiptTable(Table):
    """Reads the table ``receipt``."""

    def due(self, now: float, *, longest_pause: float) -> ReceiptRow | None:
        """The first row to ask for. A clock far ahead may have set a pause longer than any."""
        query = (
            f"SELECT {_COLUMNS} FROM receipt WHERE sent_at IS NOT NULL"  # noqa: S608 - our own names
            " AND (not_before <= ?1 OR not_before > ?1 + ?2) ORDER BY not_before, release LIMIT 1"
        )
        rows = self._database.rows(query, (now, longest_pause))
        return ReceiptRow(*rows[0]) if rows else None


class ReceiptWriter(ReceiptTable):
    """Writes the table."""

    def expect(self, release: str, statement: str) -> None:
        """``release`` was sealed, perhaps again, with the release statement of this digest."""
        self._execute(
            "INSERT OR REPLACE INTO receipt (release, statement) VALUES (?, ?)",
            *(release, statement),
        )

    def sent(self, release: str, *, at: float, first_pause: float) -> None:
        """``release`` was sent to its last byte: ask from now on."""
        self._execute(
            "UPDATE receipt SET sent_at = ?, not_before = ? WHERE release = ?",
            *(at, at + first_pause, release),
        )

    def ask_later(self, release: str, *, not_before: float) -> None:
        """Count a vain question, and set the time of the next."""
        self._execute(
            "UPDATE receipt SET asked = asked + 1, not_before = ? WHERE release = ?",
            *(not_before, release),
        )

    def note_overdue(self, release: str) -> None:
        """Note that the owners were told that no receipt came."""
        self._execute("UPDATE receipt SET overdue = 1 WHERE release = ?", release)

    def drop(self, release: str) -> None:
        """Await no receipt of ``release`` any more."""
        self._execute("DELETE FROM receipt WHERE release = ?", release)
