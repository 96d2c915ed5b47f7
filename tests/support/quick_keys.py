"""Key files that are made and open at once: the same age files with a cheaper scrypt.

By age's design a passphrase costs a second of work, when a key file is made and at every
command that opens it. What opens the file stays the product's own code, with its own age
library. ``tests/conftest.py`` puts this in place for all tests.

The format is age-encryption.org/v1 (https://age-encryption.org/v1): a header with one
``scrypt`` stanza, and a payload of one chunk.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pyrage
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ages_own_encrypt = pyrage.passphrase.encrypt
_LOG_N = 8
_LAST_CHUNK = bytes(11) + b"\x01"


@contextmanager
def quick_passphrases() -> Iterator[None]:
    """Let this process lock key files with the cheaper scrypt."""
    with patch.object(pyrage.passphrase, "encrypt", encrypt):
        yield


def encrypt(plain: bytes, passphrase: str) -> bytes:
    """An age file of a few bytes that ``passphrase`` opens at once."""
    assert len(plain) <= 65_536, "one chunk"
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapping = hashlib.scrypt(
        passphrase.encode(),
        salt=b"age-encryption.org/v1/scrypt" + salt,
        n=2**_LOG_N,
        r=8,
        p=1,
        dklen=32,
    )
    wrapped = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    header = b"age-encryption.org/v1\n-> scrypt %b %d\n%b\n---" % (
        _base64(salt),
        _LOG_N,
        _base64(wrapped),
    )
    mac = hmac.digest(_derived(file_key, b"", b"header"), header, "sha256")
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    return header + b" " + _base64(mac) + b"\n" + nonce + payload.encrypt(_LAST_CHUNK, plain, None)


def _derived(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, purpose).derive(key)


def _base64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")
