"""The meeting on a real broker: who hears whom, what is ignored, and when the wait is over."""

from __future__ import annotations

import itertools

import pytest

from agent.config import Broker
from agent.errors import NetworkFault
from agent.mqtt import topics
from agent.mqtt.link import Settings, connect_broker
from agent.mqtt.session import Session
from agent.pairing.code import PairingCode
from agent.pairing.meeting import Meeting
from agent.pairing.messages import Introduction
from agent.pairing.sides import DeviceSide, OwnerSide
from tests.peers.mosquitto import Mosquitto

CODE = PairingCode.parse("417-062-913")
OLIVE = Introduction(card="name: Olive\n", computer="ab" * 8)


def login(broker: Mosquitto) -> Settings:
    return Settings(client_id="", host=broker.host, port=broker.port)


def test_both_sides_meet_on_the_channel_of_their_code(mosquitto: Mosquitto) -> None:
    owner, device = OwnerSide(CODE, OLIVE), DeviceSide(CODE)
    with (
        Meeting("device", CODE, login(mosquitto)) as there,
        Meeting("owner", CODE, login(mosquitto)) as here,
    ):
        here.say(owner.hello)
        assert there.wait_for_event(device, seconds=60) == "met"
        assert here.wait_for_event(owner, seconds=60) == "met"
        assert there.wait_for_event(device, seconds=60) == OLIVE


def test_a_hello_that_somebody_left_at_the_broker_uses_no_code_up(mosquitto: Mosquitto) -> None:
    device, left, now = DeviceSide(CODE), OwnerSide(CODE, OLIVE), OwnerSide(CODE, OLIVE)
    broker = Broker(host=mosquitto.host, port=mosquitto.port)
    link = connect_broker(broker, client_id="stranger", subscriptions=[], clean_session=True)
    with Session(link) as stranger:
        stranger.publish(topics.pairing("417", "device"), left.hello, retained=True)
    with (
        Meeting("device", CODE, login(mosquitto)) as there,
        Meeting("owner", CODE, login(mosquitto)) as here,
    ):
        here.say(now.hello)
        assert there.wait_for_event(device, seconds=60) == "met"
        assert here.wait_for_event(now, seconds=60) == "met", "the answer was to this one"


def test_the_wait_ends_with_the_time_of_the_code(mosquitto: Mosquitto) -> None:
    seconds = itertools.count(0, 400)
    with Meeting("device", CODE, login(mosquitto)) as there:
        side = DeviceSide(CODE)
        event = there.wait_for_event(side, seconds=600, now=lambda: float(next(seconds)))
    assert event is None
    assert next(seconds) > 600


def test_a_broker_that_ends_is_a_fault_and_no_silence(mosquitto: Mosquitto) -> None:
    with Meeting("device", CODE, login(mosquitto)) as there:
        mosquitto.kill()
        with pytest.raises(NetworkFault):
            there.wait_for_event(DeviceSide(CODE), seconds=60)
