"""JWS signing and verifying, key ids, and cards.

A statement travels as a JWS in compact form (RFC 7515) with ``alg: EdDSA``
(RFC 8037, Ed25519) and exactly three header fields::

    {"alg": "EdDSA", "kid": "<signer>", "typ": "clip-request+jwt"}

A key's id is its JWK thumbprint (RFC 7638), so a ``kid`` cannot be claimed by
another key, and ``iss`` must equal it. One document has one form: base64url must
be canonical, so that the SHA-256 of the compact text names it. Verifying checks,
in this order: size and form, header, signer known, signature, payload.

A **card** is the public half of somebody's keys as a small YAML file, safe to
hand out. Which cards are trusted is the configuration's business, and whether a
statement is acceptable is the policy's.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

import jwt
import msgspec
import pyrage
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from agent import config
from agent.consent import decoding, statements
from agent.consent.statements import Line, Name, Part, PublicKeyText, Statement
from agent.errors import (
    ConfigError,
    InternalFault,
    KeyFileError,
    MalformedStatement,
    UntrustedSignature,
)

S = TypeVar("S", bound=Statement)
C = TypeVar("C", bound="Card")

_ALGORITHM = "EdDSA"
_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
_HEADER_FIELDS = {"alg", "kid", "typ"}
_MAX_HEADER_BYTES = 512
# Points of small order make some signatures verify for any text. The encodings, without
# their sign bit, are those of Cremers and Jackson, "Prime, Order Please!" (2019), table 2.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


def encode_base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """The bytes of canonical, unpadded base64url; ValueError for any other text."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise ValueError("is not base64url") from error
    if encode_base64url(data) != text:
        raise ValueError("is not canonical base64url")
    return data


class PublicKey:
    """An Ed25519 public key and its id."""

    def __init__(self, raw: bytes) -> None:
        if raw[:-1] + bytes([raw[-1] & 0x7F]) in _SMALL_ORDER:
            raise ValueError("is a key of small order, which signs nothing")
        self._key = Ed25519PublicKey.from_public_bytes(raw)
        self.text = encode_base64url(raw)
        # RFC 7638: the required members in lexicographic order, no white space.
        jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{self.text}"}}'
        self.id = encode_base64url(hashlib.sha256(jwk.encode("ascii")).digest())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """From 32 bytes in base64url (a JWK's ``x``); ValueError says what is wrong."""
        raw = decode_base64url(text)
        if len(raw) != 32:
            raise ValueError("is not 32 bytes long")
        return cls(raw)

    def verify(self, compact: str) -> None:
        """Raise :class:`UntrustedSignature` unless this key signed ``compact``."""
        try:
            jwt.PyJWS().decode_complete(compact, self._key, algorithms=[_ALGORITHM])
        except jwt.InvalidTokenError as error:
            raise UntrustedSignature("bad-signature", "the signature does not verify") from error


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
        """From what :meth:`to_text` gave; :class:`KeyFileError` otherwise."""
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(decode_base64url(text)))
        except ValueError as error:
            raise KeyFileError("the signing key is damaged") from error

    def to_text(self) -> str:
        """The 32 secret bytes in base64url. Handle like the key."""
        return encode_base64url(self._key.private_bytes_raw())

    def sign(self, statement: Statement) -> str:
        """``statement`` as a compact JWS; its ``iss`` must be this key.

        What the reader would refuse is not signed in the first place: raises
        :class:`MalformedStatement` like :func:`verify`.
        """
        if statement.iss != self.public.id:
            raise InternalFault("a statement must name its signer in `iss`")
        payload = decoding.encode(statement)
        decoding.decode(payload, type(statement), statement.MAX_BYTES)
        header = {"typ": statement.TYP, "kid": self.public.id}
        return jwt.PyJWS().encode(payload, self._key, algorithm=_ALGORITHM, headers=header)


def digest(compact: str) -> str:
    """What names a posted statement: the SHA-256 of its compact JWS, in hexadecimal."""
    return hashlib.sha256(compact.encode("ascii")).hexdigest()


def verify(compact: str | bytes, kind: type[S], keys: Mapping[str, PublicKey]) -> S:
    """The statement in ``compact``, signed by one of ``keys`` (by key id).

    Raises :class:`MalformedStatement` with a rule of :mod:`.decoding` or
    ``not-jws``, ``wrong-header``, ``wrong-typ``, ``wrong-alg``, ``wrong-issuer``;
    :class:`UntrustedSignature` with ``unknown-signer`` or ``bad-signature``.
    """
    text, header, payload = _open(compact, kind)
    key = keys.get(header["kid"])
    if key is None:
        raise UntrustedSignature("unknown-signer", f"no card for the key {header['kid'][:64]!r}")
    key.verify(text)
    statement = decoding.decode(payload, kind, kind.MAX_BYTES)
    if statement.iss != key.id:
        raise MalformedStatement("wrong-issuer", "`iss` is not the key that signed")
    return statement


def signer_id(compact: str | bytes, kind: type[Statement]) -> str:
    """The key id that ``compact`` claims, unverified: for looking up a card or a log line."""
    return str(_open(compact, kind)[1]["kid"])


def claimed_typ(compact: str | bytes) -> str:
    """The ``typ`` that ``compact`` claims, unverified: for choosing what to verify it as."""
    return str(_split(compact, statements.MAX_REPORT_BYTES)[1]["typ"])


def _open(compact: str | bytes, kind: type[Statement]) -> tuple[str, dict[str, Any], bytes]:
    """Text, header and raw payload of a JWS of ``kind``; the signature is not checked."""
    text, header, payload = _split(compact, kind.MAX_BYTES)
    if header["typ"] != kind.TYP:
        raise MalformedStatement("wrong-typ", f"typ must be {kind.TYP}")
    return text, header, payload


def _split(compact: str | bytes, max_bytes: int) -> tuple[str, dict[str, Any], bytes]:
    """Text, checked header and raw payload of any compact JWS of ours."""
    data = compact.encode("utf-8", "replace") if isinstance(compact, str) else compact
    longest = max_bytes * 4 // 3 + _MAX_HEADER_BYTES
    if len(data) > longest:
        raise MalformedStatement("too-large", f"{len(data)} bytes, at most {longest}")
    if not _COMPACT.fullmatch(data):
        raise MalformedStatement("not-jws", "is not a compact JWS with an Ed25519 signature")
    text = data.decode("ascii")
    try:
        header_bytes, payload, _ = map(decode_base64url, text.split("."))
    except ValueError as error:
        raise MalformedStatement("not-jws", f"a part of the JWS {error}") from error
    header = decoding.strict_json(header_bytes, _MAX_HEADER_BYTES)
    if not isinstance(header, dict) or set(header) != _HEADER_FIELDS:
        raise MalformedStatement("wrong-header", "the header must hold alg, kid and typ alone")
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


AgeRecipient = Annotated[str, Meta(pattern=r"\Aage1[02-9ac-hj-np-z]{58}\Z")]
Host = Annotated[str, Meta(pattern=r"\A[a-z0-9.\[\]:-]{1,255}\Z")]


class Card(Part, frozen=True):
    """Public keys and a name. ``sign`` verifies, ``seal`` is an age recipient."""

    name: Annotated[Name, Meta(min_length=1)]
    sign: PublicKeyText
    seal: AgeRecipient

    @property
    def key(self) -> PublicKey:
        """The key that verifies this card's holder."""
        return PublicKey.from_text(self.sign)

    @property
    def id(self) -> str:
        """The holder's key id."""
        return self.key.id


class OwnerCard(Card, frozen=True):
    """An owner: what clips are sealed to, and whose decisions count."""

    role: Literal["owner"]
    recovery: AgeRecipient


class DeviceCard(Card, frozen=True):
    """A camera: whom an owner writes letters to, and by which name in MQTT topics."""

    role: Literal["device"]


class RequesterCard(Card, frozen=True):
    """A requester: who may ask, and which hosts (host or host:port) a bundle may go to."""

    role: Literal["requester"]
    upload_hosts: Annotated[tuple[Host, ...], Meta(min_length=1, max_length=16)]
    contact: Line = ""


class RequesterBook(Part, frozen=True):
    """``requesters.yaml``: the requesters that an owner lets ask."""

    requesters: tuple[RequesterCard, ...]


def parse_card(text: str, kind: type[C], name: str) -> C:
    """A card from its YAML text; :class:`ConfigError` names the file ``name`` and the key."""
    card = config.parse_yaml(text, kind, name)
    _check_card(card, name)
    return card


def parse_requesters(text: str, name: str) -> dict[str, RequesterCard]:
    """The cards of ``requesters.yaml`` by key id; :class:`ConfigError` names the mistake."""
    cards: dict[str, RequesterCard] = {}
    for index, card in enumerate(config.parse_yaml(text, RequesterBook, name).requesters):
        where = f"{name}: requesters[{index}]"
        _check_card(card, where)
        if card.id in cards:
            raise ConfigError(f"{where}: the key of {card.name!r} is already in the list")
        cards[card.id] = card
    return cards


def format_card(card: Card) -> str:
    """``card`` as the YAML text that :func:`parse_card` reads."""
    return yaml.safe_dump(msgspec.to_builtins(card), sort_keys=False, allow_unicode=True)


def _check_card(card: Card, name: str) -> None:
    """What the types cannot say: keys that are keys, and texts that only stand there."""
    for field in ("name", "contact"):
        if found := decoding.acting_character(getattr(card, field, "")):
            raise ConfigError(f"{name}: {field}: {found} may not stand in a text")
    try:
        PublicKey.from_text(card.sign)
    except ValueError as error:
        raise ConfigError(f"{name}: sign: {error}") from error
    for field in ("seal", "recovery"):
        recipient = getattr(card, field, None)
        if recipient is None:
            continue
        try:
            pyrage.x25519.Recipient.from_str(recipient)
        except pyrage.RecipientError as error:
            raise ConfigError(f"{name}: {field}: is not an age recipient") from error
