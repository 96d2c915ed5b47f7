"""JWS signing and verifying.

A statement travels as a JWS in compact form (RFC 7515) with ``alg: EdDSA`` (RFC 8037, Ed25519) and
exactly three header fields::

    {"alg": "EdDSA", "kid": "<signer's fingerprint>", "typ": "clip-request+jwt"}

``iss`` must equal ``kid``. A document has one form: base64url must be canonical, so the SHA-256 of
the compact text names it. Verifying checks, in this order: size and form, header, known signer,
signature, payload. Policy and decisions say whether a statement is acceptable.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agent.consent import decoding, statements
from agent.consent.cards import PublicKey, decode_base64url, encode_base64url
from agent.consent.statements import Statement
from agent.errors import InternalFault, KeyFileError, MalformedStatement, UntrustedSignature

S = TypeVar("S", bound=Statement)

_ALGORITHM = "EdDSA"
_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
_HEADER_FIELDS = {"alg", "kid", "typ"}
_MAX_HEADER_BYTES = 512


class SigningKey:
    """An Ed25519 private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """A new key from the system's random source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """From :meth:`to_text`; :class:`KeyFileError` if damaged."""
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(decode_base64url(text)))
        except ValueError as error:
            raise KeyFileError("the signing key is damaged") from error

    def to_text(self) -> str:
        """The 32 secret bytes in base64url."""
        return encode_base64url(self._key.private_bytes_raw())

    def sign(self, statement: Statement) -> str:
        """``statement`` as a compact JWS; its ``iss`` must be this key.

        Raises :class:`MalformedStatement` for a statement that :func:`verify` would refuse.
        """
        if statement.iss != self.public.fingerprint:
            raise InternalFault("a statement must name its signer in `iss`")
        payload = decoding.encode(statement)
        decoding.decode(payload, type(statement), statement.MAX_BYTES)
        header = {"alg": _ALGORITHM, "kid": self.public.fingerprint, "typ": statement.TYP}
        parts = json.dumps(header, separators=(",", ":")).encode("ascii"), payload
        signed = ".".join(map(encode_base64url, parts))
        return f"{signed}.{encode_base64url(self._key.sign(signed.encode('ascii')))}"


def digest(compact: str) -> str:
    """The name of a signed statement: the SHA-256 of its compact JWS, in hexadecimal."""
    return hashlib.sha256(compact.encode("ascii")).hexdigest()


def verify(compact: str | bytes, kind: type[S], keys: Mapping[str, PublicKey]) -> S:
    """The statement in ``compact``, signed by one of ``keys`` (by fingerprint).

    Raises :class:`MalformedStatement` with a rule of :mod:`.decoding` or
    ``not-jws``, ``wrong-header``, ``wrong-typ``, ``wrong-alg``, ``wrong-issuer``;
    :class:`UntrustedSignature` with ``unknown-signer`` or ``bad-signature``.
    """
    text, header, payload = _open(compact, kind)
    key = keys.get(header["kid"])
    if key is None:
        raise UntrustedSignature("unknown-signer", f"no key card for {header['kid'][:64]!r}")
    verify_signature(text, key)
    statement = decoding.decode(payload, kind, kind.MAX_BYTES)
    if statement.iss != key.fingerprint:
        raise MalformedStatement("wrong-issuer", "`iss` is not the key that signed")
    return statement


def verify_signature(compact: str, key: PublicKey) -> None:
    """Raise :class:`UntrustedSignature` unless ``key`` signed ``compact``; decodes no payload."""
    signed, _, signature = compact.rpartition(".")
    try:
        public = Ed25519PublicKey.from_public_bytes(key.raw)
        public.verify(decode_base64url(signature), signed.encode())
    except (InvalidSignature, ValueError) as error:
        raise UntrustedSignature("bad-signature", "the signature does not verify") from error


def signer(compact: str | bytes, kind: type[Statement]) -> str:
    """The fingerprint that ``compact`` claims, unverified: for looking up a card or a log line."""
    return str(_open(compact, kind)[1]["kid"])


def claimed_typ(compact: str | bytes) -> str:
    """The ``typ`` that ``compact`` claims, unverified: for choosing its kind."""
    return str(_split(compact, statements.MAX_REPORT_BYTES)[1]["typ"])


def longest(kind: type[Statement]) -> int:
    """The most bytes that a compact JWS of ``kind`` may have."""
    return kind.MAX_BYTES * 4 // 3 + _MAX_HEADER_BYTES


def _open(compact: str | bytes, kind: type[Statement]) -> tuple[str, dict[str, Any], bytes]:
    """Text, header and raw payload of a JWS of ``kind``; the signature is not checked."""
    text, header, payload = _split(compact, kind.MAX_BYTES)
    if header["typ"] != kind.TYP:
        raise MalformedStatement("wrong-typ", f"typ must be {kind.TYP}")
    return text, header, payload


def _split(compact: str | bytes, max_bytes: int) -> tuple[str, dict[str, Any], bytes]:
    """Text, checked header and raw payload of any compact JWS of ours."""
    data = compact.encode("utf-8", "replace") if isinstance(compact, str) else compact
    at_most = max_bytes * 4 // 3 + _MAX_HEADER_BYTES
    if len(data) > at_most:
        raise MalformedStatement("too-large", f"{len(data)} bytes, at most {at_most}")
    if not _COMPACT.fullmatch(data):
        raise MalformedStatement("not-jws", "is not a compact JWS with an Ed25519 signature")
    text = data.decode("ascii")
    try:
        header_bytes, payload, _ = map(decode_base64url, text.split("."))
    except ValueError as error:
        raise MalformedStatement("not-jws", f"a part of the JWS {error}") from error
    header = decoding.strict_json(header_bytes, _MAX_HEADER_BYTES)
    if not isinstance(header, dict) or set(header) != _HEADER_FIELDS:
        raise MalformedStatement("wrong-header", "the header must hold only alg, kid and typ")
    if header["alg"] != _ALGORITHM:
        raise MalformedStatement("wrong-alg", f"alg must be {_ALGORITHM}")
    if not isinstance(header["kid"], str):
        raise MalformedStatement("wrong-header", "kid must be a string")
    return text, header, payload


def new_jti(random: bytes) -> str:
    """A statement id from at least 16 random bytes."""
    if len(random) < 16:
        raise InternalFault("a statement id needs 16 random bytes")
    return encode_base64url(random)
