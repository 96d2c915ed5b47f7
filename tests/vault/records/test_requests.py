"""The rows that follow a request: where they may go, and what they count."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent import lifecycle
from agent.consent.policy.requests import History
from agent.errors import InternalFault, StorageFault
from agent.vault.records.requests import Cases, ReleaseCase, RequestCase
from tests.vault.support import Vault, folder_in_memory

NOW = 1_706_121_000.0
DAY = 86_400.0
DIGEST = "d" * 64


def request(digest: str = DIGEST, **changes: Any) -> RequestCase:
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
    return RequestCase(**{**values, **changes})


def release(release_id: str = "r" * 16, **changes: Any) -> ReleaseCase:
    values: dict[str, Any] = {
        "id": release_id,
        "request": DIGEST,
        "approval": "jws",
        "state": "APPROVED",
        "detail": "",
        "approved_at": NOW,
        "expires_at": NOW + DAY,
    }
    return ReleaseCase(**{**values, **changes})


@pytest.fixture
def cases(vault: Vault) -> Cases:
    return Cases(vault.index)


def add(vault: Vault, *rows: RequestCase | ReleaseCase) -> None:
    with vault.index.transaction():
        for row in rows:
            if isinstance(row, RequestCase):
                Cases(vault.index).add_request(row)
            else:
                Cases(vault.index).add_release(row, [])


# Requests


def test_a_request_comes_back_as_it_went_in(vault: Vault, cases: Cases) -> None:
    asked = request(state="REFUSED", rule="area-too-large")
    add(vault, asked)
    assert cases.request(DIGEST) == asked
    assert not asked.is_open
    assert cases.request("e" * 64) is None


def test_the_same_request_is_not_taken_twice(vault: Vault, cases: Cases) -> None:
    add(vault, request())
    with pytest.raises(InternalFault):
        add(vault, request(jti="another"))
    assert cases.requests() == [request()]


def test_lists_are_in_the_order_in_which_they_matter(vault: Vault, cases: Cases) -> None:
    first = request("1" * 64, received_at=NOW - 20, expires_at=NOW + 9)
    second = request("2" * 64, received_at=NOW - 10, expires_at=NOW + 3)
    third = request("3" * 64, received_at=NOW, expires_at=NOW + 1, state="DECLINED")
    add(vault, second, third, first)
    assert cases.requests() == [third, second, first]
    assert cases.open_requests() == [second, first]


@pytest.mark.parametrize("state", lifecycle.states(lifecycle.REQUEST))
@pytest.mark.parametrize("event", sorted({event for _, event in lifecycle.REQUEST}))
def test_a_request_moves_along_its_table_and_nowhere_else(
    vault: Vault, cases: Cases, state: str, event: str
) -> None:
    add(vault, request(state=state), request("e" * 64))
    after = lifecycle.REQUEST.get((state, event))
    if after is None:
        with pytest.raises(InternalFault), vault.index.transaction():
            cases.advance_request(DIGEST, event)
    else:
        with vault.index.transaction():
            cases.advance_request(DIGEST, event)
    moved = cases.request(DIGEST)
    assert moved is not None
    assert moved.state == (after or state)
    assert cases.request("e" * 64) == request("e" * 64)


def test_a_request_that_is_not_there_cannot_move(vault: Vault, cases: Cases) -> None:
    with pytest.raises(InternalFault, match="no request dddd"), vault.index.transaction():
        cases.advance_request(DIGEST, "decline")


# What the quotas count


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
    rows: list[RequestCase],
) -> None:
    with folder_in_memory() as folder:
        vault = Vault(folder / "state")
        add(vault, *rows)
        counted = Cases(vault.index).history("police", "2024-1", "a", now=NOW)
        vault.close()
    ours = [row for row in rows if row.requester == "police"]
    assert counted == History(
        open=sum(row.is_open for row in ours),
        last_day=sum(row.received_at > NOW - DAY for row in ours),
        same_reference=sum(row.reference == "2024-1" for row in ours),
        jti_used=any(row.jti == "a" for row in ours),
    )


def test_a_requester_muted_twice_is_muted_once(vault: Vault, cases: Cases) -> None:
    for at in (NOW, NOW + 1):
        with vault.index.transaction():
            cases.mute("police", at=at)
    assert cases.muted() == ("police",)


# Match sets


def test_a_clip_joins_a_match_set_once_and_keeps_its_first_digest(
    vault: Vault, cases: Cases
) -> None:
    clips = [vault.record() for _ in range(3)]
    add(vault, request())
    with vault.index.transaction():
        assert cases.add_matches(DIGEST, clips[:2]) == clips[:2]
    changed = dataclasses.replace(clips[0], sha256="0" * 64)
    with vault.index.transaction():
        assert cases.add_matches(DIGEST, [changed, *clips[1:]]) == clips[2:]
    assert cases.matches(DIGEST) == {clip.id: clip.sha256 for clip in clips}
    assert cases.matches("e" * 64) == {}


def test_a_match_set_belongs_to_a_request(vault: Vault, cases: Cases) -> None:
    clip = vault.record()
    with pytest.raises(InternalFault), vault.index.transaction():
        cases.add_matches(DIGEST, [clip])
    assert vault.index.held_clips() == []


# Owners' statements


def test_a_statement_counts_once(vault: Vault, cases: Cases) -> None:
    assert not cases.seen("jti")
    with vault.index.transaction():
        cases.mark_seen("jti", DIGEST, at=NOW)
        assert cases.seen("jti")
    with pytest.raises(InternalFault), vault.index.transaction():
        cases.mark_seen("jti", "e" * 64, at=NOW)


def test_a_statement_whose_transaction_fails_was_never_seen(vault: Vault, cases: Cases) -> None:
    with pytest.raises(ZeroDivisionError), vault.index.transaction():
        cases.mark_seen("jti", DIGEST, at=NOW)
        raise ZeroDivisionError
    assert not cases.seen("jti")


# Releases


def test_a_release_needs_its_request(vault: Vault, cases: Cases) -> None:
    with pytest.raises(InternalFault):
        add(vault, release())
    assert cases.releases() == []


@pytest.mark.parametrize("state", lifecycle.states(lifecycle.RELEASE))
@pytest.mark.parametrize("event", sorted({event for _, event in lifecycle.RELEASE}))
def test_a_release_moves_along_its_table_and_nowhere_else(
    vault: Vault, cases: Cases, state: str, event: str
) -> None:
    add(vault, request(), release(state=state), release("s" * 16))
    after = lifecycle.RELEASE.get((state, event))
    if after is None:
        with pytest.raises(InternalFault), vault.index.transaction():
            cases.advance_release("r" * 16, event, detail="why")
        assert cases.release("r" * 16) == release(state=state)
    else:
        with vault.index.transaction():
            assert cases.advance_release("r" * 16, event, detail="why") == after
        assert cases.release("r" * 16) == release(state=after, detail="why")
    assert cases.release("s" * 16) == release("s" * 16)


def test_a_release_that_is_not_there_cannot_move(vault: Vault, cases: Cases) -> None:
    with pytest.raises(InternalFault, match="no release nothing"), vault.index.transaction():
        cases.advance_release("nothing", "seal")


def test_releases_are_listed_oldest_first_by_state(vault: Vault, cases: Cases) -> None:
    old, new = release("a" * 16, approved_at=NOW - 1), release("b" * 16)
    sent = release("c" * 16, state="SENT", approved_at=NOW - 2)
    add(vault, request(), new, sent, old)
    assert cases.releases() == [sent, old, new]
    assert cases.releases("APPROVED") == [old, new]
    assert cases.releases("FAILED") == []


@pytest.mark.parametrize("state", lifecycle.states(lifecycle.RELEASE))
def test_only_a_release_under_way_can_be_asked_to_stop(
    vault: Vault, cases: Cases, state: str
) -> None:
    add(vault, request(), release(state=state))
    under_way = state in ("PROPOSED", "APPROVED", "SEALED")
    with vault.index.transaction():
        asked = cases.ask_to_stop("revoked by the owner", release="r" * 16)
    assert asked == (["r" * 16] if under_way else [])
    stopped = cases.release("r" * 16)
    assert stopped is not None
    assert stopped.stop == ("revoked by the owner" if under_way else "")


def test_a_withdrawn_request_stops_all_its_releases_and_the_first_reason_stays(
    vault: Vault, cases: Cases
) -> None:
    other = request("e" * 64)
    add(vault, request(), other, release("a" * 16), release("b" * 16))
    add(vault, release("c" * 16, request=other.digest))
    with vault.index.transaction():
        cases.ask_to_stop("revoked", release="a" * 16)
        assert cases.ask_to_stop("withdrawn", request=DIGEST) == ["b" * 16]
    assert [row.stop for row in cases.releases()] == ["revoked", "withdrawn", ""]


def test_progress_is_noted_and_clears_what_failed_before(vault: Vault, cases: Cases) -> None:
    add(vault, request(), release())
    with vault.index.transaction():
        cases.set_bundle("r" * 16, size=1000, sha256="5" * 64)
        cases.set_retry("r" * 16, attempts=3, not_before=NOW + 60)
    waiting = cases.release("r" * 16)
    assert waiting == release(
        bundle_bytes=1000, bundle_sha256="5" * 64, attempts=3, not_before=NOW + 60
    )
    with vault.index.transaction():
        cases.set_progress("r" * 16, upload_url="https://up.example/1", sent_bytes=500)
    assert cases.release("r" * 16) == dataclasses.replace(
        waiting, upload_url="https://up.example/1", sent_bytes=500, attempts=0, not_before=0.0
    )


def test_a_file_that_cannot_be_read_is_a_storage_fault_wherever_one_asks(
    vault: Vault, cases: Cases
) -> None:
    add(vault, request(), release())
    vault.close()  # folds the log into the file
    path = vault.state_dir / "agent.sqlite"
    again = Vault(vault.state_dir)
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xa5" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    asked = Cases(again.index)
    for ask in (
        asked.requests, asked.open_requests, asked.releases, asked.muted,
        lambda: asked.request(DIGEST), lambda: asked.matches(DIGEST),
        lambda: asked.history("police", "2024-1", "a", now=NOW),
        lambda: asked.first_post("police", "a"), lambda: asked.reposts(request(), at_most=3),
        lambda: asked.proposals(DIGEST), asked.paused_at,
        lambda: asked.seen("jti"),
    ):  # fmt: skip
        with pytest.raises(StorageFault, match=r"agent\.sqlite: database disk image is malformed"):
            ask()
    again.close()


# Two owners, and shares


def test_a_share_is_a_release_without_a_request(vault: Vault, cases: Cases) -> None:
    add(vault, release(request=None))
    assert cases.release("r" * 16) == release(request=None)


def test_what_waits_for_another_owner_is_found_by_its_request(vault: Vault, cases: Cases) -> None:
    mine, other = release("a" * 16, state="PROPOSED"), request("e" * 64)
    shared = release("b" * 16, state="PROPOSED", request=None)
    add(vault, request(), other, mine, shared)
    add(vault, release("c" * 16, state="PROPOSED", request=other.digest), release("d" * 16))
    assert cases.proposals(DIGEST) == [mine]
    assert cases.proposals(None) == [shared]


def test_a_proposal_that_is_to_stop_waits_for_nobody(vault: Vault, cases: Cases) -> None:
    add(vault, request(), release(state="PROPOSED"))
    with vault.index.transaction():
        cases.ask_to_stop("revoked", release="r" * 16)
    assert cases.proposals(DIGEST) == []


def test_the_letter_that_completed_a_release_brings_its_keys_again(
    vault: Vault, cases: Cases
) -> None:
    alone = release("a" * 16, approval="alone")
    both = release("b" * 16, approval="first", state="PROPOSED")
    sealed = release("c" * 16, approval="sealed", state="SEALED")
    add(vault, request(), alone, both, sealed)
    with vault.index.transaction():
        cases.set_second("b" * 16, "second", expires_at=NOW + 5)
        cases.advance_release("b" * 16, "agree")
    agreed = dataclasses.replace(both, second="second", state="APPROVED", expires_at=NOW + 5)
    assert cases.waiting_for_keys("alone") == alone
    assert cases.waiting_for_keys("second") == agreed
    for other in ("first", "sealed", ""):
        assert cases.waiting_for_keys(other) is None


def test_a_requester_is_muted_until_it_is_not(vault: Vault, cases: Cases) -> None:
    with vault.index.transaction():
        cases.mute("requester", at=NOW)
        cases.mute("requester", at=NOW + 1)
    assert cases.muted() == ("requester",)
    with vault.index.transaction():
        assert cases.unmute("requester")
        assert not cases.unmute("requester")
    assert cases.muted() == ()
