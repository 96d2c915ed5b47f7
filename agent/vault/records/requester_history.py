"""A requester's posts so far, counted from the rows each time.

The owner sees the counts with each request: how much this requester asks, for what, how wide,
and how often it was refused, withdrawn or edited.
"""

from __future__ import annotations

from agent.consent.statements import RequesterRecord, Tally
from agent.vault.database.connection import Database

_NEWEST = 10_000  # requests that are looked at in detail; years of the busiest requester
_KINDS, _INCIDENTS, _REFUSALS = 4, 10, 30  # as many as the statement has room for
_OF = (
    "(SELECT rule, kind, incident, square_miles, window_end - window_start AS seconds"
    " FROM request WHERE requester = ? ORDER BY received_at DESC LIMIT ?)"
)


def requester_record(
    database: Database, requester: str, *, name: str, now: float
) -> RequesterRecord:
    """The record of ``requester``; ``first_seen`` is ``now`` if it has posted nothing."""
    newest = (requester, _NEWEST)

    def tallies(column: str, at_most: int) -> tuple[Tally, ...]:
        """The most frequent texts in ``column`` with their counts, without empty ones."""
        rows = database.rows(
            f"SELECT {column}, count(*) AS times FROM {_OF} WHERE {column} != ''"  # noqa: S608
            f" GROUP BY {column} ORDER BY times DESC, {column} LIMIT ?",
            (*newest, at_most),
        )
        return tuple(Tally(name=text, count=count) for text, count in rows)

    def median(column: str) -> float | None:
        """The median of ``column``, the lower of two; None if there is none."""
        known = f"FROM {_OF} WHERE {column} IS NOT NULL"
        rows = database.rows(
            f"SELECT {column} {known} ORDER BY 1"
            f" LIMIT 1 OFFSET max(0, (SELECT count(*) - 1 {known}) / 2)",
            (*newest, *newest),
        )
        return float(rows[0][0]) if rows else None

    first_seen, requests, refused, withdrawn, edited, counted = database.rows(
        "SELECT coalesce(min(received_at), ?1), count(*),"
        " count(*) FILTER (WHERE state = 'REFUSED'),"
        " count(*) FILTER (WHERE state = 'WITHDRAWN'),"
        " count(*) FILTER (WHERE first_post != ''),"
        " (SELECT total(posts) FROM counted WHERE source = ?2)"
        " + (SELECT total(posts) FROM flood WHERE source = ?2)"
        " FROM request WHERE requester = ?2",
        (now, requester),
    )[0]
    seconds = median("seconds")
    return RequesterRecord(
        name=name,
        first_seen=max(0, int(first_seen)),
        requests=requests,
        refused=refused,
        withdrawn=withdrawn,
        edited=edited,
        counted=int(counted),
        kinds=tallies("kind", _KINDS),
        incidents=tallies("incident", _INCIDENTS),
        refusals=tallies("rule", _REFUSALS),
        median_square_miles=median("square_miles"),
        median_window_seconds=None if seconds is None else max(0, int(seconds)),
    )
