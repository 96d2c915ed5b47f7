"""An authenticator in software, and the browser around it, as a page of the console meets them.

It makes credentials (EdDSA, ES256 as most phones, RS256 as many a TPM) and answers with signatures,
counter, flags and the PRF's output, in the form in which ``passkeys.js`` sends them. Every lie is a
keyword: another origin, no verification of the user, a counter that stands still.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from agent.consent.cards import decode_base64url, encode_base64url

Algorithm = Literal["EdDSA", "ES256", "RS256"]
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_PRIVATE: dict[str, Callable[[], PrivateKey]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65_537, 2_048),
}
PRESENT, VERIFIED, MAY_BE_COPIED, COPIED, WITH_CREDENTIAL = 0x01, 0x04, 0x08, 0x10, 0x40


@dataclass
class SoftCredential:
    """A credential: its id, keys, the site and account it belongs to, and its counter."""

    id: bytes
    private: PrivateKey
    rp_id: str
    user: bytes
    prf_key: bytes = field(default_factory=lambda: os.urandom(32))
    count: int = 0

    @property
    def public(self) -> bytes:
        """COSE (RFC 9053)."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            x = self.private.public_key().public_bytes_raw()
            return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: x})
        if isinstance(self.private, rsa.RSAPrivateKey):
            n = self.private.public_key().public_numbers().n.to_bytes(256, "big")
            return cbor2.dumps({1: 3, 3: -257, -1: n, -2: b"\x01\x00\x01"})
        numbers = self.private.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), SHA256())
        return self.private.sign(data, ec.ECDSA(SHA256()))

    def secret(self, salt: bytes) -> bytes:
        """The PRF's output (Web Authentication Level 3, 10.1.4; CTAP 2.1, 12.5)."""
        salted = hashlib.sha256(b"WebAuthn PRF\x00" + salt).digest()
        return hmac.digest(self.prf_key, salted, "sha256")


class SoftAuthenticator:
    """An authenticator and its browser at ``origin``. ``counts``: it keeps a counter."""

    def __init__(
        self,
        origin: str,
        *,
        flags: int = PRESENT | VERIFIED,
        counts: bool = True,
        algorithm: Algorithm = "EdDSA",
    ) -> None:
        self.origin = origin
        self.flags = flags
        self.counts = counts
        self.algorithm = algorithm
        self.credentials: dict[bytes, SoftCredential] = {}

    def create(self, options: dict[str, Any], **lies: Any) -> bytes:
        """The answer to ``navigator.credentials.create(options)``."""
        for known in options["excludeCredentials"]:
            assert decode_base64url(known["id"]) not in self.credentials, "InvalidStateError"
        made = SoftCredential(
            id=os.urandom(32),
            private=_PRIVATE[self.algorithm](),
            rp_id=options["rp"]["id"],
            user=decode_base64url(options["user"]["id"]),
        )
        self.credentials[made.id] = made
        return self.registration(options, made, **lies)

    def registration(self, options: dict[str, Any], made: SoftCredential, **lies: Any) -> bytes:
        """The same for a credential that was made before."""
        attested = bytes(16) + len(made.id).to_bytes(2, "big") + made.id + made.public
        flags = lies.get("flags", self.flags) | WITH_CREDENTIAL
        data = self._data(lies.get("rp_id", made.rp_id), flags, made.count) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return _json(
            id=lies.get("id", made.id),
            client_data=self._client_data("webauthn.create", options, lies),
            attestation=attestation,
        )

    def get(self, options: dict[str, Any], **lies: Any) -> bytes:
        """The answer to ``navigator.credentials.get(options)``."""
        allowed = [decode_base64url(one["id"]) for one in options["allowCredentials"]]
        made = next(self.credentials[one] for one in allowed if one in self.credentials)
        return self.assertion(options, made, **lies)

    def assertion(self, options: dict[str, Any], made: SoftCredential, **lies: Any) -> bytes:
        """The answer of one credential, whether it was asked for or not."""
        made.count += self.counts
        count = lies.get("count", made.count)
        data = self._data(lies.get("rp_id", made.rp_id), lies.get("flags", self.flags), count)
        client_data = self._client_data("webauthn.get", options, lies)
        salts = options["extensions"]["prf"]["evalByCredential"]
        salt = salts.get(encode_base64url(made.id), {"first": encode_base64url(bytes(32))})
        return _json(
            id=made.id,
            client_data=client_data,
            authenticator_data=data,
            signature=made.sign(data + hashlib.sha256(client_data).digest()),
            user=lies.get("user", made.user),
            secret=lies.get("secret", made.secret(decode_base64url(salt["first"]))),
        )

    def _data(self, rp_id: str, flags: int, count: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _client_data(self, kind: str, options: dict[str, Any], lies: dict[str, Any]) -> bytes:
        said = {
            "type": lies.get("type", kind),
            "challenge": lies.get("challenge", options["challenge"]),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(said | lies.get("client_data", {})).encode()


def _json(**parts: bytes) -> bytes:
    return json.dumps({name: encode_base64url(part) for name, part in parts.items()}).encode()
