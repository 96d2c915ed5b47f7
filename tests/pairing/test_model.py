"""A broker that does what it likes, as a state machine: who can end up with whose card?

The network holds everything ever said on the channel, by owners with the right code, owners with a
wrong one and devices, and delivers any of it to anybody, whole or damaged, in any order, any number
of times. Whatever it does:

- a device takes an introduction only of an owner who has its code, and word for word;
- an owner takes an offer only of the device that took its own introduction, and word for word;
- a device answers one hello;
- if a side says that the other has stored something, the other has said so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from agent.pairing.code import PairingCode
from agent.pairing.messages import Introduction, Offer, Stored
from agent.pairing.sides import DeviceSide, OwnerSide, Step

CODES = [PairingCode.parse(f"417-062-91{last}") for last in (3, 4)]


mostly_one = st.sampled_from([CODES[0], CODES[0], CODES[0], CODES[1]])


@dataclass(eq=False)
class Party:
    """A side, the code it has, and all that it has heard and said in the clear of its mind."""

    code: PairingCode
    name: str
    side: OwnerSide | DeviceSide
    heard: list[object] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    stored: bool = False
    answers: int = 0


class Meddler(RuleBasedStateMachine):
    messages = Bundle("messages")
    owners = Bundle("owners")
    devices = Bundle("devices")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.all_owners: list[Party] = []
        self.all_devices: list[Party] = []

    def _name(self) -> str:
        self.count += 1
        return f"{self.count:016x}"

    @rule(target=owners, code=mostly_one)
    def an_owner_comes(self, code: PairingCode) -> Party:
        name = self._name()
        side = OwnerSide(code, Introduction(card=name, computer=name))
        owner = Party(code, name, side)
        self.all_owners.append(owner)
        return owner

    @rule(target=devices, code=mostly_one)
    def a_device_shows_a_code(self, code: PairingCode) -> Party:
        device = Party(code, self._name(), DeviceSide(code))
        self.all_devices.append(device)
        return device

    @rule(target=messages, owner=owners)
    def an_owner_knocks(self, owner: Party) -> bytes:
        assert isinstance(owner.side, OwnerSide)
        owner.said.append(owner.side.hello)
        return owner.side.hello

    @rule(
        target=messages,
        owner=owners,
        device=devices,
        times=st.sampled_from([1, 2, 3, 4, 5, 6, 6, 6]),
    )
    def the_broker_carries_the_last_words(self, owner: Party, device: Party, times: int) -> bytes:
        """As an honest one would, between two that may belong together."""
        assert isinstance(owner.side, OwnerSide)
        owner.said = owner.said or [owner.side.hello]
        last = owner.said[-1]
        for number in range(times):
            last = self._deliver(last, owner if number % 2 else device)
        return last

    @rule(target=messages, message=messages, party=st.one_of(owners, devices))
    def the_broker_delivers(self, message: bytes, party: Party) -> bytes:
        return self._deliver(message, party)

    @rule(
        target=messages,
        message=messages,
        other=messages,
        party=st.one_of(owners, devices),
        name=st.sampled_from(["session", "share", "proof", "sealed", "type"]),
    )
    def the_broker_mixes_two_messages(
        self, message: bytes, other: bytes, party: Party, name: str
    ) -> bytes:
        mixed = json.loads(message)
        mixed[name] = json.loads(other).get(name)
        return self._deliver(json.dumps(mixed).encode(), party)

    @rule(message=consumes(messages))
    def the_broker_forgets(self, message: bytes) -> None:
        pass

    def _deliver(self, message: bytes, party: Party) -> bytes:
        step: Step = party.side.take(message)
        if step.event is not None:
            party.heard.append(step.event)
        if step.event == "met" and isinstance(party.side, DeviceSide):
            party.answers += 1
        said = step.reply
        match party.side, step.event:
            case DeviceSide() as device, Introduction():
                said = device.offer(Offer(card=party.name))
            case OwnerSide() as owner, Offer():
                party.stored = True
                said = owner.stored()
            case DeviceSide() as device, Stored():
                party.stored = True
                said = device.stored()
        if said is not None:
            party.said.append(said)
        return said or message

    @invariant()
    def a_device_takes_the_card_of_an_owner_with_its_code_alone(self) -> None:
        for device in self.all_devices:
            taken = [one for one in device.heard if isinstance(one, Introduction)]
            assert len(taken) <= 1
            for one in taken:
                assert any(o.name == one.card and o.code == device.code for o in self.all_owners)

    @invariant()
    def an_owner_takes_the_offer_of_the_device_that_knows_it_alone(self) -> None:
        for owner in self.all_owners:
            taken = [one for one in owner.heard if isinstance(one, Offer)]
            assert len(taken) <= 1
            for one in taken:
                assert any(
                    device.name == one.card
                    and device.code == owner.code
                    and Introduction(card=owner.name, computer=owner.name) in device.heard
                    for device in self.all_devices
                )

    @invariant()
    def what_a_side_is_told_was_stored_is_stored(self) -> None:
        for device in self.all_devices:
            if device.stored:
                (one,) = [one for one in device.heard if isinstance(one, Introduction)]
                (owner,) = [owner for owner in self.all_owners if owner.name == one.card]
                assert owner.stored
        for owner in self.all_owners:
            if any(isinstance(one, Stored) for one in owner.heard):
                (offer,) = [one for one in owner.heard if isinstance(one, Offer)]
                (device,) = [one for one in self.all_devices if one.name == offer.card]
                assert device.stored

    @invariant()
    def a_code_is_tried_once(self) -> None:
        assert all(device.answers <= 1 for device in self.all_devices)


TestMeddler = Meddler.TestCase
TestMeddler.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
