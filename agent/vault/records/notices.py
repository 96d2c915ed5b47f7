"""Notices for the owners: few rows, whatever is posted."""

from __future__ import annotations

import math

import msgspec

from agent.consent.statements import Notice
from agent.vault.records.table import Table

KEPT_NOTICES = 200
_SHOWN_OF_ONE, _KEPT_OF_ONE = 12, 24  # about one author, so that none crowds out the rest
_KEPT_TROUBLES = 5  # about the log: these stay whatever else there is
_COLUMNS = "kind, at, until, who, title, text, subject"


class NoticeTable(Table):
    """Reads the table ``notice``."""

    def shown(
        self, *, at_most: int, now: float, paused_at: float | None = None
    ) -> tuple[list[Notice], int]:
        """The notices to show, the newest first, and how many more there are.

        Expired notices are left out, and in a pause those that came since, unless they are
        about the log. Of one author only some are shown.
        """
        current = "(until IS NULL OR until > ?) AND (kind = 'log' OR at < ?)"
        bounds = (now, math.inf if paused_at is None else int(paused_at))
        query = f"SELECT count(*) FROM notice WHERE {current}"  # noqa: S608
        (total,) = self._database.rows(query, bounds)[0]
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM (SELECT number, {_COLUMNS},"  # noqa: S608
            "  row_number() OVER (PARTITION BY who, kind = 'log' ORDER BY number DESC) AS nth"
            f" FROM notice WHERE {current})"
            " WHERE nth <= ? ORDER BY kind = 'log' AND nth <= ? DESC, number DESC LIMIT ?",
            (*bounds, _SHOWN_OF_ONE, _KEPT_TROUBLES, at_most),
        )
        notices = [_notice(*row) for row in rows]
        notices.sort(key=lambda notice: notice.at, reverse=True)
        return notices, int(total) - len(notices)

    def next_end(self) -> float | None:
        """The time at which the next notice expires; None if none will."""
        (until,) = self._database.rows("SELECT min(until) FROM notice")[0]
        return None if until is None else float(until)


class NoticeWriter(NoticeTable):
    """Writes the table ``notice``."""

    def put(self, notice: Notice, *, since: int = 0) -> None:
        """Add a notice; it replaces one of the same kind, author and subject from ``since`` on."""
        kind, who, subject = notice.kind, notice.who, notice.subject
        self._execute(
            "DELETE FROM notice WHERE kind = ? AND who = ? AND subject = ? AND at >= ?",
            *(kind, who, subject, since),
        )
        self._execute(
            f"INSERT INTO notice ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            *(kind, notice.at, notice.until, who, notice.title, notice.text, subject),
        )
        self._execute(
            "DELETE FROM notice WHERE number NOT IN"
            " (SELECT number FROM (SELECT number, row_number() OVER"
            "   (PARTITION BY who, kind = 'log' ORDER BY number DESC) AS nth FROM notice)"
            "  WHERE nth <= ? ORDER BY number DESC LIMIT ?)"
            " AND number NOT IN"
            " (SELECT number FROM notice WHERE kind = 'log' ORDER BY number DESC LIMIT ?)",
            *(_KEPT_OF_ONE, KEPT_NOTICES - _KEPT_TROUBLES, _KEPT_TROUBLES),
        )

    def drop_expired(self, *, now: float) -> None:
        """Delete the expired notices."""
        self._execute("DELETE FROM notice WHERE until <= ?", now)


def _notice(
    kind: str, at: float, until: float | None, who: str, title: str, text: str, subject: str
) -> Notice:
    end = None if until is None else int(until)
    row = {"kind": kind, "who": who, "title": title, "text": text, "subject": subject}
    return msgspec.convert({**row, "at": int(at), "until": end}, Notice)
