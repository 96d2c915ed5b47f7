"""A device's view of a public log, whatever the order of arrival."""

from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tlog_scales.signing import PlainEd25519Signer
from tlog_scales.writer import TilesWriter

from agent.consent import decoding
from agent.consent.statements import LogPlace
from agent.consent.transparency import proof as logproof
from agent.consent.transparency import view as transparency
from agent.consent.transparency.proof import MAX_BYTES, LogPolicy
from agent.consent.transparency.view import KEPT_HEADS, Included, LogView, Waiting
from agent.errors import ConfigError, NotPublic, Refused, StorageFault
from tests.consent import logs
from tests.consent.logs import FakeLog, FakeWitness, entry, private_key

LOG = FakeLog(40)
FORK = LOG.forked(at=5)
FRESH = LogView(LOG.policy())
WITNESSES = tuple(map(FakeWitness, ("one.example/w", "two.example/w")))


def check(view: LogView, number: int, size: int, log: FakeLog = LOG) -> LogView:
    """The view after a post that must be found public."""
    view, outcome = view.check(log.entries[number], log.proof(number, size))
    assert outcome == Included(number, size)
    return view


def refused(view: LogView, payload: bytes, rule: str, post: bytes = entry(3)) -> NotPublic:
    after, outcome = view.check(post, payload)
    assert isinstance(outcome, NotPublic) and outcome.rule == rule
    assert after == view or rule == "checkpoint-forked"
    return outcome


def advance(view: LogView, *links: tuple[int, int], log: FakeLog = LOG) -> LogView:
    """The view after good links."""
    for old, new in links:
        view = view.advance(log.link(old, new))
        assert view.troubles == ()
    return view


def known(view: LogView) -> list[int]:
    return sorted(view.heads)


def test_the_first_checkpoint_is_believed_under_the_pinned_key() -> None:
    view = check(FRESH, 3, 7)
    newest = logs.latest(view)
    assert known(view) == [7] and newest and newest.size == 7
    assert (newest.origin, view.knows(7), view.knows(8)) == (logs.NAME, True, False)
    assert logs.latest(FRESH) is None


def test_further_posts_under_a_known_checkpoint_need_no_link() -> None:
    view = check(FRESH, 3, 7)
    assert check(check(view, 6, 7), 0, 7) == view


def test_a_post_under_a_newer_checkpoint_waits_for_a_link() -> None:
    view, outcome = check(FRESH, 3, 7).check(entry(8), LOG.proof(8, 9))
    assert outcome == Waiting(9) and not view.knows(9)
    view = advance(view, (7, 9))
    assert view.knows(9) and known(check(view, 8, 9)) == [7, 9]


def test_a_post_under_an_older_checkpoint_waits_for_a_link_too() -> None:
    view, outcome = check(FRESH, 8, 9).check(entry(3), LOG.proof(3, 5))
    assert outcome == Waiting(5)
    assert known(check(advance(view, (5, 9)), 3, 5)) == [5, 9]


CHAIN = [(3, 7), (7, 9), (9, 20), (20, 40)]


@pytest.mark.parametrize("order", list(itertools.permutations(CHAIN)))
def test_a_chain_of_links_connects_in_any_order(order: list[tuple[int, int]]) -> None:
    for start in (3, 9, 40):
        view = advance(check(FRESH, 1, start), *order)
        view, outcome = view.check(entry(2), LOG.proof(2, 3))
        assert outcome == Included(2, 3) and known(view) == [3, 7, 9, 20, 40]
        assert view.links == ()


def test_links_may_all_come_before_the_first_post() -> None:
    view = advance(FRESH, (9, 20), (3, 7), (7, 9))
    assert known(check(view, 2, 9)) == [7, 9, 20], "7 is claimed by its link; 3 by nobody yet"
    assert known(check(check(view, 2, 9), 2, 3)) == [3, 7, 9, 20]


def test_posts_wait_and_links_connect_in_any_order() -> None:
    view = check(FRESH, 0, 9)
    for size in (5, 20, 30):
        view, outcome = view.check(entry(1), LOG.proof(1, size))
        assert outcome == Waiting(size)
    view = advance(view, (20, 30), (5, 30))
    assert known(view) == [9]
    assert known(advance(view, (9, 20))) == [5, 9, 20, 30]


def test_a_link_from_an_empty_log_connects_nothing() -> None:
    view = advance(check(FRESH, 0, 7), (0, 9))
    assert known(view) == [7]
    view, outcome = view.check(entry(1), LOG.proof(1, 9))
    assert outcome == Waiting(9), "everything grows out of nothing: that shows nothing"
    assert known(advance(FRESH, (0, 7))) == [7], "but it may be the first"


def test_an_empty_log_is_not_trusted_first() -> None:
    view = advance(FRESH, (0, 0))
    assert known(view) == []
    assert known(advance(check(view, 0, 7), (0, 0), (0, 9))) == [7]


def test_a_post_that_the_log_does_not_hold_is_refused() -> None:
    refused(FRESH, LOG.proof(3, 7), "not-included", post=entry(4))
    refused(FRESH, LOG.proof(3, 7), "not-included", post=entry(3) + b"\n")
    path = LOG.path(3, 7)
    for wrong in ([], path[:-1], [*path, path[0]], path[::-1]):
        text = logproof.format_proof(3, wrong, LOG.note(7)).encode()
        refused(FRESH, text, "not-included")
    refused(FRESH, logproof.format_proof(7, path, LOG.note(7)).encode(), "not-included")


def test_a_post_without_proof_is_refused() -> None:
    refused(FRESH, b"", "proof-missing")


def test_a_log_that_nobody_pinned_is_refused() -> None:
    other = FakeLog(7, name="other.example/log")
    refused(FRESH, other.proof(3), "unknown-log")
    [trouble] = FRESH.advance(other.link(3, 7)).troubles
    assert trouble.rule == "unknown-log"


def test_a_post_needs_the_signatures_of_the_owners_witnesses() -> None:
    log = FakeLog(9, witnesses=WITNESSES)
    half = FakeLog(9, witnesses=WITNESSES[:1])
    view = LogView(log.policy(2))
    refused(view, half.proof(3), "witness-missing")
    view = check(view, 3, 7, log)
    [trouble] = view.advance(half.link(7, 9)).troubles
    assert trouble.rule == "witness-missing"
    assert known(advance(view, (7, 9), log=log)) == [7, 9]


def test_another_history_at_a_known_size_is_a_fork() -> None:
    view = check(FRESH, 3, 7)
    view, outcome = view.check(FORK.entries[6], FORK.proof(6, 7))
    assert isinstance(outcome, NotPublic) and outcome.rule == "checkpoint-forked"
    assert outcome.notes == view.fork == (LOG.note(7), FORK.note(7))
    one, other = map(LOG.policy().verify, outcome.notes)
    assert one.size == other.size and one.root != other.root, "whoever has the key can see it"


def test_a_link_to_another_history_at_a_known_size_is_a_fork() -> None:
    view = check(FRESH, 3, 7).advance(FORK.link(5, 7))
    [trouble] = view.troubles
    assert trouble.rule == "checkpoint-forked" and trouble.notes == (LOG.note(7), FORK.note(7))


def test_two_histories_in_unconnected_links_are_a_fork() -> None:
    view, outcome = check(FRESH, 3, 5).check(entry(8), LOG.proof(8, 9))
    assert outcome == Waiting(9)
    view = view.advance(FORK.link(7, 9))
    assert view.fork == (LOG.note(9), FORK.note(9))


def test_no_post_is_public_in_a_forked_log_until_another_is_pinned() -> None:
    view = check(FRESH, 3, 7).advance(FORK.link(5, 7))
    assert refused(view, LOG.proof(3, 7), "checkpoint-forked").notes == view.fork
    assert view.knows(12345), "what waits is to be decided"
    again = view.advance(LOG.link(7, 9))
    assert again == view and again.troubles == (), "it was told once"
    kept = LogView.from_text(view.text(), LOG.policy())
    assert kept == view
    refused(kept, LOG.proof(3, 7), "checkpoint-forked")
    new = FakeLog(7, key=private_key("a new key"))
    assert LogView.from_text(view.text(), new.policy()) == LogView(new.policy())


def test_a_newer_checkpoint_of_another_history_never_becomes_known() -> None:
    view = check(FRESH, 3, 7)
    for past in ([], LOG.path(0, 7), FORK.path(0, 9)):
        text = logproof.format_link(7, past, FORK.note(9)).encode()
        after = view.advance(text)
        [trouble] = after.troubles
        assert trouble.rule == "log-not-consistent" and known(after) == [7]
        assert trouble.notes == (LOG.note(7), FORK.note(9))
    view, outcome = view.check(FORK.entries[8], FORK.proof(8, 9))
    assert outcome == Waiting(9)


def test_forged_hashes_do_not_block_true_ones() -> None:
    forged = logproof.format_link(7, [bytes(32)] * 4, LOG.note(9)).encode()
    view = check(FRESH, 3, 7).advance(forged)
    assert view.fork is None and [one.rule for one in view.troubles] == ["log-not-consistent"]
    assert known(advance(view, (7, 9))) == [7, 9]


def test_forged_hashes_that_came_first_are_detected_later() -> None:
    forged = logproof.format_link(9, [bytes(32)] * 4, LOG.note(20)).encode()
    view = advance(check(FRESH, 3, 7).advance(forged), (9, 20))
    view = view.advance(LOG.link(7, 9))
    assert [one.rule for one in view.troubles] == ["log-not-consistent"]
    assert known(view) == [7, 9, 20] and view.links == ()


def test_a_log_does_not_get_shorter() -> None:
    text = logproof.format_link(9, [], LOG.note(7)).encode()
    [trouble] = check(FRESH, 3, 9).advance(text).troubles
    assert trouble.rule == "log-went-back"


def test_a_view_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transparency, "MAX_HEADS", 5)
    monkeypatch.setattr(transparency, "MAX_LINKS", 4)
    view = check(FRESH, 0, 1)
    for size in range(2, 20):
        view = advance(view, (size - 1, size))
    assert known(view) == [15, 16, 17, 18, 19]
    for size in range(25, 40):
        view = advance(view, (size - 1, size))
    assert [link.head.size for link in view.links] == [36, 37, 38, 39]


def test_a_repeated_link_is_stored_once() -> None:
    view = advance(check(FRESH, 0, 1), (20, 30), (20, 30))
    assert len(view.links) == 1


def test_a_view_survives_a_restart() -> None:
    log = FakeLog(80, witnesses=WITNESSES)
    view = check(LogView(log.policy(1)), 3, 7, log)
    view = advance(view, (7, 9), (9, 20), log=log)
    kept = LogView.from_text(view.text(), log.policy(1))
    assert kept == view and kept.text() == view.text()
    assert known(check(kept, 2, 9, log)) == [7, 9, 20]
    assert LogView.from_text(view.text(), log.policy(2)) == replace(view, policy=log.policy(2))
    for size in range(21, 81):
        view = advance(view, (size - 1, size), log=log)
    kept = LogView.from_text(view.text(), log.policy(1))
    assert known(kept) == known(view)[-KEPT_HEADS:]
    assert LogView.from_text(FRESH.text(), LOG.policy()) == FRESH


@settings(max_examples=200)
@given(at=st.integers(0, 10_000), char=st.characters(max_codepoint=0x7F))
def test_a_damaged_view_is_a_storage_fault(at: int, char: str) -> None:
    view = advance(check(FRESH, 3, 7), (7, 9))
    text = view.text()
    at %= len(text)
    changed = text[:at] + char + text[at + 1 :]
    try:
        kept = LogView.from_text(changed, LOG.policy())
    except StorageFault:
        return
    assert kept in (view, FRESH), "only the key's name, or nothing, was changed"


def test_nonsense_is_not_a_view() -> None:
    for text in ("", "{}", "[]", FRESH.text() + "x", '{"key":1,"heads":[],"fork":null}'):
        with pytest.raises(StorageFault, match="damaged"):
            LogView.from_text(text, LOG.policy())


PROOF, LINK = LOG.proof(3, 9), LOG.link(7, 9)
HASH = PROOF.split(b"\n")[2] + b"\n"


@pytest.mark.parametrize(
    "payload",
    [
        b"\n",
        b"c2sp.org/tlog-proof@v1",
        PROOF.replace(b"@v1", b"@v2"),
        b"\n" + PROOF,
        PROOF.replace(b"index 3\n", b""),
        PROOF.replace(b"index 3\n", b"index 03\n"),
        PROOF.replace(b"index 3\n", b"index  3\n"),
        PROOF.replace(b"index 3\n", b"index -3\n"),
        PROOF.replace(b"index 3\n", b"index 3 \n"),
        PROOF.replace(b"index 3\n", b"index 9007199254740993\n"),
        PROOF.replace(b"index 3\n", b"extra !\nindex 3\n"),
        PROOF.replace(b"index 3\n", b"extra AB==\nindex 3\n"),
        PROOF.replace(b"index 3\n", b"index 3\nextra AA==\n"),
        PROOF.replace(b"index 3\n", b"extra AA==\nextra AA==\nindex 3\n"),
        PROOF.replace(HASH, HASH[1:]),
        PROOF.replace(HASH, b" " + HASH),
        PROOF.replace(HASH, HASH * 64),
        PROOF.replace(HASH, b"AAAA\n"),
        PROOF.replace(b"\n\n", b"\n"),
        PROOF.replace(b"\n", b"\r\n"),
        b"\xff" + PROOF,
        PROOF + b"\xe2\x80\x94 long " + b"A" * MAX_BYTES + b"\n",
    ],
)
def test_a_malformed_proof_is_refused(payload: bytes) -> None:
    refused(FRESH, payload, "proof-malformed")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        LINK.replace(b"old 7", b"new 7"),
        LINK.replace(b"old 7", b"old 07"),
        LINK.replace(b"old 7", b"old"),
        LINK.replace(b"old 7", b"old 0"),
        LINK.replace(b"\n\n", b"\n"),
        LINK + b"A" * MAX_BYTES,
    ],
)
def test_a_malformed_link_is_refused(payload: bytes) -> None:
    [trouble] = FRESH.advance(payload).troubles
    assert trouble.rule == "link-malformed"


def test_extra_data_is_allowed_and_ignored() -> None:
    text = PROOF.replace(b"index 3\n", b"extra QUJD\nindex 3\n")
    assert FRESH.check(entry(3), text)[1] == Included(3, 9)


@settings(max_examples=400)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_never_proves_anything_else(at: int, byte: int) -> None:
    for payload in (PROOF, LINK):
        changed = bytearray(payload)
        changed[at % len(payload)] = byte
        _, outcome = FRESH.check(entry(3), bytes(changed))
        assert isinstance(outcome, NotPublic) or outcome == Included(3, 9)
        after = check(FRESH, 3, 7).advance(bytes(changed))
        assert known(after) in ([7], [7, 9])
        assert after.fork is None
        if known(after) == [7, 9]:
            assert after.heads[9].root == LOG.policy().verify(LOG.note(9)).root


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_of_a_post_is_another_post(at: int, byte: int) -> None:
    post = bytearray(entry(3))
    post[at % len(post)] = byte
    _, outcome = FRESH.check(bytes(post), PROOF)
    assert (outcome == Included(3, 9)) == (bytes(post) == entry(3))


@given(st.binary(max_size=300))
@example(PROOF[:-1])
@example(LINK[:-1])
def test_any_bytes_are_refused_by_name(payload: bytes) -> None:
    _, outcome = FRESH.check(entry(3), payload)
    assert isinstance(outcome, Refused)
    [trouble] = FRESH.advance(payload).troubles
    assert isinstance(trouble, Refused)


SIZES = st.integers(1, 40)
STEPS = st.lists(
    st.tuples(st.sampled_from(["post", "link", "other post", "other link", "forged"]), SIZES, SIZES)
)


@settings(max_examples=300)
@given(steps=STEPS)
def test_known_checkpoints_are_of_one_history_whatever_arrives(
    steps: list[tuple[str, int, int]],
) -> None:
    """A device that began with the true log: it believes the other one at no size."""
    view = check(FRESH, 0, 6)
    for kind, one, two in steps:
        old, new = sorted((one, two))
        log = FORK if kind.startswith("other") else LOG
        if kind.endswith("post"):
            view, outcome = view.check(log.entries[old - 1], log.proof(old - 1, new))
            if log is FORK and new > 5:
                assert not isinstance(outcome, Included)
        elif kind == "forged":
            view = view.advance(
                logproof.format_link(old, FORK.path(0, old), LOG.note(new)).encode()
            )
        else:
            view = view.advance(log.link(old, new))
        for size, head in view.heads.items():
            assert head.root == LOG.policy().verify(LOG.note(size)).root
    if not any(kind.startswith("other") for kind, *_ in steps):
        assert view.fork is None


@settings(max_examples=150)
@given(sizes=st.lists(SIZES, min_size=2, max_size=8, unique=True), data=st.data())
def test_the_order_of_arrival_does_not_matter(sizes: list[int], data: st.DataObject) -> None:
    ordered = sorted(sizes)
    arrivals = data.draw(st.permutations([*itertools.pairwise(ordered), *((n, 0) for n in sizes)]))
    view = check(FRESH, 0, sizes[0])
    for old, new in arrivals:
        if new:
            view = advance(view, (old, new))
        else:
            view, outcome = view.check(entry(0), LOG.proof(0, old))
            assert isinstance(outcome, Included | Waiting)
    assert known(view) == ordered


def test_a_tiled_log_of_another_implementation_is_accepted(tmp_path: Path) -> None:
    signer = PlainEd25519Signer(logs.NAME, private_key(logs.NAME))
    writer = TilesWriter.create(tmp_path / "log", logs.NAME)
    view, old = FRESH, 0
    for size in (1, 7, 260, 300):
        for number in range(old, size):
            writer.add_leaf(entry(number))
        writer.commit([signer])
        note = (tmp_path / "log" / "checkpoint").read_text("utf-8")
        path = writer.reader.get_consistency_proof(old, size).node_hashes if old else []
        view = view.advance(logproof.format_link(old, path, note).encode())
        proof = writer.reader.get_inclusion_proof(size - 1, size).node_hashes
        text = logproof.format_proof(size - 1, proof, note).encode()
        view, outcome = view.check(entry(size - 1), text)
        assert outcome == Included(size - 1, size)
        old = size
    assert known(view) == [1, 7, 260, 300]


KEY, WITNESS = LOG.key.text, WITNESSES[0].key.text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((WITNESS,), "feed.log_key: .* a witness's"),
        (("nonsense",), "feed.log_key: the key is not a verifier key"),
        ((KEY, [KEY]), "feed.witness_keys: .* a log's"),
        ((KEY, [WITNESS, WITNESS]), "feed.witness_keys: one key is listed under two names"),
        ((KEY, [WITNESS], 2), "feed.witnesses_needed: 2 of 1"),
        ((KEY, [], -1), "feed.witnesses_needed"),
        ((KEY, [FakeWitness(f"w{n}").key.text for n in range(17)]), "more than 16"),
        ((FakeLog(name="l" * 121).key.text,), "feed.log_key: the log's name has 121 characters"),
    ],
)
def test_an_impossible_log_policy_is_a_config_error(
    arguments: tuple[str, list[str], int], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        LogPolicy.pin(*arguments)


def test_the_longest_log_name_fits_into_an_inbox_report() -> None:
    """A longer one ended the gateway at the first request that stood in the log."""
    name = "l" * 120
    assert LogPolicy.pin(FakeLog(name=name).key.text).origin == name
    place = LogPlace(origin=name, index=0, size=1)
    assert decoding.decode(decoding.encode(place), LogPlace, 1_000) == place
    with pytest.raises(ConfigError, match="120 at most"):
        LogPolicy.pin(KEY, origin=name + "l")


def test_a_log_is_not_its_own_witness() -> None:
    own = FakeWitness(logs.NAME).key
    assert own.raw == LOG.key.raw
    with pytest.raises(ConfigError, match="two names"):
        LogPolicy.pin(KEY, [own.text], 1)


def test_views_compare_by_value_without_waiting_links() -> None:
    view = check(FRESH, 3, 7)
    waiting = advance(view, (20, 30))
    assert waiting.links and waiting == view and waiting.text() == view.text()
    with pytest.raises(FrozenInstanceError):
        view.heads = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        view.heads[9] = view.heads[7]  # type: ignore[index]
