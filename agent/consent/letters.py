"""Sealed letters between owner and device.

All they say to each other travels as ``age(JSON {jws, keys})``: signed, then sealed to its
readers (age-encryption.org/v1), so that a broker sees sizes, times and topics only. ``keys``
maps a clip id to the clip's age identity; only letters that approve or share carry any.
Keys are used and never stored. :mod:`agent.consent.signing` verifies who wrote the JWS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pyrage
from msgspec import Meta

from agent.consent import age_header, decoding
from agent.consent.statements import ClipId, Part
from agent.errors import KeyFileError, MalformedStatement, UnreadableLetter

MAX_LETTER_BYTES = 524_288
_SEALING_BYTES = 16_384  # age adds at most this: header, a stanza a reader, a tag a chunk

ClipKey = Annotated[str, Meta(pattern=r"\AAGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}\Z")]


class Letter(Part, frozen=True):
    """The content of a letter: one compact JWS, and the clip keys that go with it."""

    jws: Annotated[str, Meta(max_length=400_000)]
    keys: dict[ClipId, ClipKey]

    def __repr__(self) -> str:
        """Without the keys: a letter may end up in a log line or a traceback."""
        return f"Letter(jws={self.jws[:32]!r}…, keys of {sorted(self.keys)})"


def seal(letter: Letter, recipients: Sequence[str]) -> bytes:
    """``letter`` sealed to all ``recipients`` (``age1…``).

    Raises :class:`KeyFileError` for a bad recipient, and :class:`MalformedStatement`
    ``too-large`` for a letter that no reader would open.
    """
    try:
        readers = [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]
    except pyrage.RecipientError as error:
        raise KeyFileError("a letter's reader is not an age recipient") from error
    plain = decoding.encode(letter)
    if len(plain) > MAX_LETTER_BYTES - _SEALING_BYTES:
        raise MalformedStatement("too-large", f"a letter of {len(plain)} bytes")
    sealed: bytes = pyrage.encrypt(plain, readers)
    return sealed


def open_letter(sealed: bytes, identity: str) -> Letter:
    """The letter in ``sealed``, opened with ``identity`` (``AGE-SECRET-KEY-1…``).

    Raises :class:`UnreadableLetter` with ``too-large``, ``not-sealed-to-us`` (also
    when damaged: age does not tell the two apart) or a rule of strict decoding.
    """
    if len(sealed) > MAX_LETTER_BYTES:
        raise UnreadableLetter("too-large", f"{len(sealed)} bytes, at most {MAX_LETTER_BYTES}")
    if not age_header.has_small_header(sealed):
        raise UnreadableLetter("not-sealed-to-us", "it does not begin like a letter to us")
    reader = parse_identity(identity)
    try:
        plain: bytes = pyrage.decrypt(sealed, [reader])
    except pyrage.DecryptError as error:
        raise UnreadableLetter(
            "not-sealed-to-us", "the letter is not sealed to this reader, or is damaged"
        ) from error
    try:
        return decoding.decode(plain, Letter, MAX_LETTER_BYTES)
    except MalformedStatement as error:
        # The decoder's message may quote keys from the letter, so only the rule is kept.
        raise UnreadableLetter(error.rule, "the opened letter does not decode") from None


def parse_identity(identity: str) -> pyrage.x25519.Identity:
    """An age identity from its text; :class:`KeyFileError` if it is damaged."""
    try:
        return pyrage.x25519.Identity.from_str(identity)
    except pyrage.IdentityError as error:
        raise KeyFileError("an age identity is damaged") from error
