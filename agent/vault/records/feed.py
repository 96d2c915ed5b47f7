"""What the gateway keeps of the public feed beside requests: notices, floods, logs.

Rows only, and few of them whatever is posted: :data:`KEPT_NOTICES` notices, one flood for
each source and day that is not over, one view for each log. Every writing method expects to
run inside :meth:`agent.vault.database.index.Index.transaction`. What is worth a row is for the
gateway to say.
"""

from __future__ import annotations

import logging
import math
import sqlite3
from dataclasses import dataclass

import msgspec

from agent.consent.statements import Notice
from agent.vault.database.index import Index
from agent.vault.database.rows import clamp_count

log = logging.getLogger(__name__)

KEPT_NOTICES = 200
_SHOWN_OF_ONE, _KEPT_OF_ONE = 12, 24  # about one author, so that none crowds out the rest
_KEPT_TROUBLES = 5  # about the log: these stay whatever else there is
_DAYS = range(100_000)  # until the year 2243
_COLUMNS = "kind, at, until, who, title, text, subject"


@dataclass(frozen=True, slots=True)
class Flood:
    """A row of ``flood``; the columns are explained in ``schema.sql``."""

    day: int
    source: str
    posts: int


class Feed:
    """The tables ``notice``, ``flood`` and ``log``."""

    def __init__(self, index: Index) -> None:
        self._index = index

    @property
    def _db(self) -> sqlite3.Connection:
        return self._index.connection

    # Notices

    def put_notice(self, notice: Notice, *, since: int = 0) -> None:
        """Add a notice; it replaces one of the same kind, author and subject from ``since`` on."""
        self._db.execute(
            "DELETE FROM notice WHERE kind = ? AND who = ? AND subject = ? AND at >= ?",
            (notice.kind, notice.who, notice.subject, since),
        )
        self._db.execute(
            f"INSERT INTO notice ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                notice.kind, notice.at, notice.until, notice.who, notice.title, notice.text,
                notice.subject,
            ),
        )  # fmt: skip
        self._db.execute(
            "DELETE FROM notice WHERE number NOT IN"
            " (SELECT number FROM (SELECT number, row_number() OVER"
            "   (PARTITION BY who, kind = 'log' ORDER BY number DESC) AS nth FROM notice)"
            "  WHERE nth <= ? ORDER BY number DESC LIMIT ?)"
            " AND number NOT IN"
            " (SELECT number FROM notice WHERE kind = 'log' ORDER BY number DESC LIMIT ?)",
            (_KEPT_OF_ONE, KEPT_NOTICES - _KEPT_TROUBLES, _KEPT_TROUBLES),
        )

    def notices(
        self, *, at_most: int, now: float, paused_at: float | None = None
    ) -> tuple[list[Notice], int]:
        """The notices to show, the newest first, and how many more there are.

        Not those that time has overtaken, nor, in a pause, what came since, unless it is
        about the log. About one author only some are shown.
        """
        current = "(until IS NULL OR until > ?) AND (kind = 'log' OR at < ?)"
        bounds = (now, float("inf") if paused_at is None else int(paused_at))
        query = f"SELECT count(*) FROM notice WHERE {current}"  # noqa: S608
        (total,) = self._index.rows(query, bounds)[0]
        rows = self._index.rows(
            f"SELECT {_COLUMNS} FROM (SELECT number, {_COLUMNS},"  # noqa: S608
            "  row_number() OVER (PARTITION BY who, kind = 'log' ORDER BY number DESC) AS nth"
            f" FROM notice WHERE {current})"
            " WHERE nth <= ? ORDER BY kind = 'log' AND nth <= ? DESC, number DESC LIMIT ?",
            (*bounds, _SHOWN_OF_ONE, _KEPT_TROUBLES, at_most),
        )
        shown = [notice for row in rows if (notice := _notice(*row)) is not None]
        shown.sort(key=lambda notice: notice.at, reverse=True)
        return shown, int(total) - len(shown)

    def drop_overtaken(self, *, now: float) -> None:
        """Forget the notices that time has overtaken."""
        self._db.execute("DELETE FROM notice WHERE until <= ?", (now,))

    def next_overtaken(self) -> float | None:
        """When the next notice will be overtaken by time; None if none will."""
        (until,) = self._index.rows("SELECT min(until) FROM notice")[0]
        return None if until is None else float(until)

    # Floods

    def floods(self) -> list[Flood]:
        """All floods whose day has not been closed."""
        rows = self._index.rows("SELECT day, source, posts FROM flood ORDER BY day, source")
        return [
            Flood(day, source, clamp_count(posts)) for day, source, posts in rows if day in _DAYS
        ]

    def put_flood(self, flood: Flood) -> None:
        """Note how many posts were only counted."""
        self._db.execute(
            "INSERT OR REPLACE INTO flood VALUES (?, ?, ?)", (flood.day, flood.source, flood.posts)
        )

    def drop_flood(self, flood: Flood) -> None:
        """Its day is over, and its total on the ledger and in the requester's record."""
        self._db.execute(
            "DELETE FROM flood WHERE day = ? AND source = ?", (flood.day, flood.source)
        )
        self._db.execute(
            "INSERT INTO counted VALUES (?, ?)"
            " ON CONFLICT (source) DO UPDATE SET posts = min(posts + excluded.posts, ?)",
            (flood.source, flood.posts, clamp_count(math.inf)),
        )

    # Logs

    def log_view(self, origin: str) -> str | None:
        """What was believed of a log; None if nothing was ever seen of it."""
        rows = self._index.rows("SELECT view FROM log WHERE origin = ?", (origin,))
        return str(rows[0][0]) if rows else None

    def put_log_view(self, origin: str, view: str) -> None:
        """Note what is believed of a log."""
        self._db.execute("INSERT OR REPLACE INTO log VALUES (?, ?)", (origin, view))


def _notice(
    kind: str, at: float, until: float | None, who: str, title: str, text: str, subject: str
) -> Notice | None:
    """A row of ``notice``, checked: what stands on the disk goes into a letter that we sign.

    None for one that does not do, so that the others are shown.
    """
    row = {"kind": kind, "who": who, "title": title, "text": text, "subject": subject}
    try:
        whole_seconds = {"at": int(at), "until": None if until is None else int(until)}
        return msgspec.convert({**row, **whole_seconds}, Notice)
    except (msgspec.ValidationError, OverflowError) as error:
        log.warning("a notice in the index is damaged and not shown: %s", str(error)[:200])
        return None
