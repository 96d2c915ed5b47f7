"""SPAKE2 (RFC 9382, over Ed25519) and the channel that its key protects.

The library's key is a hash over the code, both names, both shares and the common point. HKDF
(RFC 5869) derives from it a proof and a ChaCha20-Poly1305 key (RFC 8439) for each direction. A
direction's messages are numbered by their nonce, so none can be repeated, moved or reflected.
"""

from __future__ import annotations

import hmac
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from spake2 import SPAKE2_A, SPAKE2_B, SPAKEError
from spake2.ed25519_basic import NotOnCurve

from agent.errors import Refused
from agent.pairing.code import PairingCode

Side = Literal["owner", "device"]

_NAME: Final = "clip-agent pairing 1"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Handshake:
    """One side of one run. ``share`` is for the other side."""

    def __init__(self, side: Side, code: PairingCode, session: str) -> None:
        kind = SPAKE2_A if side == "owner" else SPAKE2_B
        self._side = side
        self._run = kind(
            code.secret.encode(),
            idA=f"{_NAME} owner {session}".encode(),
            idB=f"{_NAME} device {code.channel}".encode(),
        )
        self.share: bytes = self._run.start()

    def finish(self, share: bytes) -> Channel:
        """The channel to whoever sent ``share``; Refused if that is no share.

        Both have the same channel if they know the same code, which only their proofs tell.
        """
        try:
            key: bytes = self._run.finish(share)
        except (SPAKEError, NotOnCurve, ValueError, AssertionError) as error:
            raise Refused("not-a-share", "this is no share of SPAKE2") from error
        return Channel(self._side, key)


class Channel:
    """Proofs and sealed messages between the two sides; ``proof`` is for the other side."""

    def __init__(self, side: Side, key: bytes) -> None:
        other: Side = "device" if side == "owner" else "owner"
        self.proof = _derive(key, f"{side} confirms")
        self._their_proof = _derive(key, f"{other} confirms")
        self._mine = ChaCha20Poly1305(_derive(key, f"{side} seals"))
        self._theirs = ChaCha20Poly1305(_derive(key, f"{other} seals"))
        self._sealed = self._opened = 0

    def is_proved_by(self, proof: bytes) -> bool:
        """Tell if the other side has this key."""
        return hmac.compare_digest(proof, self._their_proof)

    def seal(self, plain: bytes) -> bytes:
        """``plain`` as the next message to the other side."""
        sealed = self._mine.encrypt(_nonce(self._sealed), plain, None)
        self._sealed += 1
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """The next message of the other side; Refused for any other."""
        try:
            plain = self._theirs.decrypt(_nonce(self._opened), sealed, None)
        except InvalidTag as error:
            raise Refused("not-next", "this is not the next message") from error
        self._opened += 1
        return plain


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, None, f"{_NAME} {purpose}".encode()).derive(key)


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")
