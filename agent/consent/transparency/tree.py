"""The proving half of a log's Merkle tree: roots and proofs from stored nodes.

A node is the root of a complete subtree and never changes: node ``(level, number)`` covers the
leaves ``number * 2**level`` until before ``(number + 1) * 2**level``. Adding a leaf writes two
nodes on average; any root or proof, also of a smaller size, costs a number of hashes that grows
with the square of the tree's height. :mod:`agent.consent.transparency.merkle` checks the proofs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from agent.consent.transparency import merkle

Place = tuple[int, int]  # level and number of a node


class Nodes(Protocol):
    """A store of nodes: a dictionary, or a table."""

    def __getitem__(self, place: Place, /) -> bytes: ...

    def __setitem__(self, place: Place, node: bytes, /) -> None: ...


class Tree:
    """A growing list of leaves (hashes), of which ``nodes`` holds the first ``size``."""

    def __init__(
        self, leaves: Iterable[bytes] = (), *, nodes: Nodes | None = None, size: int = 0
    ) -> None:
        self._nodes: Nodes = {} if nodes is None else nodes
        self._size = size
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add one leaf, and the subtrees that it completes."""
        level, number = 0, self._size
        self._nodes[level, number] = leaf
        while number % 2:
            leaf = merkle.node_hash(self._nodes[level, number - 1], leaf)
            level, number = level + 1, number // 2
            self._nodes[level, number] = leaf
        self._size += 1

    def root(self, size: int) -> bytes:
        """The root when the list had ``size`` leaves."""
        return self._root(0, size) if size else merkle.EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that leaf ``index`` is among the first ``size`` (RFC 9162, 2.1.3.1)."""
        if not 0 <= index < size <= len(self):
            raise IndexError(f"leaf {index} of {size}, with {len(self)} in all")
        return self._siblings(index, 0, size)

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """The proof that the first ``old_size`` are still those (RFC 9162, 2.1.4.1)."""
        if not 0 <= old_size <= size <= len(self):
            raise IndexError(f"{old_size} of {size} leaves, with {len(self)} in all")
        if old_size in (0, size):
            return []
        return self._subproof(old_size, 0, size, whole=True)

    def _root(self, start: int, end: int) -> bytes:
        """The root of a range that begins where a subtree of its size does."""
        count = end - start
        if count & (count - 1) == 0:
            level = count.bit_length() - 1
            return self._nodes[level, start >> level]
        middle = start + _left(count)
        return merkle.node_hash(self._root(start, middle), self._root(middle, end))

    def _siblings(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _left(end - start)
        if index < middle:
            return [*self._siblings(index, start, middle), self._root(middle, end)]
        return [*self._siblings(index, middle, end), self._root(start, middle)]

    def _subproof(self, old_end: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        """``whole``: the old tree's root is this range's, which the verifier knows."""
        if old_end == end:
            return [] if whole else [self._root(start, end)]
        middle = start + _left(end - start)
        if old_end <= middle:
            left = self._subproof(old_end, start, middle, whole=whole)
            return [*left, self._root(middle, end)]
        right = self._subproof(old_end, middle, end, whole=False)
        return [*right, self._root(start, middle)]


def _left(count: int) -> int:
    """The leaves on the left of ``count`` (two at least): the largest power of two below it."""
    return 1 << (count - 1).bit_length() - 1
