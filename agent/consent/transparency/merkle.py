"""Verification of a public log's Merkle tree: hashing as in RFC 6962, proofs as in RFC 9162.

A log is a list of entries that only grows; its root, one hash, stands for the whole list. An
**inclusion** proof shows that an entry is in it, a **consistency** proof that an older list is the
beginning of a newer one. Leaves and inner nodes are hashed with different first bytes, so that
one cannot pass for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

HASH_BYTES: Final = 32
MAX_SIZE: Final = 2**53  # entries of a log: every JSON reader can count so far
MAX_HASHES: Final = 63  # of one proof, as in C2SP tlog-witness; it takes 54 at MAX_SIZE
EMPTY_ROOT: Final = hashlib.sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """The leaf of an entry (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node above two others (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """True if ``leaf`` is number ``index`` (from 0) of the ``size`` leaves under ``root``.

    RFC 9162, section 2.1.3.2. ``path`` holds the siblings from the leaf upward.
    """
    if not 0 <= index < size:
        return False
    node, last, above = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False  # the path continues above the root
        if node & 1 or node == last:
            above = node_hash(sibling, above)
            node, last = _skip_single(node, last)
        else:
            above = node_hash(above, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and above == root


def is_consistent(
    old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]
) -> bool:
    """True if the first ``old_size`` leaves under ``root`` are those under ``old_root``.

    RFC 9162, section 2.1.4.2; as in C2SP tlog-witness, growth from the empty tree and trees of
    equal size need no proof.
    """
    if not 0 <= old_size <= size:
        return False
    if old_size == size:
        return not path and old_root == root
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    # If the older tree is complete, the path starts at its root and leaves it out.
    nodes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    if not nodes:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_above = above = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_above, above = node_hash(sibling, old_above), node_hash(sibling, above)
            node, last = _skip_single(node, last)
        else:
            above = node_hash(above, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old_above == old_root and above == root


def _skip_single(node: int, last: int) -> tuple[int, int]:
    """Go up from the last node of a level, past levels where it has no sibling."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last
