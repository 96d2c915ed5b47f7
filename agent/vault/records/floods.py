"""Counts of posts that were not kept, and the last view of each public log."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vault.records.table import Table


@dataclass(frozen=True, slots=True)
class Flood:
    """A row of ``flood``; the columns are explained in ``gateway.sql``."""

    day: int
    source: str
    posts: int


class FloodTable(Table):
    """Reads the table ``flood``."""

    def all(self) -> list[Flood]:
        """All floods whose day was not closed."""
        rows = self._database.rows("SELECT day, source, posts FROM flood ORDER BY day, source")
        return [Flood(*row) for row in rows]


class FloodWriter(FloodTable):
    """Writes the tables ``flood`` and ``counted``."""

    def put(self, flood: Flood) -> None:
        """Note how many posts were only counted."""
        self._execute(
            "INSERT OR REPLACE INTO flood VALUES (?, ?, ?)", flood.day, flood.source, flood.posts
        )

    def close(self, flood: Flood) -> None:
        """Add a flood whose day is over to the total of its source."""
        self._execute("DELETE FROM flood WHERE day = ? AND source = ?", flood.day, flood.source)
        self._execute(
            "INSERT INTO counted VALUES (?, ?)"
            " ON CONFLICT (source) DO UPDATE SET posts = posts + excluded.posts",
            *(flood.source, flood.posts),
        )


class LogTable(Table):
    """Reads the table ``log``."""

    def view(self, origin: str) -> str | None:
        """The last view of a log; None if it was never seen."""
        rows = self._database.rows("SELECT view FROM log WHERE origin = ?", (origin,))
        return str(rows[0][0]) if rows else None


class LogWriter(LogTable):
    """Writes the table ``log``."""

    def put(self, origin: str, view: str) -> None:
        """Note the view of a log."""
        self._execute("INSERT OR REPLACE INTO log VALUES (?, ?)", origin, view)
