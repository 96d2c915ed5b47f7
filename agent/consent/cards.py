"""Public keys, and the key cards that carry them.

A **key card** holds the public half of somebody's keys as a small YAML file, safe to hand out.
A key's fingerprint is its JWK thumbprint (RFC 7638), so no key can claim that of another.

The configuration says which cards are trusted. Signatures are checked in
:mod:`agent.consent.signing`: the camera, which only seals to cards, never loads that library.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Literal, Self, TypeVar

import msgspec
import pyrage
import yaml
from msgspec import Meta

from agent import config
from agent.consent import decoding
from agent.consent.statements import AgeRecipient, Line, Name, Part, PublicKeyText
from agent.errors import ConfigError

C = TypeVar("C", bound="Card")

_KEY_BYTES = 32
# A point of small order makes some signatures verify for any text. Encodings without the sign
# bit, from Cremers and Jackson, "Prime, Order Please!" (2019), table 2.
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
    except ValueError:
        data = b""
    if encode_base64url(data) != text:
        raise ValueError("is not canonical base64url")
    return data


def in_groups(fingerprint: str) -> str:
    """A fingerprint in groups of four characters, for people to compare."""
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


class PublicKey:
    """An Ed25519 public key, 32 bytes, and its fingerprint."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _KEY_BYTES:
            raise ValueError("is not 32 bytes long")
        if raw[:-1] + bytes([raw[-1] & 0x7F]) in _SMALL_ORDER:
            raise ValueError("is a key of small order, which proves nothing")
        self.raw = raw
        self.text = encode_base64url(raw)
        # RFC 7638: the required members in lexicographic order, no white space.
        jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{self.text}"}}'
        self.fingerprint = encode_base64url(hashlib.sha256(jwk.encode("ascii")).digest())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """From base64url (a JWK's ``x``); ValueError says what is wrong."""
        return cls(decode_base64url(text))


Host = Annotated[str, Meta(pattern=r"\A[a-z0-9.\[\]:-]{1,255}\Z")]


class Card(Part, frozen=True):
    """A name and public keys: ``sign`` verifies signatures, ``seal`` is an age recipient."""

    name: Annotated[Name, Meta(min_length=1)]
    sign: PublicKeyText
    seal: AgeRecipient

    @property
    def key(self) -> PublicKey:
        """The key that verifies this card's holder."""
        return PublicKey.from_text(self.sign)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the holder's signing key."""
        return self.key.fingerprint


class Notification(Part, frozen=True, omit_defaults=True):
    """The recipient of watch letters, whose identity the owner keeps without a passphrase.

    ``content``: the owner wants titles and names of requesters in them.
    """

    recipient: AgeRecipient
    content: bool = False


class OwnerCard(Card, frozen=True, omit_defaults=True):
    """An owner: clips are sealed to their keys, and their decisions count."""

    role: Literal["owner"]
    recovery: AgeRecipient
    notify: Notification | None = None


class DeviceCard(Card, frozen=True):
    """A device: the recipient of an owner's letters; ``name`` is its name in MQTT topics."""

    role: Literal["device"]


class RequesterCard(Card, frozen=True):
    """A requester who may ask; bundles may go to ``upload_hosts`` (host or host:port)."""

    role: Literal["requester"]
    upload_hosts: Annotated[tuple[Host, ...], Meta(min_length=1, max_length=16)]
    contact: Line = ""


_HOLDERS: dict[type[Card], str] = {
    OwnerCard: "an owner",
    DeviceCard: "a device",
    RequesterCard: "a requester",
}


class RequesterBook(Part, frozen=True):
    """``requesters.yaml``: the requesters that may ask."""

    requesters: tuple[RequesterCard, ...]


def parse_card(text: str, kind: type[C], name: str) -> C:
    """A card from its YAML text; :class:`ConfigError` names the file ``name`` and the key."""
    try:
        card = config.parse_yaml(text, kind, name)
    except ConfigError:
        _name_other_role(text, kind, name)
        raise
    _check_card(card, name)
    return card


def _name_other_role(text: str, kind: type[Card], name: str) -> None:
    """Raise ConfigError if ``text`` is a card of another role: people mix them up."""
    for other, holder in _HOLDERS.items():
        try:
            config.parse_yaml(text, other, name)
        except ConfigError:
            continue
        raise ConfigError(f"{name}: is the key card of {holder}, not of {_HOLDERS[kind]}")


def parse_requesters(text: str, name: str) -> dict[str, RequesterCard]:
    """The cards of ``requesters.yaml`` by fingerprint; :class:`ConfigError` names the mistake."""
    cards: dict[str, RequesterCard] = {}
    for index, card in enumerate(config.parse_yaml(text, RequesterBook, name).requesters):
        where = f"{name}: requesters[{index}]"
        _check_card(card, where)
        if card.fingerprint in cards:
            raise ConfigError(f"{where}: the key of {card.name!r} is already in the list")
        cards[card.fingerprint] = card
    return cards


def format_fingerprint(fingerprint: str) -> str:
    """A fingerprint as people read it aloud and compare it: in groups of four characters."""
    return " ".join(fingerprint[start : start + 4] for start in range(0, len(fingerprint), 4))


def format_card(card: Card) -> str:
    """``card`` as the YAML text that :func:`parse_card` reads."""
    return yaml.safe_dump(msgspec.to_builtins(card), sort_keys=False, allow_unicode=True)


def _check_card(card: Card, name: str) -> None:
    """Check what types cannot: usable keys, and texts without control characters."""
    for field in ("name", "contact"):
        if found := decoding.acting_character(getattr(card, field, "")):
            raise ConfigError(f"{name}: {field}: {found} is not allowed in a text")
    try:
        PublicKey.from_text(card.sign)
    except ValueError as error:
        raise ConfigError(f"{name}: sign: {error}") from error
    recipients = {"seal": card.seal, "recovery": getattr(card, "recovery", "")}
    notify: Notification | None = getattr(card, "notify", None)
    if notify is not None:
        if notify.recipient in recipients.values():
            raise ConfigError(
                f"{name}: notify: is a key that opens clips, and must be one of its own",
                advice="Make one with `clip-agent owner notification-key`",
            )
        recipients["notify: recipient"] = notify.recipient
    for field, recipient in recipients.items():
        try:
            if recipient:
                pyrage.x25519.Recipient.from_str(recipient)
        except pyrage.RecipientError as error:
            raise ConfigError(f"{name}: {field}: is not an age recipient") from error
