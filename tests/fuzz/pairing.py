"""Targets: the messages of a pairing, in the open and sealed, and both sides that take them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from agent.errors import MalformedStatement
from agent.pairing import messages
from agent.pairing.code import PairingCode
from agent.pairing.messages import BrokerLogin, Introduction, Offer, Stored
from agent.pairing.sides import DeviceSide, OwnerSide
from tests.fuzz.target import Target

_CODE = PairingCode.parse("417-062-913")
_INTRODUCTION = Introduction(card="name: Olive\n", computer="ab" * 8)
_OFFER = Offer(
    card="name: front-door\n",
    ca="-----BEGIN CERTIFICATE-----\n",
    login=BrokerLogin(username="owner-1a2b3c4d", password="x" * 32),
)


def run_messages(data: bytes) -> None:
    """A message is decoded to what it says; no side takes it for an event that it has not made."""
    for decode in (messages.decode_open, messages.decode_inner):
        with suppress(MalformedStatement):
            read = decode(data)
            assert decode(messages.encode(read)) == read
    device = DeviceSide(_CODE)
    assert device.take(data).event in (None, "met")
    owner = OwnerSide(_CODE, _INTRODUCTION)
    assert owner.take(data).event in (None, "taken", "wrong-code")


def seeds_messages() -> Sequence[bytes]:
    """All messages of a pairing, and what is sealed in them."""
    owner, device = OwnerSide(_CODE, _INTRODUCTION), DeviceSide(_CODE)
    answer = device.take(owner.hello).reply or b""
    introduce = owner.take(answer).reply or b""
    device.take(introduce)
    offer = device.offer(_OFFER)
    inner = [messages.encode(one) for one in (_INTRODUCTION, _OFFER, Stored(refusal="no"))]
    return [owner.hello, answer, introduce, offer, *inner]


TARGETS = [Target("pairing", run_messages, seeds_messages)]
