"""What a requester has posted so far, as the device has seen it on the public feed.

The owner sees it with each request: how much this requester asks, what for, how wide,
and how often it was refused, withdrawn or edited. Counted anew each time from an index
that holds all it needs, so it can never differ from the rows themselves.
"""

from __future__ import annotations

from agent.consent.statements import RequesterRecord, Tally
from agent.vault.database.index import Index
from agent.vault.database.rows import clamp_count, clamp_time

_NEWEST = 10_000  # requests that are looked at in detail; years of the busiest requester
_KINDS, _INCIDENTS, _REFUSALS = 4, 10, 30  # as many as the statement has room for
_OF = (
    "(SELECT rule, kind, incident, square_miles, window_end - window_start AS seconds"
    " FROM request WHERE requester = ? ORDER BY received_at DESC LIMIT ?)"
)


def requester_record(index: Index, requester: str, *, name: str, now: float) -> RequesterRecord:
    """The record of ``requester``; ``first_seen`` is ``now`` if it has posted nothing."""
    return _Count(index, requester).record(name, now)


class _Count:
    """The requests of one requester, counted in several ways."""

    def __init__(self, index: Index, requester: str) -> None:
        self._index = index
        self._of = (requester, _NEWEST)

    def record(self, name: str, now: float) -> RequesterRecord:
        first_seen, requests, refused, withdrawn, edited = self._index.rows(
            "SELECT coalesce(min(received_at), ?), count(*),"
            " count(*) FILTER (WHERE state = 'REFUSED'),"
            " count(*) FILTER (WHERE state = 'WITHDRAWN'),"
            " count(*) FILTER (WHERE first_post != '')"
            " FROM request WHERE requester = ?",
            (now, self._of[0]),
        )[0]
        (counted,) = self._index.rows(
            "SELECT (SELECT total(posts) FROM counted WHERE source = ?1)"
            " + (SELECT total(posts) FROM flood WHERE source = ?1)",
            (self._of[0],),
        )[0]
        seconds = self._median("seconds")
        return RequesterRecord(
            name=name,
            first_seen=clamp_count(clamp_time(first_seen)),
            requests=requests,
            refused=refused,
            withdrawn=withdrawn,
            edited=edited,
            counted=clamp_count(counted),
            kinds=self._tallies("kind", _KINDS),
            incidents=self._tallies("incident", _INCIDENTS),
            refusals=self._tallies("rule", _REFUSALS),
            median_square_miles=self._median("square_miles"),
            median_window_seconds=None if seconds is None else clamp_count(seconds),
        )

    def _tallies(self, column: str, at_most: int) -> tuple[Tally, ...]:
        """How often each text stands in ``column``, the most frequent first; empty ones not."""
        rows = self._index.rows(
            f"SELECT {column}, count(*) AS times FROM {_OF} WHERE {column} != ''"  # noqa: S608
            f" GROUP BY {column} ORDER BY times DESC, {column} LIMIT ?",
            (*self._of, at_most),
        )
        return tuple(Tally(name=name, count=count) for name, count in rows)

    def _median(self, value: str) -> float | None:
        """The middle one of all ``value``, the lower of two; None if there is none."""
        known = f"FROM {_OF} WHERE {value} IS NOT NULL"
        rows = self._index.rows(
            f"SELECT {value} {known} ORDER BY 1"
            f" LIMIT 1 OFFSET max(0, (SELECT count(*) - 1 {known}) / 2)",
            (*self._of, *self._of),
        )
        return float(rows[0][0]) if rows else None
