"""The questions that authenticators were asked: each is answered once, within five minutes.

A challenge is the SHA-256 of what an answer may be used for: a purpose (``enrol``, ``confirm``,
``unlock`` or ``approve``), the site, the browser's session, the subject (the digest of a plan), and
a random number. It is computed anew from the circumstances of the answer, so an answer for another
purpose, decision, session or site does not fit. Open questions are in memory alone.

The five minutes are what Web Authentication Level 3 (section 5.1.3) recommends at least: people
must find their phone.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import msgspec

from agent.clock import Clock
from agent.errors import Refused
from agent.owner.passkeys.relying_party import RelyingParty

Purpose = Literal["enrol", "confirm", "unlock", "approve"]
T = TypeVar("T")

LIFE_SECONDS = 300.0
MOST_ASKED = 30  # of one session in the life of a challenge
_NONCE_BYTES = 32
_DOMAIN = b"clip-agent webauthn challenge v1\n"


@dataclass(frozen=True)
class Asker:
    """A browser that asks: the site where it is, and its session, which only it knows."""

    party: RelyingParty
    session: str = field(repr=False)


@dataclass(frozen=True)
class _Open(Generic[T]):
    nonce: bytes
    asked_at: float  # monotonic
    carried: T


class Challenges(Generic[T]):
    """Open questions of all sessions, each with a value that is carried to its answer."""

    def __init__(self, clock: Clock, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._open: dict[tuple[str, Purpose, str], _Open[T]] = {}
        self._asked: dict[str, list[float]] = {}

    def ask(self, asker: Asker, purpose: Purpose, carried: T, *, subject: str = "") -> bytes:
        """A new challenge of 32 bytes, in place of an older one for the same.

        Raises Refused ``too-many-tries`` if this session has asked too often.
        """
        now = self._clock.monotonic()
        with self._lock:
            self._forget(now)
            asked = self._asked.setdefault(asker.session, [])
            if len(asked) >= MOST_ASKED:
                raise Refused(
                    "too-many-tries", "passkeys were asked for too often; wait five minutes"
                )
            asked.append(now)
            nonce = self._random(_NONCE_BYTES)
            self._open[asker.session, purpose, subject] = _Open(nonce, now, carried)
        return _challenge(asker, purpose, subject, nonce)

    def take(self, asker: Asker, purpose: Purpose, *, subject: str = "") -> tuple[bytes, T]:
        """The challenge that an answer must name, which is spent, and the carried value.

        Raises Refused ``no-challenge`` if there is none, or it is too old.
        """
        with self._lock:
            self._forget(self._clock.monotonic())
            found = self._open.pop((asker.session, purpose, subject), None)
        if found is None:
            raise Refused(
                "no-challenge",
                "the passkey's answer came too late, twice, or for something else",
                advice="Try again",
            )
        return _challenge(asker, purpose, subject, found.nonce), found.carried

    def _forget(self, now: float) -> None:
        oldest = now - LIFE_SECONDS
        self._open = {name: one for name, one in self._open.items() if one.asked_at > oldest}
        recent = {
            name: [at for at in all_at if at > oldest] for name, all_at in self._asked.items()
        }
        self._asked = {name: all_at for name, all_at in recent.items() if all_at}


def _challenge(asker: Asker, purpose: Purpose, subject: str, nonce: bytes) -> bytes:
    said = {
        "origin": asker.party.origin,
        "purpose": purpose,
        "rp_id": asker.party.id,
        "session": asker.session,
        "subject": subject,
        "nonce": nonce.hex(),
    }
    return hashlib.sha256(_DOMAIN + msgspec.json.encode(said, order="deterministic")).digest()
