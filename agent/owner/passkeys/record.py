"""The file of a passkey: ``passkeys/<id>.json`` in the owner's folder.

::

    {"passkey": {...}, "nonce": "<12 bytes>", "wrapped": "<the owner's keys, sealed>"}

Bytes are base64url without padding. All of ``passkey`` is authenticated together with the keys
(:mod:`.wrap`): a file in which anything was changed opens nothing.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from msgspec import Meta

from agent.consent import decoding
from agent.consent.cards import decode_base64url
from agent.consent.statements.base import Fingerprint, Moment, Part
from agent.errors import KeyFileError, MalformedStatement

MAX_NAME_CHARACTERS = 60
MAX_FILE_BYTES = 16_384
SALT_BYTES, NONCE_BYTES = 32, 12

_Base64url = r"\A[A-Za-z0-9_-]+\Z"
Bytes32 = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]
Bytes12 = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{16}\Z")]
CredentialId = Annotated[str, Meta(pattern=_Base64url, max_length=1_364)]  # of 1,023 bytes at most
PublicKey = Annotated[str, Meta(pattern=_Base64url, max_length=4_096)]
Wrapped = Annotated[str, Meta(pattern=_Base64url, max_length=4_096)]
SignCount = Annotated[int, Meta(ge=0, le=2**32 - 1)]
PasskeyName = Annotated[
    str, Meta(min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=r"\A[^\n]*\Z")
]
RelyingPartyId = Annotated[str, Meta(pattern=r"\A[a-z0-9.-]+\Z", max_length=253)]


class Passkey(Part, frozen=True):
    """A credential and what is known of it.

    ``credential`` and ``public_key`` (COSE, RFC 9052) come from the authenticator; ``salt`` is what
    its PRF is asked for. ``sign_count`` grows with each use unless the authenticator keeps none.
    ``backup_eligible``: its maker may copy it to the owner's other devices; ``backed_up``: has done
    so. ``made_at`` and ``used_at`` are Unix seconds.
    """

    version: Literal[1]
    credential: CredentialId
    name: PasskeyName
    rp_id: RelyingPartyId
    owner: Fingerprint
    public_key: PublicKey
    salt: Bytes32
    sign_count: SignCount
    backup_eligible: bool
    backed_up: bool
    made_at: Moment
    used_at: Moment

    @property
    def id(self) -> str:
        """The name of its file: 16 digits of the digest of the credential's id."""
        return file_id(self.credential)


class WrappedKeys(Part, frozen=True):
    """A passkey's file: what is known of it, and the owner's keys under its secret."""

    passkey: Passkey
    nonce: Bytes12
    wrapped: Wrapped


def file_id(credential: str) -> str:
    """The name of the file of a credential, by its id in base64url."""
    return hashlib.sha256(credential.encode()).hexdigest()[:16]


def parse(data: bytes, name: str) -> WrappedKeys:
    """Decode a file strictly; KeyFileError names the file ``name`` and the broken rule."""
    try:
        record = decoding.decode(data, WrappedKeys, MAX_FILE_BYTES)
        known = record.passkey
        for text in (known.credential, known.public_key, known.salt, record.nonce, record.wrapped):
            decode_base64url(text)
    except (MalformedStatement, ValueError) as error:
        raise KeyFileError(
            f"{name}: is not a passkey's file ({error})",
            advice="Remove this passkey, unlock with the passphrase, and enrol it again",
        ) from error
    return record
