"""A pairing with a broker that listens and meddles: replays, guesses, swaps, two at once.

>>> owner, device = sides("417-062-913")
>>> introduced = device.take(owner.take(device.take(owner.hello).reply).reply).event
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from agent.errors import InternalFault
from agent.pairing import messages
from agent.pairing.code import PairingCode
from agent.pairing.messages import BrokerLogin, Introduction, Offer, Stored
from agent.pairing.sides import DeviceSide, OwnerSide, Step

CODE = PairingCode.parse("417-062-913")
OTHER = PairingCode.parse("417-062-914")  # of the same channel
OLIVE = Introduction(card="name: Olive\n", computer="ab" * 8)
OFFER = Offer(
    card="name: front-door\n",
    ca="-----BEGIN CERTIFICATE-----\n",
    login=BrokerLogin(username="owner-1a2b3c4d", password="x" * 32),
)
NOTHING = Step()


def sides(owner: PairingCode = CODE, device: PairingCode = CODE) -> tuple[OwnerSide, DeviceSide]:
    return OwnerSide(owner, OLIVE), DeviceSide(device)


def sent(step: Step) -> bytes:
    assert step.reply is not None
    return step.reply


def changed(payload: bytes, **fields: Any) -> bytes:
    """``payload`` with other values; bytes in base64, as msgspec writes them."""
    plain = json.loads(payload)
    for name, value in fields.items():
        plain[name] = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return json.dumps(plain).encode()


def flipped(payload: bytes, name: str) -> bytes:
    value = bytearray(base64.b64decode(json.loads(payload)[name]))
    value[-1] ^= 1
    return changed(payload, **{name: bytes(value)})


def test_both_sides_with_one_code_exchange_cards_and_end_stored() -> None:
    owner, device = sides()
    knocked = device.take(owner.hello)
    assert knocked.event == "met"
    introduced = device.take(sent(owner.take(sent(knocked))))
    assert introduced == Step(OLIVE)
    assert owner.take(device.offer(OFFER)) == Step(OFFER)
    assert device.take(owner.stored()) == Step(Stored())
    assert owner.take(device.stored()) == Step(Stored())


def test_the_broker_sees_neither_cards_nor_logins_nor_the_code() -> None:
    owner, device = sides()
    heard = [owner.hello]
    heard.append(sent(device.take(heard[-1])))
    heard.append(sent(owner.take(heard[-1])))
    device.take(heard[-1])
    heard.append(device.offer(OFFER))
    for payload in heard:
        fields = json.loads(payload)
        names = fields.keys() & {"share", "proof", "sealed"}
        plain = [base64.b64decode(fields[name]) for name in names]
        for secret in (b"Olive", b"front-door", b"owner-1a2b3c4d", b"062913", b"x" * 32):
            assert not any(secret in part for part in (payload, *plain))


def test_a_wrong_code_at_the_owner_uses_the_code_up_and_tells_nothing() -> None:
    owner, device = sides(owner=OTHER)
    step = owner.take(sent(device.take(owner.hello)))
    assert step.event == "wrong-code"
    assert device.take(sent(step)).event == "wrong-code"
    again, _ = sides()
    assert device.take(again.hello) == NOTHING
    assert device.is_used


def test_somebody_who_guesses_gets_one_try_a_code() -> None:
    """A million secrets: the one try is spent, whether the guesser goes on, stops or says no."""
    device = DeviceSide(CODE)
    guesser = OwnerSide(OTHER, OLIVE)
    answer = sent(device.take(guesser.hello))
    assert guesser.take(answer).event == "wrong-code"
    for guess in ("417-062-915", "417-062-913"):  # the right one as well, too late
        assert device.take(OwnerSide(PairingCode.parse(guess), OLIVE).hello) == NOTHING


def test_a_wrong_proof_is_refused_for_good_although_what_is_sealed_beside_it_would_open() -> None:
    owner, device = sides()
    introduce = sent(owner.take(sent(device.take(owner.hello))))
    assert device.take(flipped(introduce, "proof")).event == "wrong-code"
    assert device.take(introduce) == NOTHING


def test_a_false_device_that_does_not_know_the_code_is_told_nothing_of_the_owner() -> None:
    owner, false_device = sides(device=OTHER)
    step = owner.take(sent(false_device.take(owner.hello)))
    assert step.event == "wrong-code"
    assert set(json.loads(sent(step))) == {"type", "session"}


def test_a_card_swapped_after_the_agreement_is_ignored_and_the_right_one_taken() -> None:
    owner, device = sides()
    device.take(sent(owner.take(sent(device.take(owner.hello)))))
    offer = device.offer(OFFER)
    assert owner.take(flipped(offer, "sealed")) == NOTHING
    assert owner.take(changed(offer, sealed=bytes(200))) == NOTHING
    assert owner.take(offer) == Step(OFFER)


def test_an_introduction_swapped_behind_a_right_proof_ends_the_run() -> None:
    owner, device = sides()
    introduce = sent(owner.take(sent(device.take(owner.hello))))
    assert device.take(flipped(introduce, "sealed")).event == "wrong-code"
    assert device.take(introduce) == NOTHING


def test_messages_that_come_twice_change_nothing() -> None:
    owner, device = sides()
    answer = sent(device.take(owner.hello))
    assert device.take(owner.hello) == NOTHING
    introduce = sent(owner.take(answer))
    assert owner.take(answer) == NOTHING
    device.take(introduce)
    assert device.take(introduce) == NOTHING
    offer = device.offer(OFFER)
    owner.take(offer)
    assert owner.take(offer) == NOTHING
    stored = owner.stored()
    device.take(stored)
    assert device.take(stored) == NOTHING


def test_what_an_earlier_pairing_sent_opens_nothing_in_a_later_one_with_the_same_code() -> None:
    owner, device = sides()
    answer = sent(device.take(owner.hello))
    introduce = sent(owner.take(answer))
    device.take(introduce)
    offer = device.offer(OFFER)

    later_owner, later_device = sides()
    assert later_owner.take(answer).event == "taken"
    later_answer = sent(later_device.take(owner.hello))  # the replay uses the code up, no more
    assert later_device.take(introduce).event == "wrong-code"
    session = json.loads(later_owner.hello)["session"]
    assert later_owner.take(changed(later_answer, session=session)).event == "wrong-code"
    assert later_owner.take(changed(offer, session=session)) == NOTHING


def test_a_message_sent_back_to_its_author_opens_nothing() -> None:
    owner, device = sides()
    introduce = sent(owner.take(sent(device.take(owner.hello))))
    device.take(introduce)
    offer = device.offer(OFFER)
    assert device.take(offer) == NOTHING
    assert (
        owner.take(changed(offer, sealed=base64.b64decode(json.loads(introduce)["sealed"])))
        == NOTHING
    )
    fresh, _ = sides()
    reflected = json.loads(fresh.hello)
    assert (
        fresh.take(
            json.dumps(reflected | {"type": "answer", "proof": "A" * 43 + "="}).encode()
        ).event
        == "wrong-code"
    )


def test_two_owners_at_once_the_second_is_told_and_the_first_goes_on() -> None:
    first, device = sides()
    second = OwnerSide(CODE, OLIVE)
    answer = sent(device.take(first.hello))
    assert device.take(second.hello) == NOTHING
    assert second.take(answer) == Step("taken")
    assert device.take(sent(first.take(answer))).event == OLIVE


def test_a_hello_that_is_no_share_costs_no_code() -> None:
    owner, device = sides()
    for share in (bytes(33), b"A" + bytes(32), b"B" + bytes(32), b"A" + b"\xff" * 32, b"A" + b"\1"):
        assert device.take(changed(owner.hello, share=share)) == NOTHING
    assert device.take(b"\xff") == device.take(b"{}") == device.take(b"[" * 40_000) == NOTHING
    assert not device.is_used
    assert device.take(owner.hello).event == "met"


def test_a_share_of_small_order_is_no_share() -> None:
    small = [(1).to_bytes(32, "little"), bytes(32), (2**255 - 20).to_bytes(32, "little")]
    _, device = sides()
    for point in small:
        owner = OwnerSide(CODE, OLIVE)
        assert device.take(changed(owner.hello, share=b"A" + point)) == NOTHING


def test_either_side_may_refuse_and_the_other_hears_why() -> None:
    owner, device = sides()
    device.take(sent(owner.take(sent(device.take(owner.hello)))))
    assert owner.take(device.stored("sixteen owners are enough")) == Step(
        Stored(refusal="sixteen owners are enough")
    )
    owner, device = sides()
    device.take(sent(owner.take(sent(device.take(owner.hello)))))
    owner.take(device.offer(OFFER))
    assert device.take(owner.stored("its name is taken")).event == Stored(
        refusal="its name is taken"
    )


def test_no_side_speaks_before_it_knows_the_other() -> None:
    owner, device = sides()
    with pytest.raises(InternalFault):
        device.offer(OFFER)
    with pytest.raises(InternalFault):
        owner.stored()


def test_a_login_does_not_show_its_password_by_accident() -> None:
    assert "x" * 32 not in repr(OFFER)
    assert messages.decode_inner(messages.encode(OFFER)) == OFFER
