"""Trees and proofs, compared with published ones and with another implementation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales.reader import TilesReader
from tlog_scales.tlog import (
    ConsistencyProof,
    ConsistencyProofInvalid,
    InclusionProof,
    InclusionProofInvalid,
)
from tlog_scales.writer import TilesWriter

from agent.consent.transparency import merkle
from agent.consent.transparency.merkle import is_consistent, is_included, leaf_hash
from agent.consent.transparency.tree import Tree
from tests.consent import logs

REFERENCE = logs.vectors("reference-tree")
EXAMPLE = logs.vectors("rfc6962-example")
ROOTS = [merkle.EMPTY_ROOT, *map(bytes.fromhex, REFERENCE["roots"])]
LEAVES = [leaf_hash(bytes.fromhex(leaf)) for leaf in REFERENCE["leaves"]]
SEVEN = [leaf_hash(b"d%d" % number) for number in range(7)]
MOST = 600  # leaves: more than two tiles of the other implementation

hashes = st.binary(min_size=32, max_size=32)


def hashed(texts: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize("vector", REFERENCE["inclusion"])
def test_a_published_inclusion_proof_holds_and_is_reproduced(
    vector: dict[str, object],
) -> None:
    index, size, path = (vector[name] for name in ("index", "size", "path"))
    assert isinstance(index, int) and isinstance(size, int) and isinstance(path, list)
    assert is_included(LEAVES[index], index, size, hashed(path), ROOTS[size])
    assert Tree(LEAVES).inclusion(index, size) == hashed(path)


@pytest.mark.parametrize("vector", REFERENCE["consistency"])
def test_a_published_consistency_proof_holds_and_is_reproduced(
    vector: dict[str, object],
) -> None:
    old, size, path = (vector[name] for name in ("old", "size", "path"))
    assert isinstance(old, int) and isinstance(size, int) and isinstance(path, list)
    assert is_consistent(old, ROOTS[old], size, ROOTS[size], hashed(path))
    assert Tree(LEAVES).consistency(old, size) == hashed(path)


def test_the_roots_are_the_published_ones() -> None:
    tree = Tree(LEAVES)
    assert [tree.root(size) for size in range(9)] == ROOTS
    assert hashlib.sha256(b"").digest() == ROOTS[0]


def test_the_proofs_of_the_rfc_use_the_nodes_that_it_names() -> None:
    tree = Tree(SEVEN)
    nodes = {name: Tree(SEVEN[a:b]).root(b - a) for name, (a, b) in EXAMPLE["nodes"].items()}
    for index, names in EXAMPLE["inclusion"].items():
        assert tree.inclusion(int(index), 7) == [nodes[name] for name in names]
    for old, names in EXAMPLE["consistency"].items():
        assert tree.consistency(int(old), 7) == [nodes[name] for name in names]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> TilesReader:
    """A log of MOST entries in the tiles of the other implementation."""
    writer = TilesWriter.create(tmp_path_factory.mktemp("tiles") / "log", logs.NAME)
    for number in range(MOST):
        writer.add_leaf(logs.entry(number))
    writer.commit([])
    return writer.reader


OURS = Tree(leaf_hash(logs.entry(number)) for number in range(MOST))
sizes = st.integers(1, MOST)


@given(data=st.data(), size=sizes)
def test_another_implementation_agrees_on_inclusion_proofs(
    theirs: TilesReader, data: st.DataObject, size: int
) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf, root, path = leaf_hash(logs.entry(index)), OURS.root(size), OURS.inclusion(index, size)
    assert theirs.mth(0, size) == root
    assert theirs.get_inclusion_proof(index, size).node_hashes == path
    assert is_included(leaf, index, size, path, root)
    InclusionProof(index, size, path).check(leaf, root)


@given(one=sizes, two=sizes)
def test_another_implementation_agrees_on_consistency_proofs(
    theirs: TilesReader, one: int, two: int
) -> None:
    old, size = sorted((one, two))
    path = OURS.consistency(old, size)
    assert theirs.get_consistency_proof(old, size).node_hashes == path
    assert is_consistent(old, OURS.root(old), size, OURS.root(size), path)
    ConsistencyProof(old, size, path).check(OURS.root(old), OURS.root(size))


def _checks(proof: InclusionProof | ConsistencyProof, one: bytes, other: bytes) -> bool:
    try:
        proof.check(one, other)
    except (ConsistencyProofInvalid, InclusionProofInvalid):
        return False
    return True


@settings(max_examples=300)
@given(
    numbers=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    path=st.lists(st.sampled_from([*LEAVES, *ROOTS]), max_size=6),
    ends=st.tuples(st.sampled_from([*LEAVES, *ROOTS]), st.sampled_from(ROOTS)),
)
def test_both_implementations_agree_on_nonsense(
    numbers: tuple[int, int], path: list[bytes], ends: tuple[bytes, bytes]
) -> None:
    (first, size), (one, root) = numbers, ends
    told = _checks(InclusionProof(first, size, path), one, root)
    assert is_included(one, first, size, path, root) == told
    told = _checks(ConsistencyProof(first, size, path), one, root)
    if 1 <= first <= size:  # at 0 to 0 theirs does not look at the second root
        assert is_consistent(first, one, size, root, path) == told
    elif first > size:
        assert not is_consistent(first, one, size, root, path)


def changed(path: list[bytes], data: st.DataObject) -> list[bytes]:
    """``path`` with a hash flipped in one bit, left out, doubled, or put in."""
    path, at = list(path), data.draw(st.integers(0, len(path)))
    match data.draw(st.sampled_from(["flip", "drop", "double", "insert", "swap"])):
        case "insert":
            path.insert(at, data.draw(hashes))
        case "swap" if len(path) > 1:
            path[0], path[-1] = path[-1], path[0]
        case what if path:
            at = min(at, len(path) - 1)
            bit = 1 << data.draw(st.integers(0, 255))
            flipped = (int.from_bytes(path[at], "big") ^ bit).to_bytes(32, "big")
            path[at : at + 1] = {"flip": [flipped], "drop": []}.get(what, [path[at]] * 2)
        case _:
            path = [data.draw(hashes)]
    return path


@given(data=st.data(), size=sizes)
def test_a_changed_path_never_holds(data: st.DataObject, size: int) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    leaf, root = leaf_hash(logs.entry(index)), OURS.root(size)
    path = OURS.inclusion(index, size)
    if (other := changed(path, data)) != path:
        assert not is_included(leaf, index, size, other, root)
    path = OURS.consistency(old, size)
    if (other := changed(path, data)) != path:
        assert not is_consistent(old, OURS.root(old), size, root, other)


@given(data=st.data(), size=sizes)
def test_a_right_path_proves_nothing_else(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, MOST).filter(lambda number: number != index))
    path, root = OURS.inclusion(index, size), OURS.root(size)
    assert not is_included(leaf_hash(logs.entry(other)), index, size, path, root)
    assert not is_included(leaf_hash(logs.entry(index)), other, size, path, root)
    old = data.draw(st.integers(1, size))
    wrong = data.draw(sizes.filter(lambda number: number != old))
    path = OURS.consistency(old, size)
    assert not is_consistent(old, OURS.root(wrong), size, root, path)
    assert not is_consistent(wrong, OURS.root(old), size, root, path)


def test_an_inner_node_does_not_pass_for_an_entry() -> None:
    left, right = LEAVES[:2]
    assert not is_included(leaf_hash(left + right), 0, 1, [], ROOTS[2])
    assert not is_included(leaf_hash(b"\x01" + left + right), 0, 1, [], ROOTS[2])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 1), (1, 1), (8, 8), (2**60, 2**60)])
def test_nothing_is_included_outside_the_log(index: int, size: int) -> None:
    assert not is_included(LEAVES[0], index, size, [], ROOTS[1])


def test_an_empty_log_is_the_beginning_of_every_log_and_needs_no_proof() -> None:
    assert is_consistent(0, ROOTS[0], 8, ROOTS[8], [])
    assert is_consistent(0, ROOTS[0], 0, ROOTS[0], [])
    assert not is_consistent(0, ROOTS[1], 8, ROOTS[8], [])
    assert not is_consistent(0, ROOTS[0], 8, ROOTS[8], [ROOTS[8]])
    assert not is_consistent(8, ROOTS[8], 7, ROOTS[7], [])


@pytest.mark.parametrize("call", [(0, 0), (-1, 3), (3, 3), (0, 9)])
def test_a_tree_proves_only_what_it_has(call: tuple[int, int]) -> None:
    with pytest.raises(IndexError):
        Tree(LEAVES).inclusion(*call)
    with pytest.raises(IndexError):
        Tree(LEAVES).consistency(call[0] + 9, call[1])
