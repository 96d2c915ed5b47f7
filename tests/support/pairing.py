"""A pairing in memory: one side is the product's, the other a person whom the test plays.

>>> peer = FakeDevice(code)
>>> monkeypatch.setattr(knock, "Meeting", peer.meeting)
>>> run.pair(folder, code, way)          # peer.owners holds the card that it was told
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from agent.consent.cards import DeviceCard, OwnerCard, format_card, parse_card
from agent.errors import NetworkFault
from agent.keyfile import Keys
from agent.pairing.code import PairingCode
from agent.pairing.messages import BrokerLogin, Introduction, Offer, Stored
from agent.pairing.sides import DeviceSide, Event, OwnerSide, PairingSide


def device_card(name: str = "front-door") -> DeviceCard:
    """The card of a new device."""
    keys = Keys.generate()
    return DeviceCard(role="device", name=name, sign=keys.signing.public.text, seal=keys.recipient)


class Peer(Protocol):
    """The other side: takes a message, gives its answers."""

    def answers(self, payload: bytes) -> list[bytes]: ...

    def opening(self) -> list[bytes]: ...


class FakeMeeting:
    """A meeting whose other side answers at once; ``waited`` are the times that it was given."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._arriving: deque[bytes] = deque()
        self.waited: list[float] = []

    def __enter__(self) -> Self:
        self._arriving.extend(self._peer.opening())
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, payload: bytes) -> None:
        self._arriving.extend(self._peer.answers(payload))

    def wait_for_event(self, side: PairingSide, *, seconds: float) -> Event | None:
        self.waited.append(seconds)
        while self._arriving:
            step = side.take(self._arriving.popleft())
            if step.reply is not None:
                self.say(step.reply)
            if step.event is not None:
                return step.event
        return None


@dataclass
class FakeDevice:
    """A device that shows ``code``. ``dies_at`` ends it before it answers what it is told."""

    code: PairingCode
    card: DeviceCard
    login: BrokerLogin | None = None
    ca: str | None = None
    dies_at: str = ""
    refuses: str = ""
    refuses_to_store: str = ""
    owners: list[OwnerCard] = field(default_factory=list)
    told: list[Introduction] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._side = DeviceSide(self.code)

    def meeting(self, *_: Any) -> FakeMeeting:
        return FakeMeeting(self)

    def opening(self) -> list[bytes]:
        return []

    def answers(self, payload: bytes) -> list[bytes]:
        step = self._side.take(payload)
        match step.event:
            case Introduction() as said:
                self.told.append(said)
                if self.dies_at == "introduction":
                    raise NetworkFault("cut")
                if self.refuses:
                    return [self._side.stored(self.refuses)]
                return [
                    self._side.offer(
                        Offer(card=format_card(self.card), ca=self.ca, login=self.login)
                    )
                ]
            case Stored(refusal=why):
                if self.dies_at == "stored":
                    return []
                if why:
                    self.refusals.append(why)
                    return []
                if self.refuses_to_store:
                    return [self._side.stored(self.refuses_to_store)]
                if "role: owner" in self.told[-1].card:
                    self.owners.append(parse_card(self.told[-1].card, OwnerCard, "card"))
                return [self._side.stored()]
        return [] if step.reply is None else [step.reply]


@dataclass
class FakeOwner:
    """Owners who come to a device one after the other: one meeting each, None for nobody."""

    comers: list[Callable[[PairingCode], OwnerSide] | None]
    refuses: str = ""
    is_cut_at: str = ""
    offers: list[Offer] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    meetings: list[FakeMeeting] = field(default_factory=list)

    def meeting(self, _side: str, code: PairingCode, _broker: object) -> FakeMeeting:
        made = FakeMeeting(_Comer(self, self.comers.pop(0), code))
        self.meetings.append(made)
        return made


class _Comer:
    def __init__(
        self, owner: FakeOwner, make: Callable[[PairingCode], OwnerSide] | None, code: PairingCode
    ) -> None:
        self._owner = owner
        self._side = None if make is None else make(code)

    def opening(self) -> list[bytes]:
        return [] if self._side is None else [self._side.hello]

    def answers(self, payload: bytes) -> list[bytes]:
        assert self._side is not None
        step = self._side.take(payload)
        match step.event:
            case Offer() as offer:
                self._owner.offers.append(offer)
                if self._owner.is_cut_at == "offer":
                    return []
                return [self._side.stored(self._owner.refuses)]
            case Stored(refusal=why):
                self._owner.stored.append(why)
        if self._owner.is_cut_at == "answer" or step.reply is None:
            return []
        return [step.reply]
