"""The two sides of a pairing as machines without I/O: bytes in, an event and a reply out.

A message that is damaged, of another run, doubled or out of its order changes nothing: brokers
deliver twice, and strangers may publish. Only a wrong proof ends a run.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from agent.errors import InternalFault, Refused
from agent.pairing import messages
from agent.pairing.channel import Channel, Handshake
from agent.pairing.code import PairingCode
from agent.pairing.messages import (
    Abort,
    Answer,
    Hello,
    Inner,
    Introduce,
    Introduction,
    Letter,
    Offer,
    Open,
    Stored,
)

_SESSION_BYTES: Final = 16

Problem = Literal["wrong-code", "taken"]
"""``wrong-code``: the other side has another code, or is somebody else. ``taken``: the device
answers somebody else under this code."""

Event: TypeAlias = Introduction | Offer | Stored | Problem | Literal["met"]
"""``met``: there is somebody, who must prove now that they know the code."""


@dataclass(frozen=True)
class Step:
    """An ``event`` for the caller, and a message to publish at once."""

    event: Event | None = None
    reply: bytes | None = None


_NOTHING: Final = Step()


class PairingSide(Protocol):
    """A side as :mod:`agent.pairing.meeting` drives it."""

    def take(self, payload: bytes) -> Step:
        """Act on a message of the other side."""


class OwnerSide:
    """The owner's side of one run: ``hello``, then ``take`` and ``stored``."""

    def __init__(self, code: PairingCode, introduction: Introduction) -> None:
        self._session = secrets.token_hex(_SESSION_BYTES)
        self._introduction = introduction
        self._handshake: Handshake | None = Handshake("owner", code, self._session)
        self._channel: Channel | None = None
        self._awaited: type[Offer | Stored] | None = None
        self.hello = messages.encode(Hello(session=self._session, share=self._handshake.share))

    def take(self, payload: bytes) -> Step:
        """Act on a message of the device."""
        message = _decoded(payload)
        if isinstance(message, Answer):
            return self._take_answer(message)
        if not isinstance(message, Letter) or message.session != self._session:
            return _NOTHING
        if self._awaited is None:
            return _NOTHING
        inner = _opened(self._channel, message.sealed)
        # The device may refuse instead of making an offer.
        if not isinstance(inner, Stored) and (
            inner is None or not isinstance(inner, self._awaited)
        ):
            return _NOTHING
        self._awaited = None
        return Step(inner)

    def _take_answer(self, answer: Answer) -> Step:
        if self._handshake is None:
            return _NOTHING
        if answer.session != self._session:
            return Step("taken")
        handshake, self._handshake = self._handshake, None
        try:
            channel = handshake.finish(answer.share)
        except Refused:
            channel = None
        if channel is None or not channel.is_proved_by(answer.proof):
            return Step("wrong-code", messages.encode(Abort(session=self._session)))
        self._channel, self._awaited = channel, Offer
        sealed = channel.seal(messages.encode(self._introduction))
        introduce = Introduce(session=self._session, proof=channel.proof, sealed=sealed)
        return Step("met", messages.encode(introduce))

    def stored(self, refusal: str = "") -> bytes:
        """The message that the offer was stored, or is refused."""
        self._awaited = Stored
        return _letter(self._channel, self._session, Stored(refusal=refusal))


class DeviceSide:
    """The device's side of one code, which answers one owner."""

    def __init__(self, code: PairingCode) -> None:
        self._code = code
        self._session: str | None = None
        self._channel: Channel | None = None
        self._awaited: type[Introduction | Stored] | None = None

    @property
    def is_used(self) -> bool:
        """True once somebody was answered: the code is good for nobody else."""
        return self._session is not None

    def take(self, payload: bytes) -> Step:
        """Act on a message of an owner."""
        message = _decoded(payload)
        if isinstance(message, Hello):
            return self._take_hello(message)
        if message is None or message.session != self._session:
            return _NOTHING
        match message:
            case Introduce() if self._awaited is Introduction:
                return self._take_introduction(message)
            case Abort() if self._awaited is Introduction:
                self._awaited = None
                return Step("wrong-code")
            case Letter() if self._awaited is Stored:
                inner = _opened(self._channel, message.sealed)
                if isinstance(inner, Stored):
                    self._awaited = None
                    return Step(inner)
        return _NOTHING

    def _take_hello(self, hello: Hello) -> Step:
        if self.is_used:
            return _NOTHING
        handshake = Handshake("device", self._code, hello.session)
        try:
            channel = handshake.finish(hello.share)
        except Refused:
            return _NOTHING  # it tells nobody anything, and costs no code
        self._session, self._channel, self._awaited = hello.session, channel, Introduction
        answer = Answer(session=hello.session, share=handshake.share, proof=channel.proof)
        return Step("met", messages.encode(answer))

    def _take_introduction(self, message: Introduce) -> Step:
        self._awaited = None
        if self._channel is None or not self._channel.is_proved_by(message.proof):
            return Step("wrong-code")
        inner = _opened(self._channel, message.sealed)
        return Step(inner if isinstance(inner, Introduction) else "wrong-code")

    def offer(self, offer: Offer) -> bytes:
        """The message with the device's offer."""
        self._awaited = Stored
        return self._say(offer)

    def stored(self, refusal: str = "") -> bytes:
        """The message that the owner's card was stored, or is refused."""
        return self._say(Stored(refusal=refusal))

    def _say(self, inner: Inner) -> bytes:
        return _letter(self._channel, self._session, inner)


def _decoded(payload: bytes) -> Open | None:
    try:
        return messages.decode_open(payload)
    except Refused:
        return None


def _opened(channel: Channel | None, sealed: bytes) -> Inner | None:
    try:
        return None if channel is None else messages.decode_inner(channel.open(sealed))
    except Refused:
        return None


def _letter(channel: Channel | None, session: str | None, inner: Inner) -> bytes:
    if channel is None or session is None:
        raise InternalFault("a side of a pairing speaks before it knows the other")
    return messages.encode(Letter(session=session, sealed=channel.seal(messages.encode(inner))))
