"""Releases: one row for each approval or share. Rows only: nothing here judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass

from agent.consent import lifecycle, signing
from agent.errors import InternalFault
from agent.vault.records.table import Table, columns_of, marks


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A row of ``release``; the columns are explained in ``gateway.sql``."""

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


_COLUMNS = columns_of(ReleaseRow)


class ReleaseTable(Table):
    """Reads the table ``release``."""

    def get(self, release_id: str) -> ReleaseRow | None:
        """The release with this id."""
        return next(iter(self._find("WHERE id = ?", release_id)), None)

    def all(self, *states: str) -> list[ReleaseRow]:
        """All releases, or those in one of ``states``, the oldest first."""
        where = f"WHERE state IN ({marks(states)})" if states else ""
        return self._find(f"{where} ORDER BY approved_at, id", *states)

    def unsettled(self, *, ended_since: float) -> list[ReleaseRow]:
        """Releases that are under way, or went wrong and ended after ``ended_since``."""
        under_way = "state IN ('PROPOSED', 'APPROVED', 'SEALED') AND stop = ''"
        return self._find(
            f"WHERE {under_way} OR (state IN ('FAILED', 'REJECTED') AND expires_at > ?)"
            " ORDER BY approved_at, id",
            ended_since,
        )

    def ending_since(self, at: float) -> list[ReleaseRow]:
        """Releases whose approval ends, or ended, after ``at``; the oldest first."""
        return self._find("WHERE expires_at > ? ORDER BY approved_at, id", at)

    def answers(self, request: str) -> bool:
        """True if an owner ever approved clips for ``request``."""
        query = "SELECT 1 FROM release WHERE request = ? LIMIT 1"
        return bool(self._database.rows(query, (request,)))

    def unremoved(self, *states: str) -> list[ReleaseRow]:
        """Releases in one of ``states`` of which a receiver may still have a part."""
        where = f"WHERE state IN ({marks(states)}) AND upload_url IS NOT NULL"
        return self._find(f"{where} ORDER BY not_before, id", *states)

    def proposals(self, request: str | None) -> list[ReleaseRow]:
        """Proposals for ``request`` (None: shares) that are not to stop, the oldest first."""
        return self._find(
            "WHERE request IS ? AND state = 'PROPOSED' AND stop = '' ORDER BY approved_at, id",
            request,
        )

    def waiting_for_keys(self, jws: str) -> ReleaseRow | None:
        """The APPROVED release whose keys come, perhaps again, with the letter of ``jws``.

        Where two owners agreed, either's letter may bring them.
        """
        clause = (
            "WHERE state = 'APPROVED' AND ?1 IN (approval, second) AND ?1 <> ''"
            " ORDER BY approved_at, id LIMIT 1"
        )
        return next(iter(self._find(clause, jws)), None)

    def completed_by(self, decision: str) -> ReleaseRow | None:
        """The proposal of one owner that the approval ``decision`` of another completed."""
        agreed = self._find("WHERE second != '' ORDER BY approved_at, id")
        return next((row for row in agreed if signing.digest(row.second)[:16] == decision), None)

    def has_unsent(self, request: str) -> bool:
        """True if a release of this request can still be stopped, and is not to stop yet."""
        query = (
            "SELECT 1 FROM release WHERE request = ? AND stop = ''"
            " AND state IN ('PROPOSED', 'APPROVED', 'SEALED') LIMIT 1"
        )
        return bool(self._database.rows(query, (request,)))

    def files(self, release_id: str) -> dict[str, str]:
        """The digests of the MP4s in its sealed bundle, by clip; none before."""
        query = "SELECT clip, sha256 FROM released_file WHERE release = ? ORDER BY clip"
        return dict(self._database.rows(query, (release_id,)))

    def _find(self, clause: str, *values: object) -> list[ReleaseRow]:
        query = f"SELECT {_COLUMNS} FROM release {clause}"  # noqa: S608 - our own text
        return [ReleaseRow(*row) for row in self._database.rows(query, values)]


class ReleaseWriter(ReleaseTable):
    """Writes the tables ``release`` and ``release_clip``."""

    def add(self, row: ReleaseRow, clips: Iterable[str]) -> None:
        """Insert a proposed release of the clips with these ids."""
        values = astuple(row)
        insert = f"INSERT INTO release ({_COLUMNS}) VALUES ({marks(values)})"  # noqa: S608
        self._execute(insert, *values)
        for clip in clips:
            self._execute("INSERT INTO release_clip VALUES (?, ?)", row.id, clip)

    def advance(self, release_id: str, event: str, *, detail: str = "") -> str:
        """Move a release along the RELEASE table and return its new state.

        Raises InternalFault if the table has no such step.
        """
        row = self.get(release_id)
        if row is None:
            raise InternalFault(f"no release {release_id} to {event}")
        state = lifecycle.advance(lifecycle.RELEASE, row.state, event)
        self.set(release_id, state=state, detail=detail)
        return state

    def ask_to_stop(self, reason: str, *, release: str = "", request: str = "") -> list[str]:
        """Ask the unsent release ``release``, or all of ``request``, to stop; their ids."""
        rows = self._execute(
            "UPDATE release SET stop = ? WHERE (id = ? OR request = ?) AND stop = ''"
            " AND state IN ('PROPOSED', 'APPROVED', 'SEALED') RETURNING id",
            *(reason, release, request),
        )
        return [row[0] for row in rows.fetchall()]

    def keep_files(self, release_id: str, files: Mapping[str, str]) -> None:
        """Note the digests of the MP4s in its bundle, which may be sealed again."""
        insert = "INSERT OR REPLACE INTO released_file VALUES (?, ?, ?)"
        for clip, sha256 in files.items():
            self._execute(insert, release_id, clip, sha256)

    def set(self, release_id: str, **columns: str | float | None) -> None:
        """Set ``columns`` of a release."""
        assignments = ", ".join(f"{name} = ?" for name in columns)
        update = f"UPDATE release SET {assignments} WHERE id = ?"  # noqa: S608 - our own names
        self._execute(update, *columns.values(), release_id)
