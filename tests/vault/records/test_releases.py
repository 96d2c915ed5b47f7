"""The rows of releases: their states, stops and proposals."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from agent.consent import lifecycle
from agent.errors import InternalFault
from agent.vault.records.releases import ReleaseRow, ReleaseWriter
from agent.vault.records.requests import RequestRow, RequestWriter
from tests.vault.records.test_requests import DAY, DIGEST, NOW, request
from tests.vault.support import Vault


def release(release_id: str = "r" * 16, **changes: Any) -> ReleaseRow:
    values: dict[str, Any] = {
        "id": release_id,
        "request": DIGEST,
        "approval": "jws",
        "state": "APPROVED",
        "detail": "",
        "approved_at": NOW,
        "expires_at": NOW + DAY,
    }
    return ReleaseRow(**{**values, **changes})


@pytest.fixture
def releases(vault: Vault) -> ReleaseWriter:
    return ReleaseWriter(vault.database)


def add(vault: Vault, *rows: RequestRow | ReleaseRow) -> None:
    with vault.database.transaction():
        for row in rows:
            if isinstance(row, RequestRow):
                RequestWriter(vault.database).add(row)
            else:
                ReleaseWriter(vault.database).add(row, [])


def test_a_release_needs_its_request(vault: Vault, releases: ReleaseWriter) -> None:
    with pytest.raises(InternalFault):
        add(vault, release())
    assert releases.all() == []


@pytest.mark.parametrize("state", lifecycle.states(lifecycle.RELEASE))
@pytest.mark.parametrize("event", sorted({event for _, event in lifecycle.RELEASE}))
def test_a_release_moves_along_its_table_and_nowhere_else(
    vault: Vault, releases: ReleaseWriter, state: str, event: str
) -> None:
    add(vault, request(), release(state=state), release("s" * 16))
    after = lifecycle.RELEASE.get((state, event))
    if after is None:
        with pytest.raises(InternalFault), vault.database.transaction():
            releases.advance("r" * 16, event, detail="why")
        assert releases.get("r" * 16) == release(state=state)
    else:
        with vault.database.transaction():
            assert releases.advance("r" * 16, event, detail="why") == after
        assert releases.get("r" * 16) == release(state=after, detail="why")
    assert releases.get("s" * 16) == release("s" * 16)


def test_a_release_that_is_not_there_cannot_move(vault: Vault, releases: ReleaseWriter) -> None:
    with pytest.raises(InternalFault, match="no release nothing"), vault.database.transaction():
        releases.advance("nothing", "seal")


def test_releases_are_listed_oldest_first_by_state(vault: Vault, releases: ReleaseWriter) -> None:
    old, new = release("a" * 16, approved_at=NOW - 1), release("b" * 16)
    sent = release("c" * 16, state="SENT", approved_at=NOW - 2)
    add(vault, request(), new, sent, old)
    assert releases.all() == [sent, old, new]
    assert releases.all("APPROVED") == [old, new]
    assert releases.all("FAILED") == []


@pytest.mark.parametrize("state", lifecycle.states(lifecycle.RELEASE))
def test_only_a_release_under_way_can_be_asked_to_stop(
    vault: Vault, releases: ReleaseWriter, state: str
) -> None:
    add(vault, request(), release(state=state))
    under_way = state in ("PROPOSED", "APPROVED", "SEALED")
    with vault.database.transaction():
        asked = releases.ask_to_stop("revoked by the owner", release="r" * 16)
    assert asked == (["r" * 16] if under_way else [])
    stopped = releases.get("r" * 16)
    assert stopped is not None
    assert stopped.stop == ("revoked by the owner" if under_way else "")


def test_a_withdrawn_request_stops_all_its_releases_and_the_first_reason_stays(
    vault: Vault, releases: ReleaseWriter
) -> None:
    other = request("e" * 64)
    add(vault, request(), other, release("a" * 16), release("b" * 16))
    add(vault, release("c" * 16, request=other.digest))
    with vault.database.transaction():
        releases.ask_to_stop("revoked", release="a" * 16)
        assert releases.ask_to_stop("withdrawn", request=DIGEST) == ["b" * 16]
    assert [row.stop for row in releases.all()] == ["revoked", "withdrawn", ""]


def test_progress_is_noted_and_clears_what_failed_before(
    vault: Vault, releases: ReleaseWriter
) -> None:
    add(vault, request(), release())
    with vault.database.transaction():
        releases.set("r" * 16, bundle_bytes=1000, bundle_sha256="5" * 64)
        releases.set("r" * 16, attempts=3, not_before=NOW + 60)
    waiting = releases.get("r" * 16)
    assert waiting == release(
        bundle_bytes=1000, bundle_sha256="5" * 64, attempts=3, not_before=NOW + 60
    )
    with vault.database.transaction():
        releases.set("r" * 16, upload_url="https://up.example/1", attempts=0, not_before=0.0)
    assert releases.get("r" * 16) == dataclasses.replace(
        waiting, upload_url="https://up.example/1", attempts=0, not_before=0.0
    )


def test_a_share_is_a_release_without_a_request(vault: Vault, releases: ReleaseWriter) -> None:
    add(vault, release(request=None))
    assert releases.get("r" * 16) == release(request=None)


def test_proposals_are_found_by_their_request(vault: Vault, releases: ReleaseWriter) -> None:
    mine, other = release("a" * 16, state="PROPOSED"), request("e" * 64)
    shared = release("b" * 16, state="PROPOSED", request=None)
    add(vault, request(), other, mine, shared)
    add(vault, release("c" * 16, state="PROPOSED", request=other.digest), release("d" * 16))
    assert releases.proposals(DIGEST) == [mine]
    assert releases.proposals(None) == [shared]


def test_a_proposal_that_is_to_stop_waits_for_nobody(vault: Vault, releases: ReleaseWriter) -> None:
    add(vault, request(), release(state="PROPOSED"))
    with vault.database.transaction():
        releases.ask_to_stop("revoked", release="r" * 16)
    assert releases.proposals(DIGEST) == []


def test_either_letter_of_two_owners_who_agreed_may_bring_the_keys(
    vault: Vault, releases: ReleaseWriter
) -> None:
    alone = release("a" * 16, approval="alone")
    both = release("b" * 16, approval="first", state="PROPOSED")
    sealed = release("c" * 16, approval="sealed", state="SEALED")
    add(vault, request(), alone, both, sealed)
    with vault.database.transaction():
        releases.set("b" * 16, second="second", expires_at=NOW + 5)
        releases.advance("b" * 16, "agree")
    agreed = dataclasses.replace(both, second="second", state="APPROVED", expires_at=NOW + 5)
    assert releases.waiting_for_keys("alone") == alone
    for letter in ("first", "second"):
        assert releases.waiting_for_keys(letter) == agreed
    for other in ("sealed", ""):
        assert releases.waiting_for_keys(other) is None
