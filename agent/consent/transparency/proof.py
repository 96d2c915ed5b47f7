"""The texts that show that a post is in a public log: proofs and links.

A **proof** (C2SP tlog-proof) follows a post's JWS line, and shows that the log whose checkpoint it
ends with holds exactly that JWS::

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=     siblings, from the leaf upward
                                                     an empty line, and the checkpoint
    example.com/log
    …

A **link** (the body of C2SP tlog-witness ``add-checkpoint``) comes on a topic of its own, and shows
that a log has only grown since it had the size named first::

    old 20852014
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=     a consistency proof
                                                     an empty line, and the newer checkpoint
    example.com/log
    …

Both are bounded and have one form. The checkpoint in a :class:`Proof` or :class:`Link` is verified
by the keys that the owner pinned; ``holds`` checks its hashes. An ``extra`` line is ignored.

Rules: ``proof-missing``, ``proof-malformed``, ``link-malformed``, ``log-went-back``, and those of
:mod:`agent.consent.transparency.checkpoint`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from agent.consent.transparency import checkpoint, merkle
from agent.consent.transparency.checkpoint import (
    LOG_KEY,
    WITNESS_KEY,
    Checkpoint,
    VerifierKey,
    decode_base64,
    decode_hash,
    decode_number,
    encode_base64,
)
from agent.errors import ConfigError, NotPublic

V = TypeVar("V")

MAX_BYTES: Final = 8_192  # of a proof or a link
MAX_WITNESSES: Final = 16
MAX_ORIGIN: Final = 120  # characters, as in a statement (LogPlace)
_A_KEY: Final = {LOG_KEY: "a log", WITNESS_KEY: "a witness"}
_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class LogPolicy:
    """The log that an owner trusts: its key, its witnesses, and how many of them are needed.

    ``origin`` is the log's name in its checkpoints, usually the name of its key.
    """

    origin: str
    key: VerifierKey
    witnesses: tuple[VerifierKey, ...] = ()
    witnesses_needed: int = 0

    @classmethod
    def pin(
        cls, key: str, witnesses: Sequence[str] = (), needed: int = 0, *, origin: str | None = None
    ) -> LogPolicy:
        """From the values in a config file; ConfigError names the key to change."""
        log = _key(key, LOG_KEY, "feed.log_key")
        seen = [_key(text, WITNESS_KEY, "feed.witness_keys") for text in witnesses]
        origin = log.name if origin is None else origin
        if len(origin) > MAX_ORIGIN:
            raise ConfigError(
                f"feed.log_key: the log's name has {len(origin)} characters, {MAX_ORIGIN} at most"
            )
        if len({one.raw for one in (log, *seen)}) <= len(seen):
            raise ConfigError("feed.witness_keys: one key is listed under two names")
        if len(seen) > MAX_WITNESSES:
            raise ConfigError(f"feed.witness_keys: more than {MAX_WITNESSES}")
        if not 0 <= needed <= len(seen):
            raise ConfigError(f"feed.witnesses_needed: {needed} of {len(seen)} witnesses")
        return cls(origin, log, tuple(seen), needed)

    def verify(self, note: str) -> Checkpoint:
        """The checkpoint in a signed note; raises NotPublic."""
        return checkpoint.verify(
            note,
            origin=self.origin,
            log=self.key,
            witnesses=self.witnesses,
            needed=self.witnesses_needed,
        )

    def verify_kept(self, note: str) -> Checkpoint:
        """The checkpoint in a note accepted earlier, when fewer witnesses may have been needed."""
        return replace(self, witnesses_needed=0).verify(note)


def _key(text: str, kind: int, where: str) -> VerifierKey:
    try:
        key = VerifierKey.from_text(text)
    except ValueError as error:
        raise ConfigError(f"{where}: the key {error}") from error
    if key.kind != kind:
        raise ConfigError(f"{where}: the key of {key.name} is {_A_KEY[key.kind]}'s")
    return key


@dataclass(frozen=True)
class Proof:
    """The claim that an entry is number ``index`` of the log at ``head``."""

    index: int
    path: tuple[bytes, ...]
    head: Checkpoint

    def holds(self, entry: bytes) -> bool:
        """True if ``path`` proves it for ``entry``."""
        leaf = merkle.leaf_hash(entry)
        return merkle.is_included(leaf, self.index, self.head.size, self.path, self.head.root)


@dataclass(frozen=True)
class Link:
    """The claim that the log at ``head`` begins with its earlier ``old_size`` entries."""

    old_size: int
    path: tuple[bytes, ...]
    head: Checkpoint

    def holds(self, old: Checkpoint) -> bool:
        """True if ``path`` proves it for the checkpoint ``old``."""
        return old.size == self.old_size and merkle.is_consistent(
            old.size, old.root, self.head.size, self.head.root, self.path
        )


def read_proof(payload: bytes, policy: LogPolicy) -> Proof:
    """The proof in ``payload``, the lines after a post's first; raises NotPublic."""
    rule = "proof-malformed"
    if not payload:
        raise NotPublic("proof-missing", "the post has no proof that it is in the public log")
    first, *lines, note = _split(payload, rule)
    if first != _FIRST_LINE:
        raise NotPublic(rule, f"the proof does not begin with {_FIRST_LINE}")
    if lines and lines[0].startswith("extra "):
        _value("extra", lines.pop(0), decode_base64, rule)
    index = _value("index", lines.pop(0) if lines else "", decode_number, rule)
    path = _path(lines, rule)
    return Proof(index, path, policy.verify(note))


def read_link(payload: bytes, policy: LogPolicy) -> Link:
    """The link in ``payload``; raises NotPublic."""
    rule = "link-malformed"
    first, *lines, note = _split(payload, rule)
    old_size = _value("old", first, decode_number, rule)
    path = _path(lines, rule)
    if old_size == 0 and path:
        raise NotPublic(rule, "a link from an empty log needs no hashes")
    head = policy.verify(note)
    if head.size < old_size:
        raise NotPublic("log-went-back", f"the log shrank from {old_size} entries to {head.size}")
    return Link(old_size, path, head)


def format_proof(index: int, path: Iterable[bytes], note: str) -> str:
    """A proof as text; ``note`` is the signed checkpoint."""
    return "\n".join([_FIRST_LINE, f"index {index}", *map(encode_base64, path), "", note])


def format_link(old_size: int, path: Iterable[bytes], note: str) -> str:
    """A link as text; ``note`` is the newer signed checkpoint."""
    return "\n".join([f"old {old_size}", *map(encode_base64, path), "", note])


def _split(payload: bytes, rule: str) -> list[str]:
    """The lines before the first empty line, and as the last item the text after it."""
    if len(payload) > MAX_BYTES:
        raise NotPublic(rule, f"{len(payload)} bytes, at most {MAX_BYTES}")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotPublic(rule, f"byte {error.start} is not UTF-8") from error
    head, blank, note = text.partition("\n\n")
    if not blank:
        raise NotPublic(rule, "no empty line, and no checkpoint below it")
    return [*head.split("\n"), note]


def _value(name: str, line: str, decode: Callable[[str], V], rule: str) -> V:
    """The value after ``name`` and a space in ``line``."""
    word, _, text = line.partition(" ")
    if word != name:
        raise NotPublic(rule, f"a line `{name} …` is missing")
    try:
        return decode(text)
    except ValueError as error:
        raise NotPublic(rule, f"what follows `{name}` {error}") from error


def _path(lines: Sequence[str], rule: str) -> tuple[bytes, ...]:
    if len(lines) > merkle.MAX_HASHES:
        raise NotPublic(rule, f"{len(lines)} hashes, at most {merkle.MAX_HASHES}")
    try:
        return tuple(map(decode_hash, lines))
    except ValueError as error:
        raise NotPublic(rule, f"a line of its path {error}") from error
