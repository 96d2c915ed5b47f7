"""Attacks on the public log: proofs, the notes in them, and links."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from agent.consent.transparency import checkpoint, merkle, proof
from agent.consent.transparency.checkpoint import Note, Signature, encode_base64
from agent.requester.demo_log.log import NoteKey
from tests.consent import logs
from tests.consent.logs import FakeLog, FakeWitness
from tests.vectors import vector
from tests.vectors.attacks.headers import GROUP_ORDER
from tests.vectors.vector import Named

WITNESSES = (FakeWitness("witness.example/one"), FakeWitness("witness.example/two"))
SIZE = 7


def log() -> FakeLog:
    """The log that the owner pinned, with seven entries."""
    return FakeLog(SIZE)


def proofs() -> Iterator[Named]:
    """Proofs that prove nothing, or something else."""
    ours = log()
    good = ours.proof(3).decode()
    path = [encode_base64(one) for one in ours.path(3, SIZE)]

    def refused(name: str, about: str, rule: str, text: str, entry: int = 3, **more: Any) -> Named:
        return f"proof-{name}", vector.proof(about, logs.entry(entry), text, rule=rule, **more)

    def malformed(name: str, about: str, old: str, new: str) -> Named:
        assert good.count(old) >= 1, old
        return refused(name, about, "proof-malformed", good.replace(old, new, 1))

    yield refused("missing", "no proof at all", "proof-missing", "")
    yield refused("junk", "something else", "proof-malformed", "trust me\n")
    yield malformed("version", "a version to come", "tlog-proof@v1", "tlog-proof@v2")
    yield malformed("bom", "a byte order mark", "c2sp", "\ufeffc2sp")
    yield malformed("line-ends", "line ends of another system", "\nindex", "\r\nindex")
    yield malformed("index-missing", "no index", "index 3\n", "")
    for name, about, text in (
        ("negative", "an index below zero", "-1"),
        ("leading-zero", "an index in another spelling", "03"),
        ("plus", "an index with a sign", "+3"),
        ("fraction", "an index between entries", "3.0"),
        ("wide", "an index in wide digits", "\uff13"),
        ("huge", "an index of 4000 digits", "9" * 4_000),
        ("beyond-53-bits", "an index that some round", str(2**53 + 1)),
    ):
        yield malformed(f"index-{name}", about, "index 3", f"index {text}")
    yield malformed("extra-junk", "extra data that is none", "index", "extra ?\nindex")
    yield malformed("hash-short", "a hash of 31 bytes", path[0], encode_base64(bytes(31)))
    respelt = path[0][:-2] + chr(ord(path[0][-2]) + 1) + "="
    yield malformed("hash-respelt", "a hash in another spelling", path[0], respelt)
    yield malformed("hash-url", "the alphabet of URLs", path[0], "_" * 43 + "=")
    long = "\n".join([path[0]] * 64)
    yield malformed("path-long", "more hashes than any log needs", path[0], long)
    yield refused("too-large", "more than a proof may hold", "proof-malformed", "A" * 8_193)

    not_in = "not-included"
    yield refused("of-another-post", "another post's proof", not_in, good, entry=4)
    yield refused("index-other", "another's place", not_in, good.replace("index 3", "index 2"))
    yield refused("index-behind", "behind the end", not_in, good.replace("index 3", "index 7"))
    yield refused("path-cut", "the path is cut", not_in, good.replace(f"{path[-1]}\n", ""))
    longer = good.replace(path[-1], f"{path[-1]}\n{path[-1]}")
    yield refused("path-longer", "a path above the root", not_in, longer)
    turned = good.replace("\n".join(path), "\n".join(reversed(path)))
    yield refused("path-turned", "the path from above", not_in, turned)
    older = proof.format_proof(3, ours.path(3, 6), ours.note(7))
    yield refused("of-older-tree", "the path of an older log", not_in, older)
    pair = merkle.leaf_hash(logs.entry(0)) + merkle.leaf_hash(logs.entry(1))
    posted = base64.b64encode(pair)
    upper = [ours.path(0, SIZE)[n] for n in (1, 2)]
    inner = proof.format_proof(0, upper, ours.note(SIZE))
    about = "an inner node passed off as an entry"
    yield "proof-inner-node", vector.proof(about, posted, inner, rule=not_in)
    empty = proof.format_proof(0, (), ours.note(0))
    yield refused("of-empty-log", "an empty log", not_in, empty, entry=0)

    fork = ours.forked(at=5).proof(3).decode()
    seen: Any = {"log": {"seen": [{"entry": logs.entry(3).decode(), "proof": good}]}}
    about = "the same log, with another past for others"
    yield refused("fork", about, "checkpoint-forked", fork, context=seen)
    restarted = {"log": {**seen["log"], "restarted": True}}
    about = "the same, after a restart"
    yield refused("fork-after-restart", about, "checkpoint-forked", fork, context=restarted)


def notes() -> Iterator[Named]:
    """Checkpoints that the owner's log did not sign, or not like this."""
    ours = log()
    path = ours.path(3, SIZE)
    body = checkpoint.format_body(ours.key.name, SIZE, ours._tree.root(SIZE))
    good = ours.note(SIZE)
    signed = Note.from_text(good).signatures[0]

    def refused(name: str, about: str, rule: str, note: str, **more: Any) -> Named:
        text = proof.format_proof(3, path, note)
        return f"note-{name}", vector.proof(about, logs.entry(3), text, rule=rule, **more)

    def under(name: str, about: str, rule: str, signature: bytes) -> Named:
        line = Signature(ours.key.name, ours.key.id, signature).line
        return refused(name, about, rule, f"{body}\n{line}")

    bad, form, unknown = "bad-log-signature", "note-malformed", "unknown-log"
    raw = signed.signature
    under_twin = int.from_bytes(raw[32:], "little") + GROUP_ORDER
    yield under(
        "signature-twin",
        "S plus the group order",
        bad,
        raw[:32] + under_twin.to_bytes(32, "little"),
    )
    yield under("signature-zero", "zeros", bad, bytes(64))
    yield under("signature-flipped", "one bit is flipped", bad, bytes([raw[0] ^ 1, *raw[1:]]))
    yield under("signature-short", "63 bytes", bad, raw[:-1])
    yield under("signature-none", "no signature", form, b"")
    yield refused("unsigned", "nobody signs", form, f"{body}\n")
    yield refused("body-alone", "no empty line", form, body)
    yield refused("signed-twice", "the log signs twice", form, good + signed.line)
    bigger = good.replace(f"\n{SIZE}\n", f"\n{SIZE + 1}\n", 1)
    yield refused("size-changed", "another size, same signature", bad, bigger)
    impostor = NoteKey(ours.key.name, logs.private_key("impostor")).sign(body).full
    yield refused("impostor", "the log's name under another key", unknown, impostor)
    claimed = Note.from_text(impostor).signatures[0].signature
    yield under("stolen-id", "and under the log's key id", bad, claimed)
    for name, about, origin in (
        ("origin-other", "another log of the same operator", "log.example/other"),
        ("origin-homoglyph", "a Cyrillic letter", "log.\u0435xample/requests"),
        ("origin-case", "in capitals", "LOG.example/requests"),
    ):
        other = checkpoint.format_body(origin, SIZE, ours._tree.root(SIZE))
        yield refused(name, about, unknown, ours.sign(other))
    root = encode_base64(ours._tree.root(SIZE))
    for name, about, text in (
        ("size-negative", "a size below zero", f"{ours.key.name}\n-7\n{root}\n"),
        ("size-respelt", "a size with a zero in front", f"{ours.key.name}\n07\n{root}\n"),
        ("size-huge", "a size that some round", f"{ours.key.name}\n{2**53 + 1}\n{root}\n"),
        ("root-short", "a root of 31 bytes", f"{ours.key.name}\n7\n{encode_base64(bytes(31))}\n"),
        ("root-of-nothing", "an empty log with a root", f"{ours.key.name}\n0\n{root}\n"),
        ("body-long", "a text without end", f"{body}{'x' * 1_024}\n"),
        ("body-short", "no root", f"{ours.key.name}\n7\n"),
    ):
        yield refused(name, about, form, ours.sign(text))
    yield refused("acting", "clears the terminal", form, good.replace(root, f"{root}\n\x1b[2J"))

    watched = FakeLog(SIZE, witnesses=WITNESSES[:1])
    needed: Any = {"context": {"log": {"witnesses_needed": 2}}}
    about = "one witness of the two that are needed"
    yield refused("witness-missing", about, "witness-missing", watched.note(SIZE), **needed)
    line = WITNESSES[0].line(body)
    yield refused("witness-twice", "one witness for two", form, good + line + line, **needed)
    other_body = checkpoint.format_body(ours.key.name, 6, ours._tree.root(6))
    seen = Note.from_text(f"{body}\n{WITNESSES[0].line(other_body)}").signatures[0]
    about = "a witness saw another checkpoint"
    yield refused("witness-other", about, "bad-witness-signature", good + seen.line, **needed)
    yield refused(
        "witness-late",
        "a witness beyond all times",
        "bad-witness-signature",
        good + WITNESSES[0].line(body, time=2**63),
        **needed,
    )
    plain = NoteKey(WITNESSES[0].key.name, logs.private_key(WITNESSES[0].key.name)).sign(body)
    mimic = Signature(WITNESSES[0].key.name, WITNESSES[0].key.id, plain.signatures[0].signature)
    about = "a witness's signature of another kind"
    yield refused("witness-kind", about, "bad-witness-signature", good + mimic.line, **needed)


def links() -> Iterator[Named]:
    """Links that lead elsewhere than they say."""
    ours = log()
    good = ours.link(3, SIZE).decode()
    first = {"entry": logs.entry(1).decode(), "proof": ours.proof(1, size=3).decode()}
    known: Any = {"log": {"seen": [first]}}

    def refused(name: str, about: str, rule: str, text: str, **more: Any) -> Named:
        return f"link-{name}", vector.link(about, text, rule=rule, context=known, **more)

    path = [encode_base64(one) for one in ours._tree.consistency(3, SIZE)]
    wrong, form = "log-not-consistent", "link-malformed"
    rewritten = FakeLog(2)
    rewritten.grow(SIZE - 2, past="other")
    yield refused(
        "rewritten", "a log that changed its past", wrong, rewritten.link(3, SIZE).decode()
    )
    yield refused("path-cut", "the path is cut", wrong, good.replace(f"{path[-1]}\n", ""))
    swapped = good.replace("\n".join(path[:2]), "\n".join(reversed(path[:2])))
    yield refused("path-turned", "two hashes change places", wrong, swapped)
    bare = proof.format_link(3, (), ours.note(SIZE))
    yield refused("no-path", "take it from me", wrong, bare)
    back = proof.format_link(SIZE, (), ours.note(3))
    yield refused("back", "a log that became smaller", "log-went-back", back)
    nothing = proof.format_link(0, ours.path(3, SIZE), ours.note(SIZE))
    yield refused("from-nothing", "a path from the empty log", form, nothing)
    yield refused("old-negative", "a size below zero", form, good.replace("old 3", "old -3"))
    yield refused("old-missing", "from nowhere", form, good.replace("old 3\n", ""))
    yield refused("empty", "nothing", form, "")
    yield refused("too-large", "more than a link may hold", form, "A" * 8_193)
    impostor = FakeLog(SIZE, key=logs.private_key("impostor"))
    yield refused("impostor", "another key", "unknown-log", impostor.link(3, SIZE).decode())
    fork = ours.forked(at=2).link(2, 3).decode()
    yield refused("fork", "another past of a known size", "checkpoint-forked", fork)
