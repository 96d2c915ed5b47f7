"""Logs, witnesses and proofs for tests: a log may be honest, or sign what it must not.

>>> log = FakeLog()
>>> log.grow(7)                                # entries entry(0) to entry(6)
>>> log.proof(3), log.link(2, 7)               # as they come over the feed
>>> log.forked(at=5).proof(6, size=7)          # another past behind entry 5, same key
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.consent.transparency import checkpoint, merkle, proof
from agent.consent.transparency.checkpoint import WITNESS_KEY, Checkpoint, Signature, VerifierKey
from agent.consent.transparency.proof import LogPolicy
from agent.consent.transparency.tree import Tree
from agent.consent.transparency.view import LogView
from agent.requester.demo_log.log import NoteKey

FOLDER = Path(__file__).parents[1] / "vectors" / "transparency"
NAME = "log.example/requests"
SEEN = 1_706_121_000  # when witnesses sign: 2024-01-24T18:30:00Z


def vectors(name: str) -> dict[str, Any]:
    """A file of ``tests/vectors/transparency``."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return loaded


def private_key(who: str) -> Ed25519PrivateKey:
    """The test key of ``who``: the hash of a sentence."""
    seed = hashlib.sha256(f"clip-agent test log key: {who}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def entry(number: int, past: str = "") -> bytes:
    """The ``number``-th post of a log with that ``past``."""
    return f"eyJhbGciOiJFZERTQSJ9.{past}{number}.c2ln".encode()


def latest(view: LogView) -> Checkpoint | None:
    """The newest checkpoint that ``view`` knows; none before the first."""
    return view.heads[max(view.heads)] if view.heads else None


class FakeWitness:
    """A witness that signs whatever it is shown."""

    def __init__(self, name: str) -> None:
        self._private = private_key(name)
        self.key = VerifierKey(name, WITNESS_KEY, self._private.public_key().public_bytes_raw())

    def line(self, body: str, time: int = SEEN) -> str:
        """The cosignature line under a checkpoint's text."""
        made = self._private.sign(checkpoint.cosigned(body.encode(), time))
        return Signature(self.key.name, self.key.id, time.to_bytes(8, "big") + made).line


class FakeLog:
    """A log in memory, with all its pasts; it signs every size that it is asked for."""

    def __init__(
        self,
        size: int = 0,
        *,
        name: str = NAME,
        key: Ed25519PrivateKey | None = None,
        witnesses: Sequence[FakeWitness] = (),
    ) -> None:
        self._signer = NoteKey(name, key or private_key(name))
        self._witnesses = witnesses
        self._tree = Tree()
        self.key = self._signer.public
        self.entries: list[bytes] = []
        self.grow(size)

    def policy(self, needed: int = 0) -> LogPolicy:
        """The policy of an owner who trusts this log."""
        witnesses = [witness.key.text for witness in self._witnesses]
        return LogPolicy.pin(self.key.text, witnesses, needed)

    def grow(self, count: int, past: str = "") -> None:
        """Append ``count`` entries."""
        for _ in range(count):
            self.entries.append(entry(len(self.entries), past))
            self._tree.append(merkle.leaf_hash(self.entries[-1]))

    def forked(self, at: int) -> FakeLog:
        """A log under the same key that differs from entry ``at`` on, as long as this one."""
        other = FakeLog(at, name=self.key.name, witnesses=self._witnesses)
        other.grow(len(self.entries) - at, past="other")
        return other

    def note(self, size: int) -> str:
        """The signed checkpoint of ``size``, with the cosignatures of all witnesses."""
        body = checkpoint.format_body(self.key.name, size, self._tree.root(size))
        cosignatures = "".join(witness.line(body) for witness in self._witnesses)
        return self._signer.sign(body).full + cosignatures

    def sign(self, body: str) -> str:
        """Any text, signed with the log's key."""
        return self._signer.sign(body).full

    def path(self, index: int, size: int) -> list[bytes]:
        """The siblings of an entry."""
        return self._tree.inclusion(index, size)

    def proof(self, index: int, size: int | None = None) -> bytes:
        """The proof of entry ``index`` under the checkpoint of ``size``, the newest if None."""
        size = len(self.entries) if size is None else size
        path = self._tree.inclusion(index, size)
        return proof.format_proof(index, path, self.note(size)).encode()

    def link(self, old: int, new: int) -> bytes:
        """The link between two checkpoints."""
        path = self._tree.consistency(old, new)
        return proof.format_link(old, path, self.note(new)).encode()
