"""Messages of a pairing as JSON: those in the open, and those sealed inside them."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from agent.consent import decoding
from agent.consent.statements import ComputerId, Line, Name, Part
from agent.errors import MalformedStatement

MAX_BYTES: Final = 32_768

SessionId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Share = Annotated[bytes, Meta(min_length=33, max_length=33)]  # a side's letter, a point
Proof = Annotated[bytes, Meta(min_length=32, max_length=32)]
Sealed = Annotated[bytes, Meta(min_length=16, max_length=20_000)]
CardText = Annotated[str, Meta(max_length=4_000)]
PemText = Annotated[str, Meta(max_length=12_000)]


class Hello(Part, frozen=True, tag="hello"):
    """Owner to device: begin."""

    session: SessionId
    share: Share


class Answer(Part, frozen=True, tag="answer"):
    """Device to owner."""

    session: SessionId
    share: Share
    proof: Proof


class Introduce(Part, frozen=True, tag="introduce"):
    """Owner to device: the owner's proof, and an :class:`Introduction` inside ``sealed``."""

    session: SessionId
    proof: Proof
    sealed: Sealed


class Abort(Part, frozen=True, tag="abort"):
    """Owner to device: the device's proof was wrong."""

    session: SessionId


class Letter(Part, frozen=True, tag="sealed"):
    """Either way: an :class:`Offer` or :class:`Stored` inside ``sealed``."""

    session: SessionId
    sealed: Sealed


Open: TypeAlias = Hello | Answer | Introduce | Abort | Letter


class Introduction(Part, frozen=True, tag="introduction"):
    """An owner: the text of their card, and the id of their computer."""

    card: CardText
    computer: ComputerId


class BrokerLogin(Part, frozen=True):
    """A user of the broker, made for one computer."""

    username: Name
    password: Annotated[str, Meta(min_length=16, max_length=120)]

    def __repr__(self) -> str:
        return f"BrokerLogin({self.username!r})"


class Offer(Part, frozen=True, tag="offer"):
    """A device: the text of its card, and a login at its broker.

    ``ca`` are the certificates to trust there, PEM; without them those of the system.
    """

    card: CardText
    ca: PemText | None = None
    login: BrokerLogin | None = None


class Stored(Part, frozen=True, tag="stored"):
    """The sender has stored what it was told, or refuses it for the reason given."""

    refusal: Line = ""


Inner: TypeAlias = Introduction | Offer | Stored


def encode(message: Open | Inner) -> bytes:
    """``message`` as JSON; bytes as base64."""
    return msgspec.json.encode(message)


def decode_open(payload: bytes) -> Open:
    """A message in the open; :class:`MalformedStatement` names the rule that it breaks."""
    message: Open = _decode(payload, Open)
    return message


def decode_inner(payload: bytes) -> Inner:
    """A message that was sealed; :class:`MalformedStatement` likewise."""
    message: Inner = _decode(payload, Inner)
    return message


def _decode(payload: bytes, kind: Any) -> Any:
    plain = decoding.strict_json(payload, MAX_BYTES)
    try:
        return msgspec.convert(plain, kind, strict=True)
    except msgspec.ValidationError as error:
        raise MalformedStatement("wrong-shape", "a pairing message is malformed") from error
