"""Targets: proofs and links of the public log, and its stored view."""

from __future__ import annotations

from collections.abc import Sequence

from agent.consent.transparency import checkpoint
from agent.consent.transparency import proof as logproof
from agent.consent.transparency.checkpoint import Note, VerifierKey
from agent.consent.transparency.proof import LogPolicy
from agent.consent.transparency.view import Included, LogView
from agent.errors import ConfigError, NotPublic, StorageFault
from tests.consent import logs
from tests.consent.logs import FakeLog
from tests.fuzz.signed import vectors
from tests.fuzz.target import Target
from tests.vectors.attacks.proofs import SIZE, WITNESSES

_ENTRY = 3
_LOG = FakeLog(SIZE)
_OLDER = 3
_POLICY = LogPolicy.pin(_LOG.key.text, [witness.key.text for witness in WITNESSES])
# Two sizes are known already, and the log has signed these and no others for the fuzzer to see.
_VIEW, _ = LogView(_POLICY).check(logs.entry(1), _LOG.proof(1, size=_OLDER))


def run_proof(data: bytes) -> None:
    """A post is public only at its own place of a list that the log has signed."""
    view, answer = _VIEW.check(logs.entry(_ENTRY), data)
    if isinstance(answer, Included):
        assert answer.index == _ENTRY
    assert view.fork is None or b"other" not in logs.entry(_ENTRY)
    try:
        read = logproof.read_proof(data, _POLICY)
    except NotPublic:
        return
    again = logproof.format_proof(read.index, read.path, read.head.note).encode()
    assert logproof.read_proof(again, _POLICY) == read
    assert read.index == _ENTRY or not read.holds(logs.entry(_ENTRY))


def seeds_proof() -> Sequence[bytes]:
    given = [one["input"]["proof"].encode() for one in vectors("proof")]
    ours = [_LOG.proof(_ENTRY, size) for size in range(_ENTRY + 1, SIZE + 1)]
    return [*ours, *given, b"", b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 3\n\n"]


def run_link(data: bytes) -> None:
    """A link leads on only from what the log was to what it has grown into."""
    view = _VIEW.advance(data)
    for size, head in view.heads.items():
        assert 0 < size <= SIZE
        assert head.note.startswith(_LOG.note(size).partition("\n\n")[0])
    text = view.text()
    assert LogView.from_text(text, _POLICY).heads == view.heads
    try:
        link = logproof.read_link(data, _POLICY)
    except NotPublic:
        return
    again = logproof.format_link(link.old_size, link.path, link.head.note).encode()
    assert logproof.read_link(again, _POLICY) == link


def seeds_link() -> Sequence[bytes]:
    given = [one["input"].encode() for one in vectors("link")]
    return [*given, *(_LOG.link(old, SIZE) for old in range(SIZE))]


def run_note(data: bytes) -> None:
    """A note has one form; a checkpoint is the log's own."""
    text = data.decode("utf-8", "replace")
    try:
        assert Note.from_text(text).full == text, "two texts of one note"
        head = _POLICY.verify(text)
    except NotPublic:
        return
    assert _POLICY.verify(head.note) == head
    assert text.startswith(checkpoint.format_body(head.origin, head.size, head.root)[:-1])


def seeds_note() -> Sequence[bytes]:
    body = checkpoint.format_body(_LOG.key.name, SIZE, _LOG._tree.root(SIZE))
    plain = [_LOG.note(size) for size in range(SIZE + 1)]
    signed = [note + WITNESSES[0].line(body) for note in plain[-1:]]
    hostile = [one["input"]["proof"].partition("\n\n")[2] for one in vectors("proof")]
    return [text.encode() for text in (*plain, *signed, *hostile)]


def run_key(data: bytes) -> None:
    """A verifier key as somebody typed it."""
    text = data.decode("utf-8", "replace")
    try:
        pinned = LogPolicy.pin(text)
    except ConfigError:
        return
    assert pinned.key.text == text
    assert VerifierKey.from_text(text) == pinned.key


def seeds_key() -> Sequence[bytes]:
    return [one["input"].encode() for one in vectors("log-key")]


def run_kept(data: bytes) -> None:
    """A stored view of a log, from a disk that may have been tampered with."""
    try:
        view = LogView.from_text(data.decode("utf-8", "replace"), _POLICY)
    except StorageFault:
        return
    assert LogView.from_text(view.text(), _POLICY) == view


def seeds_kept() -> Sequence[bytes]:
    grown = _VIEW.advance(_LOG.link(_OLDER, SIZE))
    return [view.text().encode() for view in (LogView(_POLICY), _VIEW, grown)]


TARGETS = (
    Target("proofs", run_proof, seeds_proof, 9_000),
    Target("links", run_link, seeds_link, 9_000),
    Target("notes", run_note, seeds_note, 4_000),
    Target("log-keys", run_key, seeds_key, 300),
    Target("kept-logs", run_kept, seeds_kept, 9_000),
)
