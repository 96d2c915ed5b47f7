"""Requests, their match sets and releases: the gateway's rows of the index.

Rows change state only along the tables of :mod:`agent.consent.lifecycle`. Every
writing method expects to run inside :meth:`agent.vault.database.index.Index.transaction`,
together with the ledger line and the outgoing letter that belong to the change.
What a change *means* is for the gateway to decide; nothing here judges.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import TypeVar

from agent.consent import lifecycle, signing
from agent.consent.policy.requests import History
from agent.errors import InternalFault
from agent.vault.database.index import Clip, ClipDigest, Index
from agent.vault.database.rows import clamp_time

C = TypeVar("C", Clip, ClipDigest)

_DAY_SECONDS = 86_400.0
_REQUEST_COLUMNS = (
    "digest, jws, jti, requester, reference, state, rule, received_at,"
    " window_start, window_end, expires_at, kind, incident, square_miles, first_post,"
    " log_origin, log_index, log_size, told_at"
)
_RELEASE_COLUMNS = (
    "id, request, approval, state, detail, approved_at, expires_at, stop, bundle_bytes,"
    " bundle_sha256, upload_url, sent_bytes, attempts, not_before, second, deaths"
)


@dataclass(frozen=True, slots=True)
class RequestCase:
    """A row of ``request``; the columns are explained in ``schema.sql``."""

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
        """Whether it may still be approved or declined."""
        return self.state == "OPEN"


@dataclass(frozen=True, slots=True)
class ReleaseCase:
    """A row of ``release``; the columns are explained in ``schema.sql``."""

    id: str
    request: str | None
    approval: str
    state: str
    detail: str
    approved_at: float
    expires_at: float
    stop: str = ""
    bundle_bytes: int | None = None
    bundle_sha256: str | None = None
    upload_url: str | None = None
    sent_bytes: int = 0
    attempts: int = 0
    not_before: float = 0.0
    second: str = ""
    deaths: int = 0


class Cases:
    """The rows that follow a request from its arrival to the last byte sent."""

    def __init__(self, index: Index) -> None:
        self._index = index

    @property
    def _db(self) -> sqlite3.Connection:
        return self._index.connection

    # Requests

    def add_request(self, case: RequestCase) -> None:
        """Insert a request that was not there before."""
        marks = ", ".join("?" * len(_REQUEST_COLUMNS.split(",")))
        self._db.execute(
            f"INSERT INTO request ({_REQUEST_COLUMNS}) VALUES ({marks})",  # noqa: S608
            astuple(case),
        )

    def request(self, digest: str) -> RequestCase | None:
        """The request with this digest."""
        found = self._requests("WHERE digest = ?", (digest,))
        return found[0] if found else None

    def requests(self) -> list[RequestCase]:
        """All requests, newest first."""
        return self._requests("ORDER BY received_at DESC, digest")

    def open_requests(self) -> list[RequestCase]:
        """Those that may still be answered, the first to expire first."""
        return self._requests("WHERE state = 'OPEN' ORDER BY expires_at, digest")

    def _requests(self, clause: str, values: tuple[object, ...] = ()) -> list[RequestCase]:
        query = f"SELECT {_REQUEST_COLUMNS} FROM request {clause}"  # noqa: S608 - our own text
        return [RequestCase(*row) for row in self._index.rows(query, values)]

    def first_post(self, requester: str, jti: str) -> str:
        """Digest of the first post under this id of its author; empty if there was none."""
        rows = self._index.rows(
            "SELECT digest FROM request WHERE requester = ? AND jti = ? AND first_post = ''"
            " ORDER BY received_at, rowid LIMIT 1",
            (requester, jti),
        )
        return str(rows[0][0]) if rows else ""

    def reposts(self, first: RequestCase, *, at_most: int) -> list[RequestCase]:
        """The newest texts posted under the id of ``first`` after it, oldest first."""
        newest = self._requests(
            "WHERE requester = ? AND jti = ? AND first_post = ?"
            " ORDER BY received_at DESC, rowid DESC LIMIT ?",
            (first.requester, first.jti, first.digest, at_most),
        )
        return newest[::-1]

    def advance_request(self, digest: str, event: str) -> None:
        """Move a request along the REQUEST table; InternalFault if it cannot."""
        case = self.request(digest)
        if case is None:
            raise InternalFault(f"no request {digest[:16]} to {event}")
        state = lifecycle.advance(lifecycle.REQUEST, case.state, event)
        self._db.execute("UPDATE request SET state = ? WHERE digest = ?", (state, digest))

    def history(self, requester: str, reference: str, jti: str, *, now: float) -> History:
        """What the quotas of the policy count; refused requests count as posted."""
        (row,) = self._index.rows(
            "SELECT"
            " (SELECT count(*) FROM request WHERE state = 'OPEN' AND requester = ?1),"
            " (SELECT count(*) FROM request WHERE requester = ?1 AND received_at > ?2),"
            " (SELECT count(*) FROM request WHERE requester = ?1 AND reference = ?3),"
            " EXISTS (SELECT 1 FROM request WHERE requester = ?1 AND jti = ?4)",
            (requester, now - _DAY_SECONDS, reference, jti),
        )
        return History(open=row[0], last_day=row[1], same_reference=row[2], jti_used=bool(row[3]))

    def mute(self, requester: str, *, at: float) -> None:
        """Show the owner nothing more of this requester."""
        self._db.execute("INSERT OR IGNORE INTO muted VALUES (?, ?)", (requester, at))

    def unmute(self, requester: str) -> bool:
        """Show the owner this requester again; whether it was muted."""
        removed = self._db.execute("DELETE FROM muted WHERE requester = ?", (requester,))
        return removed.rowcount > 0

    def muted(self) -> tuple[str, ...]:
        """Fingerprints of the requesters that owners muted."""
        return tuple(row[0] for row in self._index.rows("SELECT requester FROM muted"))

    # Match sets

    def add_matches(self, digest: str, clips: Iterable[C]) -> list[C]:
        """Let ``clips`` join the match set; returns those that were not in it."""
        fresh = []
        for clip in clips:
            added = self._db.execute(
                "INSERT OR IGNORE INTO match (request, clip, sha256) VALUES (?, ?, ?)",
                (digest, clip.id, clip.sha256),
            )
            if added.rowcount:
                fresh.append(clip)
        return fresh

    def matches(self, digest: str) -> Mapping[str, str]:
        """The match set: clip id to the sealed file's digest when it matched."""
        return dict(self._index.rows("SELECT clip, sha256 FROM match WHERE request = ?", (digest,)))

    def is_matched(self, digest: str) -> bool:
        """Whether any clip ever joined the match set."""
        return bool(self._index.rows("SELECT 1 FROM match WHERE request = ? LIMIT 1", (digest,)))

    def note_told(self, digest: str, *, at: float) -> None:
        """A letter about the request was written; only the first one counts."""
        self._db.execute(
            "UPDATE request SET told_at = ? WHERE digest = ? AND told_at IS NULL", (at, digest)
        )

    def note_gone(self) -> list[str]:
        """Mark the matched clips of open requests that have been deleted; of which requests."""
        rows = self._db.execute(
            "UPDATE match SET gone = 1 WHERE gone = 0"
            " AND EXISTS (SELECT 1 FROM request WHERE digest = match.request AND state = 'OPEN')"
            " AND NOT EXISTS (SELECT 1 FROM clip WHERE id = match.clip AND deleting = 0)"
            " RETURNING request"
        )
        return sorted({row[0] for row in rows.fetchall()})

    def any_gone(self) -> bool:
        """Whether :meth:`note_gone` would mark any; asked outside a transaction."""
        return bool(
            self._index.rows(
                "SELECT 1 FROM match JOIN request ON digest = match.request"
                " WHERE state = 'OPEN' AND gone = 0 AND NOT EXISTS"
                " (SELECT 1 FROM clip WHERE id = match.clip AND deleting = 0) LIMIT 1"
            )
        )

    # Pause

    def pause(self, owner: str, *, at: float) -> None:
        """Note that ``owner`` wants to see no requests; a pause that lasts goes on."""
        self._db.execute("INSERT OR IGNORE INTO pause VALUES (1, ?, ?)", (owner, at))

    def resume(self) -> None:
        """End a pause."""
        self._db.execute("DELETE FROM pause")

    def paused_at(self) -> float | None:
        """Since when no requests are shown; None while they are."""
        rows = self._index.rows("SELECT at FROM pause")
        return clamp_time(rows[0][0]) if rows else None

    # Owners' statements

    def begun_at(self) -> float | None:
        """When this record began; None until :meth:`begin`."""
        rows = self._index.rows("SELECT at FROM begun")
        return clamp_time(rows[0][0]) if rows else None

    def begin(self, *, at: float) -> None:
        """Note that this record begins now, if it has not begun before."""
        self._db.execute("INSERT OR IGNORE INTO begun VALUES (1, ?)", (at,))

    def seen(self, jti: str) -> bool:
        """Whether a statement with this id was acted on."""
        return bool(self._index.rows("SELECT 1 FROM seen WHERE jti = ?", (jti,)))

    def acted_on(self, digest: str) -> bool:
        """Whether the statement with exactly this text was acted on."""
        return bool(self._index.rows("SELECT 1 FROM seen WHERE digest = ?", (digest,)))

    def mark_seen(self, jti: str, digest: str, *, at: float) -> None:
        """Remember a statement that is acted on in this transaction."""
        self._db.execute("INSERT INTO seen VALUES (?, ?, ?)", (jti, digest, at))

    # Releases

    def add_release(self, case: ReleaseCase, clips: Iterable[str]) -> None:
        """Insert a release just proposed, of the clips with these ids."""
        self._db.execute(
            "INSERT INTO release"
            " (id, request, approval, second, state, detail, approved_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                case.id, case.request, case.approval, case.second, case.state, case.detail,
                case.approved_at, case.expires_at,
            ),
        )  # fmt: skip
        named = [(case.id, clip) for clip in clips]
        self._db.executemany("INSERT INTO release_clip VALUES (?, ?)", named)

    def release(self, release_id: str) -> ReleaseCase | None:
        """The release with this id."""
        found = self._releases("WHERE id = ?", (release_id,))
        return found[0] if found else None

    def releases(self, state: str | None = None) -> list[ReleaseCase]:
        """All releases, or those in ``state``, the oldest first."""
        if state is None:
            return self._releases("ORDER BY approved_at, id")
        return self._releases("WHERE state = ? ORDER BY approved_at, id", (state,))

    def proposals(self, request: str | None) -> list[ReleaseCase]:
        """What waits for another owner and is not to stop, of this request or (None) of none.

        The oldest first.
        """
        return self._releases(
            "WHERE request IS ? AND state = 'PROPOSED' AND stop = '' ORDER BY approved_at, id",
            (request,),
        )

    def waiting_for_keys(self, jws: str) -> ReleaseCase | None:
        """The APPROVED release whose keys came, and come again, with the letter of ``jws``.

        That is the letter which completed it: the second where two owners agreed.
        """
        found = self._releases(
            "WHERE state = 'APPROVED' AND iif(second = '', approval, second) = ?"
            " ORDER BY approved_at, id LIMIT 1",
            (jws,),
        )
        return found[0] if found else None

    def completed_by(self, decision: str) -> ReleaseCase | None:
        """The release that was another owner's proposal until the approval ``decision`` came."""
        agreed = self._releases("WHERE second != '' ORDER BY approved_at, id")
        named = (case for case in agreed if case.second.isascii())
        return next((c for c in named if signing.digest(c.second)[:16] == decision), None)

    def set_second(self, release_id: str, jws: str, *, expires_at: float) -> None:
        """Note another owner's approval of the same, and the end of the earlier of the two."""
        self._db.execute(
            "UPDATE release SET second = ?, expires_at = ? WHERE id = ?",
            (jws, expires_at, release_id),
        )

    def _releases(self, clause: str, values: tuple[object, ...] = ()) -> list[ReleaseCase]:
        query = f"SELECT {_RELEASE_COLUMNS} FROM release {clause}"  # noqa: S608 - our own text
        return [ReleaseCase(*row) for row in self._index.rows(query, values)]

    def advance_release(self, release_id: str, event: str, *, detail: str = "") -> str:
        """Move a release along the RELEASE table; returns its new state."""
        case = self.release(release_id)
        if case is None:
            raise InternalFault(f"no release {release_id} to {event}")
        state = lifecycle.advance(lifecycle.RELEASE, case.state, event)
        self._db.execute(
            "UPDATE release SET state = ?, detail = ? WHERE id = ?", (state, detail, release_id)
        )
        return state

    def ask_to_stop(self, reason: str, *, release: str = "", request: str = "") -> list[str]:
        """Ask the unsent release ``release``, or all of ``request``, to stop; their ids."""
        rows = self._db.execute(
            "UPDATE release SET stop = ? WHERE (id = ? OR request = ?) AND stop = ''"
            " AND state IN ('PROPOSED', 'APPROVED', 'SEALED') RETURNING id",
            (reason, release, request),
        )
        return [row[0] for row in rows.fetchall()]

    def has_unsent(self, request: str) -> bool:
        """Whether a release of this request can still be stopped, and is not to stop yet."""
        query = (
            "SELECT 1 FROM release WHERE request = ? AND stop = ''"
            " AND state NOT IN ('SENT', 'FAILED', 'REVOKED') LIMIT 1"
        )
        return bool(self._index.rows(query, (request,)))

    def set_bundle(self, release_id: str, *, size: int, sha256: str) -> None:
        """Note the sealed bundle that waits in the outbox."""
        self._db.execute(
            "UPDATE release SET bundle_bytes = ?, bundle_sha256 = ? WHERE id = ?",
            (size, sha256, release_id),
        )

    def set_progress(
        self, release_id: str, *, upload_url: str | None, sent_bytes: int, forward: bool = True
    ) -> None:
        """Note where the upload is; a step ``forward`` clears earlier failures."""
        self._db.execute(
            "UPDATE release SET upload_url = ?, sent_bytes = ?, not_before = 0,"
            " attempts = iif(?, 0, attempts) WHERE id = ?",
            (upload_url, sent_bytes, forward, release_id),
        )

    def set_retry(self, release_id: str, *, attempts: int, not_before: float) -> None:
        """Note a failed try, and when the next is due."""
        self._db.execute(
            "UPDATE release SET attempts = ?, not_before = ? WHERE id = ?",
            (attempts, not_before, release_id),
        )

    def set_deaths(self, release_id: str, deaths: int) -> None:
        """Note how often the gateway was killed while it sealed this release."""
        self._db.execute("UPDATE release SET deaths = ? WHERE id = ?", (deaths, release_id))
