"""The record of a requester is what its rows come to, whatever they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.statements import Tally
from agent.errors import StorageFault
from agent.vault.records import requester_history as record
from agent.vault.records.requester_history import requester_record
from agent.vault.records.requests import RequestRow
from tests.vault.records.test_requests import NOW, add, request
from tests.vault.support import Vault, folder_in_memory

posts = st.lists(
    st.builds(
        request,
        digest=st.uuids().map(lambda made: made.hex * 2),
        requester=st.sampled_from(["police", "police", "fire"]),
        kind=st.sampled_from(["voluntary", "legal-order", ""]),
        incident=st.sampled_from(["burglary", "theft", "a " * 60, ""]),
        state=st.sampled_from(["OPEN", "REFUSED", "WITHDRAWN", "EXPIRED"]),
        rule=st.sampled_from(["", "too-many-open", "place-outside"]),
        square_miles=st.none() | st.floats(0, 1e6),
        first_post=st.sampled_from(["", "f" * 64]),
        received_at=st.floats(0, NOW),
        window_end=st.integers(1_706_100_900, 1_706_150_000),
    ),
    max_size=12,
    unique_by=lambda row: row.digest,
)


def tallies(rows: list[RequestRow], of: Callable[[RequestRow], str]) -> tuple[Tally, ...]:
    counts = Counter(of(row) for row in rows if of(row))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Tally(name=name, count=count) for name, count in ranked)


@given(posts)
def test_the_record_is_that_of_all_posts_of_one_requester(rows: list[RequestRow]) -> None:
    with folder_in_memory() as folder:
        vault = Vault(folder / "state")
        add(vault, *rows)
        found = requester_record(vault.database, "police", name="Police", now=NOW)
        vault.close()
    ours = [row for row in rows if row.requester == "police"]
    miles = [row.square_miles for row in ours if row.square_miles is not None]
    seconds = [row.window_end - row.window_start for row in ours]
    assert found.name == "Police"
    assert found.first_seen == int(min((row.received_at for row in ours), default=NOW))
    assert found.requests == len(ours)
    assert found.refused == sum(row.state == "REFUSED" for row in ours)
    assert found.withdrawn == sum(row.state == "WITHDRAWN" for row in ours)
    assert found.edited == sum(row.first_post != "" for row in ours)
    assert found.kinds == tallies(ours, lambda row: row.kind)
    assert found.incidents == tallies(ours, lambda row: row.incident)
    assert found.refusals == tallies(ours, lambda row: row.rule)
    assert found.median_square_miles == (median_low(miles) if miles else None)
    assert found.median_window_seconds == (max(0, int(median_low(seconds))) if seconds else None)


def test_only_the_most_frequent_are_named(vault: Vault) -> None:
    rows = [request(digest=f"{n:064x}", incident=f"incident {n % 12:02}") for n in range(18)]
    add(vault, *rows)
    found = requester_record(vault.database, "police", name="Police", now=NOW)
    assert [tally.count for tally in found.incidents] == [2] * 6 + [1] * 4


def test_the_detail_is_that_of_the_newest_posts_alone(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_NEWEST", 3)
    rows = [
        request(digest=f"{n:064x}", incident=f"incident {n}", received_at=NOW + n) for n in range(5)
    ]
    add(vault, *rows)
    found = requester_record(vault.database, "police", name="Police", now=NOW)
    assert found.requests == 5
    assert [tally.name for tally in found.incidents] == ["incident 2", "incident 3", "incident 4"]


def test_the_texts_of_requests_are_not_read_for_it(vault: Vault) -> None:
    """A requester could post thousands of the longest texts to make the device slow."""
    plans: list[str] = []
    real = vault.database.rows

    def explained(query: str, values: object = ()) -> list[object]:
        plans.extend(row[3] for row in real(f"EXPLAIN QUERY PLAN {query}", values))  # type: ignore[arg-type]
        return real(query, values)  # type: ignore[arg-type]

    vault.database.rows = explained  # type: ignore[method-assign]
    requester_record(vault.database, "police", name="Police", now=NOW)
    looks = [plan for plan in plans if "request" in plan and "USING" in plan]
    assert len(looks) >= 6
    assert all("COVERING INDEX request_by_requester" in plan for plan in looks), looks


def test_a_damaged_index_is_said_to_be_one(vault: Vault) -> None:
    vault.database.close()
    path = vault.state_dir / "gateway" / "gateway.sqlite"
    again = Vault(vault.state_dir)
    again.database.totals()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xa5" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(StorageFault, match="malformed"):
        requester_record(again.database, "police", name="Police", now=NOW)
    again.close()
