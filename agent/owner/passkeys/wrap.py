"""Wrap the owner's keys under a passkey's secret, and open them again.

The secret is the output of the authenticator's PRF (32 bytes). HKDF-SHA256 (RFC 5869) derives a key
from it, and ChaCha20-Poly1305 (RFC 8439) seals the text of :func:`agent.keyfile.format_keys` under
that key, with all that the file says of the passkey as associated data.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agent import keyfile
from agent.consent.cards import decode_base64url, encode_base64url
from agent.errors import KeyFileError
from agent.keyfile import Keys
from agent.owner.passkeys.record import NONCE_BYTES, Passkey, WrappedKeys

SECRET_BYTES = 32
_KEY_DOMAIN = b"clip-agent passkey key v1"
_TEXT_DOMAIN = b"clip-agent passkey v1\n"


def seal(
    passkey: Passkey,
    keys: Keys,
    secret: bytes,
    *,
    random: Callable[[int], bytes] = os.urandom,
) -> WrappedKeys:
    """The file of ``passkey``: ``keys`` under its ``secret``."""
    nonce = random(NONCE_BYTES)
    text = keyfile.format_keys(keys, "owner", now=passkey.made_at).encode()
    sealed = _cipher(secret).encrypt(nonce, text, _associated(passkey))
    return WrappedKeys(
        passkey=passkey, nonce=encode_base64url(nonce), wrapped=encode_base64url(sealed)
    )


def open_keys(record: WrappedKeys, secret: bytes) -> Keys:
    """The owner's keys; KeyFileError if the secret is another's or the file was changed."""
    known = record.passkey
    nonce, sealed = decode_base64url(record.nonce), decode_base64url(record.wrapped)
    try:
        text = _cipher(secret).decrypt(nonce, sealed, _associated(known))
    except InvalidTag as error:
        raise KeyFileError(
            f"the passkey {known.name!r} does not open your keys: its file was changed, or the "
            "authenticator gave another secret than when it was enrolled",
            advice="Unlock with the passphrase, remove this passkey, and enrol it again",
        ) from error
    return keyfile.parse_keys(text.decode(), "owner")


def _cipher(secret: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), 32, None, _KEY_DOMAIN).derive(secret))


def _associated(passkey: Passkey) -> bytes:
    return _TEXT_DOMAIN + msgspec.json.encode(passkey, order="deterministic")
