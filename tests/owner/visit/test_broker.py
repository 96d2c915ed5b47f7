"""Clips and pictures that a broker delivers, or keeps from arriving."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.keyfile import Keys
from agent.mqtt import topics
from agent.mqtt.events import Received
from agent.owner.visit import broker
from tests.support.clock import SimulatedClock

SUBJECT, CLIP = "0123456789abcdef", "20240124-183015-3f9a2c"


class Talker:
    """A broker that says the same every second."""

    def __init__(self, clock: SimulatedClock, message: Received) -> None:
        self.clock, self.message, self.said = clock, message, 0

    def receive(self, _seconds: float) -> Received:
        self.clock.advance(1)
        self.said += 1
        assert self.said < 1_000, "it waits for ever"
        return self.message


@pytest.mark.parametrize("clip", ["20240124-183015-aaaaaa", CLIP])
def test_a_broker_that_talks_of_something_else_keeps_nobody_waiting(
    keys: Keys, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message of any kind each half minute held a job of the console for ever."""
    clock = SimulatedClock()
    monkeypatch.setattr(broker, "time", SimpleNamespace(monotonic=clock.monotonic))
    message = Received(topics.preview("front-door", clip, 0), b"x", retained=False, receipt=None)
    talker = Talker(clock, message)
    command = SimpleNamespace(device=SimpleNamespace(name="front-door"), subject=SUBJECT)
    arriving = broker.chunks(cast(Any, talker), cast(Any, command), CLIP, keys)
    if clip == CLIP:
        assert [next(arriving) for _ in range(100)] == [(0, b"x")] * 100
    else:
        assert list(arriving) == []
        assert talker.said <= 31
