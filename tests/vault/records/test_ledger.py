"""The owner's ledger: nobody changes a line unseen."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.consent.statements import ConsistencyProof, LedgerHead
from agent.consent.transparency.merkle import is_consistent
from agent.consent.transparency.tree import Tree
from agent.errors import InternalFault, StorageFault
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.ledger import Entry, Ledger, LedgerWriter
from tests.vault.support import Vault, folder_in_memory

LINES = 6


@pytest.fixture
def ledger(vault: Vault) -> Ledger:
    """A ledger of six lines."""
    ledger = Ledger(vault.database)
    for number in range(LINES):
        add(vault.database, "request.refused", f"subject {number}", {"rule": "area", "n": number})
    return ledger


def add(index: GatewayDatabase, event: str, subject: str, detail: dict[str, Any]) -> Entry:
    with index.transaction():
        return LedgerWriter(index).append(event, subject, detail, at=1_706_121_000.1239)


def tamper(vault: Vault, sql: str, *values: object) -> None:
    """Change the file as anybody with SQLite can."""
    vault.database.connection.execute(sql, values)


def test_an_empty_ledger_is_whole_and_has_the_root_of_an_empty_tree(vault: Vault) -> None:
    ledger = Ledger(vault.database)
    assert ledger.verify() == 0
    assert ledger.head() == LedgerHead(size=0, root=hashlib.sha256().hexdigest())
    assert list(ledger.entries()) == []


def test_lines_follow_each_other(ledger: Ledger) -> None:
    entries = list(ledger.entries())
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert ledger.verify() == LINES
    root = Tree(entry.leaf() for entry in entries).root(LINES)
    assert ledger.head() == LedgerHead(size=LINES, root=root.hex())
    assert [entry.seq for entry in ledger.entries(after=4)] == [5, 6]
    assert entries[2].detail == {"rule": "area", "n": 2}
    assert entries[2].at == 1_706_121_000.124


def test_the_leaf_is_that_of_the_canonical_line(ledger: Ledger) -> None:
    first = next(ledger.entries())
    text = (
        '{"at":1706121000.124,"detail":{"n":0,"rule":"area"},"event":"request.refused",'
        '"seq":1,"subject":"subject 0"}'
    )
    assert first.text() == text
    assert first.leaf() == hashlib.sha256(b"\0" + text.encode()).digest()


def test_a_line_outside_a_transaction_is_our_mistake(vault: Vault) -> None:
    with pytest.raises(InternalFault):
        LedgerWriter(vault.database).append("event", "subject", {}, at=1.0)


def test_a_line_goes_with_the_transaction_it_belongs_to(vault: Vault, ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), vault.database.transaction():
        for at in (1.0, 2.0):
            LedgerWriter(vault.database).append("event", "subject", {}, at=at)
        assert ledger.head().size == LINES + 2
        raise ZeroDivisionError
    assert ledger.head().size == LINES
    assert ledger.verify() == LINES


@pytest.mark.parametrize("line", range(1, LINES + 1))
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", 1_706_121_000.125),
        ("event", "request.accepted"),
        ("subject", "another"),
        ("detail", '{"n":0,"rule":"rate"}'),
        ("detail", '{"n": 0, "rule": "area"}'),
        ("detail", "[]"),
        ("detail", "not JSON"),
        ("detail", "[" * 100_000),
    ],
)
def test_a_change_in_any_field_of_any_line_is_found(
    vault: Vault, ledger: Ledger, line: int, column: str, value: object
) -> None:
    tamper(vault, f"UPDATE ledger SET {column} = ? WHERE seq = ?", value, line)
    with pytest.raises(StorageFault, match=rf"ledger line {line}: ") as caught:
        ledger.verify()
    assert caught.value.advice


@pytest.mark.parametrize("line", range(1, LINES))
def test_a_removed_line_is_found(vault: Vault, ledger: Ledger, line: int) -> None:
    tamper(vault, "DELETE FROM ledger WHERE seq = ?", line)
    with pytest.raises(StorageFault, match=f"ledger line {line}: it is missing"):
        ledger.verify()


@pytest.mark.parametrize("line", range(1, LINES))
def test_a_removed_line_is_found_though_the_others_are_numbered_anew(
    vault: Vault, ledger: Ledger, line: int
) -> None:
    tamper(vault, "DELETE FROM ledger WHERE seq = ?", line)
    tamper(vault, "UPDATE ledger SET seq = -seq WHERE seq > ?", line)
    tamper(vault, "UPDATE ledger SET seq = -seq - 1 WHERE seq < 0")
    with pytest.raises(StorageFault, match=f"ledger line {line}: it was changed"):
        ledger.verify()


def test_an_inserted_line_is_found(vault: Vault, ledger: Ledger) -> None:
    tamper(vault, "UPDATE ledger SET seq = -seq WHERE seq > 3")
    tamper(vault, "UPDATE ledger SET seq = -seq + 1 WHERE seq < 0")
    tamper(vault, "INSERT INTO ledger VALUES (4, 1.0, 'e', 's', '{}')")
    with pytest.raises(StorageFault, match="ledger line 4: it was changed"):
        ledger.verify()


@pytest.mark.parametrize(("level", "number", "line"), [(0, 2, 3), (1, 0, 2), (1, 2, 6), (2, 0, 4)])
@pytest.mark.parametrize("how", ["UPDATE ledger_node SET hash = x''", "DELETE FROM ledger_node"])
def test_a_changed_tree_is_found(
    vault: Vault, ledger: Ledger, how: str, level: int, number: int, line: int
) -> None:
    tamper(vault, f"{how} WHERE (level, number) = (?, ?)", level, number)
    with pytest.raises(StorageFault, match=r"ledger line [1-6]: ") as caught:
        ledger.verify()
    assert int(re.findall(r"line (\d+)", caught.value.message)[0]) <= line


def test_two_lines_that_changed_places_are_found(vault: Vault, ledger: Ledger) -> None:
    tamper(vault, "UPDATE ledger SET seq = 0 WHERE seq = 2")
    tamper(vault, "UPDATE ledger SET seq = 2 WHERE seq = 3")
    tamper(vault, "UPDATE ledger SET seq = 3 WHERE seq = 0")
    with pytest.raises(StorageFault, match="ledger line 2: "):
        ledger.verify()


def test_a_line_before_the_first_is_found(vault: Vault, ledger: Ledger) -> None:
    tamper(vault, "INSERT INTO ledger VALUES (0, 1.0, 'e', 's', '{}')")
    with pytest.raises(StorageFault, match="ledger line 1: it is missing; line 0 stands"):
        ledger.verify()


def cut_off(vault: Vault, line: int) -> None:
    """Drop the lines behind ``line``, with their nodes, as if they had never been."""
    tamper(vault, "DELETE FROM ledger WHERE seq > ?", line)
    tamper(vault, "DELETE FROM ledger_node WHERE ((number + 1) << level) > ?", line)


def test_a_cut_off_end_is_found_by_the_tree(vault: Vault, ledger: Ledger) -> None:
    tamper(vault, "DELETE FROM ledger WHERE seq > 4")
    with pytest.raises(StorageFault, match="ledger line 5: the ledger had 6 lines"):
        ledger.verify()


def test_a_cut_off_end_is_found_by_the_head_of_an_earlier_letter(
    vault: Vault, ledger: Ledger
) -> None:
    head = ledger.head()
    cut_off(vault, 4)
    assert ledger.verify() == 4  # by itself the rest is a whole ledger
    assert not ledger.holds(head)
    with pytest.raises(StorageFault, match="ledger line 5: the ledger once had 6 lines"):
        ledger.verify(head)


def test_a_ledger_written_anew_is_found_by_the_head_of_an_earlier_letter(
    vault: Vault, ledger: Ledger
) -> None:
    head = ledger.head()
    cut_off(vault, 0)
    for number in range(LINES + 3):
        add(vault.database, "request.accepted", f"subject {number}", {})
    assert ledger.verify() == LINES + 3
    assert not ledger.holds(head)
    with pytest.raises(StorageFault, match=f"ledger line {LINES}: the ledger up to here is not"):
        ledger.verify(head)


def test_a_ledger_that_went_on_still_has_its_earlier_heads(vault: Vault, ledger: Ledger) -> None:
    heads = [ledger.head()]
    for number in range(9):
        add(vault.database, "request.accepted", f"subject {number}", {})
        heads.append(ledger.head())
    for head in heads:
        assert ledger.verify(head) == LINES + 9
        assert ledger.holds(head)


def acknowledge(vault: Vault, owner: str, *heads: LedgerHead, at: float) -> None:
    with vault.database.transaction():
        LedgerWriter(vault.database).acknowledge(owner, heads, at=at)


def holds(proof: ConsistencyProof, old: LedgerHead, new: LedgerHead) -> bool:
    """The owner's check."""
    path = [bytes.fromhex(node) for node in proof.path]
    roots = bytes.fromhex(old.root), bytes.fromhex(new.root)
    assert proof.from_size == old.size
    return is_consistent(old.size, roots[0], new.size, roots[1], path)


def test_each_owner_gets_a_proof_from_the_head_they_saw_last(vault: Vault, ledger: Ledger) -> None:
    assert ledger.proofs(ledger.head().size) == ()
    heads = [ledger.head()]
    acknowledge(vault, "Olive", heads[0], at=2.0)
    add(vault.database, "request.accepted", "subject", {})
    heads.append(ledger.head())
    acknowledge(vault, "Otto", heads[1], at=1.0)
    acknowledge(vault, "Olive", LedgerHead(size=1, root="0" * 64), at=1.0)  # an older letter
    add(vault.database, "request.accepted", "subject", {})
    proofs = ledger.proofs(ledger.head().size)
    assert [proof.from_size for proof in proofs] == [LINES + 1, LINES]
    assert all(holds(*pair, ledger.head()) for pair in zip(proofs, heads[::-1], strict=True))
    acknowledge(vault, "Olive", *heads, ledger.head(), at=3.0)
    proofs = ledger.proofs(LINES + 2)
    assert [proof.from_size for proof in proofs] == [LINES + 2, LINES + 1, LINES]


def test_a_proof_from_a_head_that_was_never_here_does_not_hold(
    vault: Vault, ledger: Ledger
) -> None:
    strange = LedgerHead(size=3, root="5" * 64)
    acknowledge(vault, "Olive", strange, at=1.0)
    (proof,) = ledger.proofs(ledger.head().size)
    assert not holds(proof, strange, ledger.head())
    acknowledge(vault, "Olive", LedgerHead(size=LINES + 1, root="5" * 64), at=2.0)
    assert ledger.proofs(ledger.head().size) == ()


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(1e-5, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abä", max_size=3), inner),
    max_leaves=8,
)
_lines = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.dictionaries(st.text("xyzé", max_size=4), _json, max_size=4),
    st.floats(0, 4e9),
)


@settings(max_examples=30, deadline=None)
@given(lines=st.lists(_lines, max_size=6))
def test_every_appended_line_verifies_and_an_export_stands_on_its_own(
    lines: list[tuple[str, dict[str, Any], float]],
) -> None:
    with folder_in_memory() as folder, GatewayDatabase.open(folder / "gateway.sqlite") as index:
        ledger = LedgerWriter(index)
        for subject, detail, at in lines:
            with index.transaction():
                ledger.append("event", subject, detail, at=at)
        assert ledger.verify() == len(lines)
        out = io.StringIO()
        ledger.export(out)
        texts = out.getvalue().split("\n")[:-1]
        assert [json.loads(text)["detail"] for text in texts] == [detail for _, detail, _ in lines]
        # As anybody would check it, without a line of ours:
        tree = Tree(hashlib.sha256(b"\0" + text.encode()).digest() for text in texts)
        assert ledger.head() == LedgerHead(size=len(lines), root=tree.root(len(lines)).hex())


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300, 1e-300])
def test_numbers_without_one_spelling_are_refused(vault: Vault, number: float) -> None:
    with pytest.raises(ValueError, match="has no place in a ledger"), vault.database.transaction():
        LedgerWriter(vault.database).append("event", "subject", {"number": number}, at=1.0)
    assert Ledger(vault.database).verify() == 0


def test_two_writers_make_one_ledger(vault: Vault, ledger: Ledger, tmp_path: Path) -> None:
    with GatewayDatabase.open(vault.database.path) as other:
        for number in range(4):
            add(other if number % 2 else vault.database, "event", f"subject {number}", {})
        assert Ledger(other).verify() == ledger.verify() == LINES + 4
