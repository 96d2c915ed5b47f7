"""A small public log in a folder, for the demo and for tests.

**Not for production.** It has one writer, no network and no monitors: its holder could
keep two. In production use an existing C2SP log that stores the entries as given and has witnesses,
such as one served by Tessera (tessera.dev) or another with C2SP tlog-tiles. Owners pin that log's
key and its witnesses' in ``feed``; requesters

1. submit the bytes of the JWS, without a line feed, as the entry;
2. once it is integrated, fetch the tlog-proof under a checkpoint with the witnesses' cosignatures
   (Tessera's client library builds one from the log's tiles);
3. post the JWS, a line feed, and that proof;
4. post on ``<feed>/log/<old size>``, retained, a consistency proof from the checkpoint that the
   feed used last to this one, in the form of C2SP tlog-witness ``add-checkpoint``.

A log that stores something else in place of the bytes, such as Rekor, does not work: its leaves are
not the posts.

::

    log.key             the private key, in the format of Go's sumdb/note
    entries             one entry a line; only appended to
    checkpoints/<size>  the checkpoint signed at that size; never changed

A log must not sign two histories, even after a power cut: an entry is on the disk before a
checkpoint counts it, and the one checkpoint of a size is on the disk before it is shown. Entries
after the last checkpoint may be lost, as nobody has seen them.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import files, keyfile
from agent.consent.transparency import checkpoint, merkle, proof
from agent.consent.transparency.checkpoint import LOG_KEY, Note, Signature, VerifierKey
from agent.consent.transparency.proof import LogPolicy
from agent.consent.transparency.tree import Tree
from agent.errors import ConfigError, InternalFault, KeyFileError, NotPublic, StorageFault

_PRIVATE = re.compile(r"PRIVATE\+KEY\+([^+]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/=]+)\n")
_ADVICE = "Restore the log's folder from a backup; never let it sign that size again"


class NoteKey:
    """The private key of a log; its text is secret."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = VerifierKey(name, LOG_KEY, private.public_key().public_bytes_raw())

    @classmethod
    def from_text(cls, text: str) -> NoteKey:
        """From :meth:`text`; KeyFileError if damaged."""
        damaged = KeyFileError("the log's key is damaged")
        match = _PRIVATE.fullmatch(text)
        if not match:
            raise damaged
        try:
            kind, *seed = checkpoint.decode_base64(match[2])
            key = cls(match[1], Ed25519PrivateKey.from_private_bytes(bytes(seed)))
        except ValueError as error:
            raise damaged from error
        if kind != LOG_KEY or key.text() != text:
            raise damaged
        return key

    def text(self) -> str:
        """``PRIVATE+KEY+name+id+base64`` and a line feed."""
        secret = checkpoint.encode_base64(bytes([LOG_KEY]) + self._private.private_bytes_raw())
        return f"PRIVATE+KEY+{self.public.name}+{self.public.id.hex()}+{secret}\n"

    def sign(self, text: str) -> Note:
        """``text`` as a note with this key's signature."""
        signature = self._private.sign(text.encode())
        return Note(text, (Signature(self.public.name, self.public.id, signature),))


class Witness(Protocol):
    """A third party that checks that the log only grows."""

    def cosign(self, link: Callable[[int], str]) -> str:
        """The signature lines of this witness under the newest checkpoint.

        ``link`` returns the body of ``add-checkpoint`` from the size that the witness saw last.
        Raises NetworkFault if it cannot be reached, Refused if it does not sign.
        """


class Log:
    """An open append-only log, used by one process at a time: see :meth:`open`."""

    def __init__(self, folder: Path, key: NoteKey, witnesses: Sequence[Witness]) -> None:
        self._folder, self._key, self._witnesses = folder, key, witnesses
        self._policy = LogPolicy(key.public.name, key.public)
        self._entries: dict[bytes, int] = {}  # leaf hash to index: no entry is added twice
        self._notes: dict[int, str] = {}  # size to signed checkpoint
        self._tree = Tree()
        self._bytes = 0  # of whole lines in ``entries``

    @staticmethod
    def create(folder: Path, name: str, private: Ed25519PrivateKey | None = None) -> None:
        """Make an empty log ``name`` (``example.com/log``) in ``folder``, with a new key."""
        key = NoteKey(name, private or Ed25519PrivateKey.generate())
        try:
            LogPolicy.pin(key.public.text)
        except ConfigError as error:
            raise ConfigError(f"{name!r} cannot be the name of a log") from error
        files.make_directory(folder / "checkpoints")
        keyfile.write_new(folder / "log.key", key.text().encode(), mode=0o600)
        files.write_new(folder / "entries", b"")
        files.sync_directory(folder)

    @classmethod
    @contextmanager
    def open(cls, folder: Path, witnesses: Sequence[Witness] = ()) -> Iterator[Log]:
        """Open the log in ``folder``; StorageFault if it is in use or contradicts a checkpoint."""
        with files.faults(folder):
            descriptor = os.open(folder / "log.key", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with files.faults(folder):
                _lock(descriptor, folder)
                text = (folder / "log.key").read_text("utf-8", errors="replace")
            log = cls(folder, NoteKey.from_text(text), witnesses)
            log._load()
            yield log
        finally:
            os.close(descriptor)

    @property
    def key(self) -> str:
        """The key for owners to pin: ``feed.log_key``."""
        return self._key.public.text

    def __len__(self) -> int:
        return len(self._tree)

    def publish(self, entry: bytes) -> str:
        """Add ``entry`` unless it is in the log, and return its proof. Retry after any error."""
        leaf = merkle.leaf_hash(entry)
        if leaf not in self._entries:
            self._append(entry)
        size = len(self._tree)
        if size not in self._notes:
            self._sign(size)
        index = self._entries[leaf]
        return proof.format_proof(index, self._tree.inclusion(index, size), self._notes[size])

    def links(self) -> dict[int, str]:
        """For each checkpoint but the newest, the link to the next, by its old size."""
        sizes = sorted(self._notes)
        return {old: self._link(old, new) for old, new in pairwise(sizes)}

    def _link(self, old: int, new: int) -> str:
        return proof.format_link(old, self._tree.consistency(old, new), self._notes[new])

    def _append(self, entry: bytes) -> None:
        if not entry or b"\n" in entry:
            raise InternalFault("an entry is one line and not empty")
        path = self._folder / "entries"
        with files.append(path, size=self._bytes) as file:  # drops an incomplete line
            files.write_all(file.fileno(), entry + b"\n")
        self._count(entry)

    def _count(self, entry: bytes) -> None:
        self._bytes += len(entry) + 1
        leaf = merkle.leaf_hash(entry)
        self._entries.setdefault(leaf, len(self._tree))
        self._tree.append(leaf)

    def _sign(self, size: int) -> None:
        """Make the checkpoint of ``size``, have it cosigned, and store it."""
        body = checkpoint.format_body(self._key.public.name, size, self._tree.root(size))
        note = self._key.sign(body).full

        def link(old: int) -> str:
            return proof.format_link(old, self._tree.consistency(old, size), note)

        cosigned = note + "".join(witness.cosign(link) for witness in self._witnesses)
        self._policy.verify(cosigned)  # readers would refuse it otherwise
        files.replace(self._folder / "checkpoints" / str(size), cosigned.encode())
        self._notes[size] = cosigned

    def _load(self) -> None:
        """Read the folder and compare the entries with the checkpoints."""
        with files.faults(self._folder):
            data = (self._folder / "entries").read_bytes()
            for file in (self._folder / "checkpoints").iterdir():
                if file.name.isdecimal():
                    self._notes[int(file.name)] = file.read_text("utf-8", errors="replace")
        whole = data.rfind(b"\n") + 1  # a power cut may leave an incomplete line
        for entry in data[:whole].split(b"\n")[:-1]:
            self._count(entry)
        for size, note in self._notes.items():
            with suppress(NotPublic):
                head = self._policy.verify(note)
                if head.size == size <= len(self) and head.root == self._tree.root(size):
                    continue
            raise StorageFault(
                f"{self._folder}: the entries are not those of checkpoint {size}", advice=_ADVICE
            )


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageFault(f"{folder}: another process has this log") from error
