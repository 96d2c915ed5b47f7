"""The rows that follow a request: their states, match sets, and what the quotas count."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent import lifecycle
from agent.consent.policy.requests import History
from agent.errors import InternalFault, StorageFault
from agent.vault.records.decisions import DecisionTable
from agent.vault.records.releases import ReleaseTable
from agent.vault.records.requests import RequestRow, RequestTable, RequestWriter
from tests.vault.support import Vault, folder_in_memory

NOW = 1_706_121_000.0
DAY = 86_400.0
DIGEST = "d" * 64


def request(digest: str = DIGEST, **changes: Any) -> RequestRow:
    values: dict[str, Any] = {
        "digest": digest,
        "jws": f"jws of {digest}",
        "jti": f"jti of {digest}",
        "requester": "police",
        "reference": "2024-1",
        "state": "OPEN",
        "rule": "",
        "received_at": NOW,
        "window_start": NOW - 3600,
        "window_end": NOW,
        "expires_at": NOW + DAY,
    }
    return RequestRow(**{**values, **changes})


@pytest.fixture
def requests(vault: Vault) -> RequestWriter:
    return RequestWriter(vault.database)


def add(vault: Vault, *rows: RequestRow) -> None:
    with vault.database.transaction():
        for row in rows:
            RequestWriter(vault.database).add(row)


def test_a_request_comes_back_as_it_went_in(vault: Vault, requests: RequestWriter) -> None:
    asked = request(state="REFUSED", rule="area-too-large")
    add(vault, asked)
    assert requests.get(DIGEST) == asked
    assert not asked.is_open
    assert requests.get("e" * 64) is None


def test_the_same_request_is_not_taken_twice(vault: Vault, requests: RequestWriter) -> None:
    add(vault, request())
    with pytest.raises(InternalFault):
        add(vault, request(jti="another"))
    assert requests.all() == [request()]


def test_lists_are_in_the_order_in_which_they_matter(vault: Vault, requests: RequestWriter) -> None:
    first = request("1" * 64, received_at=NOW - 20, expires_at=NOW + 9)
    second = request("2" * 64, received_at=NOW - 10, expires_at=NOW + 3)
    third = request("3" * 64, received_at=NOW, expires_at=NOW + 1, state="DECLINED")
    add(vault, second, third, first)
    assert requests.all() == [third, second, first]
    assert requests.open() == [second, first]


@pytest.mark.parametrize("state", lifecycle.states(lifecycle.REQUEST))
@pytest.mark.parametrize("event", sorted({event for _, event in lifecycle.REQUEST}))
def test_a_request_moves_along_its_table_and_nowhere_else(
    vault: Vault, requests: RequestWriter, state: str, event: str
) -> None:
    add(vault, request(state=state), request("e" * 64))
    after = lifecycle.REQUEST.get((state, event))
    if after is None:
        with pytest.raises(InternalFault), vault.database.transaction():
            requests.advance(DIGEST, event)
    else:
        with vault.database.transaction():
            requests.advance(DIGEST, event)
    moved = requests.get(DIGEST)
    assert moved is not None
    assert moved.state == (after or state)
    assert requests.get("e" * 64) == request("e" * 64)


def test_a_request_that_is_not_there_cannot_move(vault: Vault, requests: RequestWriter) -> None:
    with pytest.raises(InternalFault, match="no request dddd"), vault.database.transaction():
        requests.advance(DIGEST, "decline")


posts = st.lists(
    st.builds(
        request,
        digest=st.uuids().map(lambda made: made.hex * 2),
        requester=st.sampled_from(["police", "fire"]),
        reference=st.sampled_from(["2024-1", "2024-2"]),
        jti=st.sampled_from(["a", "b", "c"]),
        state=st.sampled_from(["OPEN", "REFUSED", "WITHDRAWN", "EXPIRED"]),
        received_at=st.floats(NOW - 2 * DAY, NOW),
    ),
    max_size=8,
    unique_by=lambda row: row.digest,
)


@given(posts)
def test_the_history_counts_one_requesters_posts_whatever_became_of_them(
    rows: list[RequestRow],
) -> None:
    with folder_in_memory() as folder:
        vault = Vault(folder / "state")
        add(vault, *rows)
        counted = RequestWriter(vault.database).history("police", "2024-1", "a", now=NOW)
        vault.close()
    ours = [row for row in rows if row.requester == "police"]
    assert counted == History(
        open=sum(row.is_open for row in ours),
        last_day=sum(row.received_at > NOW - DAY for row in ours),
        same_reference=sum(row.reference == "2024-1" for row in ours),
        jti_used=any(row.jti == "a" for row in ours),
    )


def test_a_clip_joins_a_match_set_once_and_keeps_its_first_digest(
    vault: Vault, requests: RequestWriter
) -> None:
    clips = [vault.record() for _ in range(3)]
    add(vault, request())
    with vault.database.transaction():
        assert requests.add_matches(DIGEST, clips[:2]) == clips[:2]
    changed = dataclasses.replace(clips[0], sha256="0" * 64)
    with vault.database.transaction():
        assert requests.add_matches(DIGEST, [changed, *clips[1:]]) == clips[2:]
    assert requests.matches(DIGEST) == {clip.id: clip.sha256 for clip in clips}
    assert requests.matches("e" * 64) == {}


def test_a_match_set_belongs_to_a_request(vault: Vault, requests: RequestWriter) -> None:
    clip = vault.record()
    with pytest.raises(InternalFault), vault.database.transaction():
        requests.add_matches(DIGEST, [clip])
    assert vault.database.held_clips() == []


def test_a_file_that_cannot_be_read_is_a_storage_fault_wherever_one_asks(
    vault: Vault, requests: RequestWriter
) -> None:
    add(vault, request())
    vault.database.close()  # folds the log into the file
    path = vault.state_dir / "gateway" / "gateway.sqlite"
    again = Vault(vault.state_dir)
    again.database.totals()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xa5" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    asked, releases = RequestTable(again.database), ReleaseTable(again.database)
    decided = DecisionTable(again.database)
    for ask in (
        asked.all, asked.open, releases.all, decided.muted,
        lambda: asked.get(DIGEST), lambda: asked.matches(DIGEST),
        lambda: asked.history("police", "2024-1", "a", now=NOW),
        lambda: asked.first_post("police", "a"), lambda: asked.reposts(request(), at_most=3),
        lambda: releases.proposals(DIGEST), decided.paused_at,
        lambda: decided.seen("jti"),
    ):  # fmt: skip
        with pytest.raises(StorageFault, match=r"gateway\.sqlite: database .* is malformed"):
            ask()
    again.close()
