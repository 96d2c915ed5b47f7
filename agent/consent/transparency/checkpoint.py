"""Signed notes, and the checkpoints of public logs in them.

A **note** (C2SP signed-note) is a text with signature lines below::

    example.com/log                              origin: which log
    20852163                                     size: how many entries
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I= root hash
                                                 (further lines are opaque, but signed)

    — example.com/log Az3grlgtzPICa5OS8npVmf1M…  name of the key, its id and signature

A **checkpoint** (C2SP tlog-checkpoint) is a note with such a text. The log signs with an Ed25519
key of type 0x01. **Witnesses**, who have checked that it only grew, add cosignatures (C2SP
tlog-cosignature, ``cosignature/v1``, type 0x04). Keys are written ``name+id+base64``, as C2SP logs
and Go's ``sumdb/note`` publish theirs.

By the specifications, lines of unknown keys are ignored, and one bad line of a known key spoils
the note. Two lines of one known key are refused, as it is not defined which counts. A note has
one form, so the same signature cannot appear under two texts that look alike.

Rules: ``note-malformed``, ``unknown-log``, ``bad-log-signature``, ``bad-witness-signature``,
``witness-missing``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.consent import decoding
from agent.consent.cards import PublicKey
from agent.consent.transparency.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE
from agent.errors import NotPublic

LOG_KEY: Final = 0x01
WITNESS_KEY: Final = 0x04
_TYPES: Final = {
    LOG_KEY: "Ed25519",
    0x02: "ECDSA",
    WITNESS_KEY: "Ed25519 cosignature",
    0x05: "RFC 6962 tree head",
    0x06: "ML-DSA-44 cosignature",
}

_DASH: Final = "— "  # U+2014, then a space
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_LATEST_TIME: Final = 2**63 - 1  # of a cosignature, in Unix seconds
_MAX_BODY_BYTES: Final = 1_024  # three lines take some 200
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_KEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


def decode_base64(text: str) -> bytes:
    """The bytes of canonical, padded base64 (RFC 4648, section 4); ValueError otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if encode_base64(data) != text:
        raise ValueError("is not canonical base64")
    return data


def decode_hash(text: str) -> bytes:
    """A SHA-256 hash in base64; ValueError otherwise."""
    data = decode_base64(text)
    if len(data) != HASH_BYTES:
        raise ValueError(f"is not a hash of {HASH_BYTES} bytes")
    return data


def decode_number(text: str) -> int:
    """A decimal without leading zeros, at most :data:`MAX_SIZE`; ValueError otherwise."""
    if not _NUMBER.fullmatch(text) or int(text) > MAX_SIZE:
        raise ValueError(f"is not a plain decimal up to {MAX_SIZE}")
    return int(text)


def encode_base64(data: bytes) -> str:
    """Padded base64."""
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True)
class VerifierKey:
    """The public key of a log (:data:`LOG_KEY`) or a witness (:data:`WITNESS_KEY`)."""

    name: str
    kind: int
    raw: bytes

    @classmethod
    def from_text(cls, text: str) -> VerifierKey:
        """From ``name+id+base64``; ValueError says what is wrong."""
        match = _KEY.fullmatch(text)
        if not match or not _is_name(match[1]):
            raise ValueError("is not a verifier key (name+id+base64)")
        kind, *raw = decode_base64(match[3])
        if kind not in (LOG_KEY, WITNESS_KEY):
            said = f"0x{kind:02x} ({_TYPES.get(kind, 'unassigned')})"
            raise ValueError(f"is of type {said}, which is not supported")
        key = cls(match[1], kind, PublicKey(bytes(raw)).raw)
        if key.id.hex() != match[2]:
            raise ValueError(f"has the id {key.id.hex()}, not {match[2]}: it was miscopied")
        return key

    @cached_property
    def id(self) -> bytes:
        """Four bytes: with the name, they say which key a signature claims to be from."""
        encoded = self.name.encode() + b"\n" + bytes([self.kind]) + self.raw
        return hashlib.sha256(encoded).digest()[:_ID_BYTES]

    @property
    def text(self) -> str:
        """``name+id+base64``."""
        return f"{self.name}+{self.id.hex()}+{encode_base64(bytes([self.kind]) + self.raw)}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """True if this key made ``signature`` under ``text``."""
        message = text.encode()
        if self.kind == WITNESS_KEY:
            time = int.from_bytes(signature[:_TIME_BYTES], "big")
            if time > _LATEST_TIME:
                return False
            message, signature = cosigned(message, time), signature[_TIME_BYTES:]
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def cosigned(body: bytes, time: int) -> bytes:
    """The text that a witness signs when it sees ``body`` at ``time``, in Unix seconds."""
    return b"cosignature/v1\ntime %d\n%b" % (time, body)


@dataclass(frozen=True)
class Signature:
    """One line below a note, not verified yet."""

    name: str
    id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line, with its line feed."""
        return f"{_DASH}{self.name} {encode_base64(self.id + self.signature)}\n"


@dataclass(frozen=True)
class Note:
    """A text, with its last line feed, and the signatures below it."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def from_text(cls, text: str) -> Note:
        """From the note as it is sent; NotPublic ``note-malformed``."""
        if found := decoding.acting_character(text):
            raise _malformed(f"{found} is not allowed in it")
        body, blank, below = text.rpartition("\n\n")
        if not blank or not body or not below.endswith("\n"):
            raise _malformed("it is not a text, an empty line, and signatures")
        return cls(f"{body}\n", tuple(map(_signature, below[:-1].split("\n"))))

    @property
    def full(self) -> str:
        """The note as it is sent."""
        return f"{self.text}\n{''.join(one.line for one in self.signatures)}"


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _is_name(name):
        raise _malformed("a line below the empty line is not a signature")
    try:
        data = decode_base64(encoded)
    except ValueError as error:
        raise _malformed(f"the signature of {name} {error}") from error
    if len(data) <= _ID_BYTES:
        raise _malformed(f"the signature of {name} is too short")
    return Signature(name, data[:_ID_BYTES], data[_ID_BYTES:])


def _is_name(name: str) -> bool:
    """True if ``name`` may be the name of a key."""
    odd = any(one == "+" or one.isspace() for one in name) or decoding.acting_character(name)
    return bool(name) and not odd


@dataclass(frozen=True)
class Checkpoint:
    """A log's signed ``size`` and ``root``; ``note`` is the note without lines of other keys."""

    origin: str
    size: int
    root: bytes
    note: str


def format_body(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint."""
    return f"{origin}\n{size}\n{encode_base64(root)}\n"


def verify(
    text: str, *, origin: str, log: VerifierKey, witnesses: Sequence[VerifierKey], needed: int
) -> Checkpoint:
    """The checkpoint in the signed note ``text``; raises NotPublic.

    It must be of the log ``origin``, signed by ``log`` and at least ``needed`` of ``witnesses``.
    """
    note = Note.from_text(text)
    said, size, root = _parse_body(note.text)
    if said != origin:
        raise NotPublic("unknown-log", f"the checkpoint is of another log than {origin}")
    by_log = _signed_by(note, [log], "bad-log-signature")
    if not by_log:
        raise NotPublic("unknown-log", "the checkpoint is not signed by the log's key")
    by_witnesses = _signed_by(note, witnesses, "bad-witness-signature")
    if len(by_witnesses) < needed:
        signed = f"{len(by_witnesses)} of {needed} witnesses that are needed"
        raise NotPublic("witness-missing", f"the checkpoint is signed by {signed}")
    return Checkpoint(said, size, root, Note(note.text, (*by_log, *by_witnesses)).full)


def _parse_body(body: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint's text."""
    lines = body[:-1].split("\n")
    if len(lines) < 3 or not all(lines) or len(body.encode()) > _MAX_BODY_BYTES:
        raise _malformed("its text is not a checkpoint")
    try:
        size, root = decode_number(lines[1]), decode_hash(lines[2])
    except ValueError as error:
        raise _malformed(f"its size or its root {error}") from error
    if size == 0 and root != EMPTY_ROOT:
        raise _malformed("an empty log has another root")
    return lines[0], size, root


def _signed_by(note: Note, keys: Iterable[VerifierKey], rule: str) -> list[Signature]:
    """The lines of ``keys`` in ``note``, all verified; NotPublic with ``rule`` for a bad one."""
    found = []
    for key in keys:
        lines = [one for one in note.signatures if (one.name, one.id) == (key.name, key.id)]
        if len(lines) > 1:
            raise _malformed(f"{key.name} signed twice")
        if lines and not key.verifies(note.text, lines[0].signature):
            raise NotPublic(rule, f"the signature of {key.name} does not verify")
        found += lines
    return found


def _malformed(why: str) -> NotPublic:
    return NotPublic("note-malformed", f"the signed note is malformed: {why}")
