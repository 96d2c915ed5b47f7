"""Public requests as received, and their match sets. Rows only: nothing here judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import TypeVar

from agent.consent import lifecycle
from agent.consent.policy.requests import History
from agent.errors import InternalFault
from agent.vault.database.rows import Clip, ClipDigest
from agent.vault.records.table import Table, columns_of, marks

C = TypeVar("C", Clip, ClipDigest)

_DAY_SECONDS = 86_400.0
_GONE = (  # in a match set of an open request, and deleted since
    "gone = 0"
    " AND EXISTS (SELECT 1 FROM request WHERE digest = match.request AND state = 'OPEN')"
    " AND NOT EXISTS (SELECT 1 FROM clip WHERE id = match.clip)"
)


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A row of ``request``; the columns are explained in ``gateway.sql``."""

    digest: str
    jws: str
    jti: str
    requester: str
    reference: str
    state: str
    rule: str
    received_at: float
    window_start: float
    window_end: float
    expires_at: float
    kind: str = ""
    incident: str = ""
    square_miles: float | None = None
    first_post: str = ""
    log_origin: str = ""
    log_index: int | None = None
    log_size: int | None = None
    told_at: float | None = None

    @property
    def is_open(self) -> bool:
        """True while it may be approved or declined."""
        return self.state == "OPEN"


_COLUMNS = columns_of(RequestRow)


class RequestTable(Table):
    """Reads the tables ``request`` and ``match``."""

    def get(self, digest: str) -> RequestRow | None:
        """The request with this digest."""
        return next(iter(self._find("WHERE digest = ?", digest)), None)

    def all(self) -> list[RequestRow]:
        """All requests, the newest first."""
        return self._find("ORDER BY received_at DESC, digest")

    def open(self) -> list[RequestRow]:
        """The open requests, the first to expire first."""
        return self._find("WHERE state = 'OPEN' ORDER BY expires_at, digest")

    def matched(self, *, ended_since: float) -> list[RequestRow]:
        """Requests that matched a clip and are open, or whose time ran out after that."""
        return self._find(
            "WHERE (state = 'OPEN' OR expires_at > ?)"
            " AND EXISTS (SELECT 1 FROM match WHERE request = digest) ORDER BY expires_at, digest",
            ended_since,
        )

    def first_post(self, requester: str, jti: str) -> str:
        """Digest of the first post under this id of its author; empty if there was none."""
        rows = self._database.rows(
            "SELECT digest FROM request WHERE requester = ? AND jti = ? AND first_post = ''"
            " ORDER BY received_at, rowid LIMIT 1",
            (requester, jti),
        )
        return str(rows[0][0]) if rows else ""

    def reposts(self, first: RequestRow, *, at_most: int) -> list[RequestRow]:
        """The newest texts posted under the id of ``first`` after it, oldest first."""
        newest = self._find(
            "WHERE requester = ? AND jti = ? AND first_post = ?"
            " ORDER BY received_at DESC, rowid DESC LIMIT ?",
            *(first.requester, first.jti, first.digest, at_most),
        )
        return newest[::-1]

    def history(self, requester: str, reference: str, jti: str, *, now: float) -> History:
        """Counts for the quotas of the policy; refused requests count as posted."""
        (row,) = self._database.rows(
            "SELECT"
            " (SELECT count(*) FROM request WHERE state = 'OPEN' AND requester = ?1),"
            " (SELECT count(*) FROM request WHERE requester = ?1 AND received_at > ?2),"
            " (SELECT count(*) FROM request WHERE requester = ?1 AND reference = ?3),"
            " EXISTS (SELECT 1 FROM request WHERE requester = ?1 AND jti = ?4)",
            (requester, now - _DAY_SECONDS, reference, jti),
        )
        return History(open=row[0], last_day=row[1], same_reference=row[2], jti_used=bool(row[3]))

    def matches(self, digest: str) -> Mapping[str, str]:
        """The match set: clip id to the sealed file's digest when it matched."""
        return dict(
            self._database.rows("SELECT clip, sha256 FROM match WHERE request = ?", (digest,))
        )

    def is_matched(self, digest: str) -> bool:
        """True if any clip ever joined the match set."""
        return bool(self._database.rows("SELECT 1 FROM match WHERE request = ? LIMIT 1", (digest,)))

    def match_count(self, digest: str) -> int:
        """The number of clips of the match set that are still there."""
        query = "SELECT count(*) FROM match WHERE request = ? AND gone = 0"
        return int(self._database.rows(query, (digest,))[0][0])

    def any_gone(self) -> bool:
        """True if :meth:`RequestWriter.note_gone` would mark a clip."""
        return bool(self._database.rows(f"SELECT 1 FROM match WHERE {_GONE} LIMIT 1"))  # noqa: S608

    def _find(self, clause: str, *values: object) -> list[RequestRow]:
        query = f"SELECT {_COLUMNS} FROM request {clause}"  # noqa: S608 - our own text
        return [RequestRow(*row) for row in self._database.rows(query, values)]


class RequestWriter(RequestTable):
    """Writes these tables."""

    def add(self, row: RequestRow) -> None:
        """Insert a request; InternalFault if its digest is there."""
        values = astuple(row)
        insert = f"INSERT INTO request ({_COLUMNS}) VALUES ({marks(values)})"  # noqa: S608
        self._execute(insert, *values)

    def advance(self, digest: str, event: str) -> str:
        """Move a request along the REQUEST table and return its new state.

        Raises InternalFault if the table has no such step.
        """
        row = self.get(digest)
        if row is None:
            raise InternalFault(f"no request {digest[:16]} to {event}")
        state = lifecycle.advance(lifecycle.REQUEST, row.state, event)
        self._execute("UPDATE request SET state = ? WHERE digest = ?", state, digest)
        return state

    def note_told(self, digest: str, *, at: float) -> None:
        """A letter about the request was written; only the first one counts."""
        self._execute(
            "UPDATE request SET told_at = ? WHERE digest = ? AND told_at IS NULL", at, digest
        )

    def add_matches(self, digest: str, clips: Iterable[C]) -> list[C]:
        """Add ``clips`` to the match set; returns those that were not in it."""
        insert = "INSERT OR IGNORE INTO match (request, clip, sha256) VALUES (?, ?, ?)"
        return [
            clip for clip in clips if self._execute(insert, digest, clip.id, clip.sha256).rowcount
        ]

    def note_gone(self) -> list[str]:
        """Mark the matched clips of open requests that were deleted; returns their requests."""
        rows = self._execute(f"UPDATE match SET gone = 1 WHERE {_GONE} RETURNING request")  # noqa: S608
        return sorted({row[0] for row in rows.fetchall()})
