"""The words of status and journal about keyframes and damaged pictures."""

from __future__ import annotations

import logging

import pytest

from agent.camera.health.stream_health import StreamHealth
from agent.camera.source import Packet, Unjudged
from tests.support.clock import SimulatedClock


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def health(clock: SimulatedClock) -> StreamHealth:
    return StreamHealth(clock)


def packet(*, keyframe: bool = False) -> Packet:
    return Packet(b"", keyframe, 0.0, 0.1)


def wait(clock: SimulatedClock, health: StreamHealth, seconds: float) -> list[str]:
    """The texts that were told meanwhile, while packets come."""
    told = [health.waiting]
    for _ in range(round(seconds * 4)):
        clock.advance(0.25)
        health.packet(packet())
        health.tick()
        if health.waiting != told[-1]:
            told.append(health.waiting)
    return told


def test_a_missing_keyframe_is_told_after_ten_seconds_and_then_seldom(
    clock: SimulatedClock, health: StreamHealth, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told = wait(clock, health, 90)
    assert [text.partition(";")[0] for text in told] == [
        "",
        "no keyframe for 10 s",
        "no keyframe for 20 s",
        "no keyframe for 40 s",
        "no keyframe for 80 s",
    ]
    assert all("set a shorter keyframe interval" in text for text in told[1:])
    health.packet(packet(keyframe=True))
    health.tick()
    assert health.waiting == ""
    assert [record.message for record in caplog.records] == [*told[1:], "a keyframe came"]


@pytest.mark.parametrize("gop", [20, 25, 40, 60])
def test_a_long_interval_in_service_is_no_complaint(
    clock: SimulatedClock, health: StreamHealth, gop: int
) -> None:
    for _ in range(3):
        health.packet(packet(keyframe=True))
        assert wait(clock, health, gop) == [""]


def test_a_small_stream_without_keyframes_is_told_as_well(
    clock: SimulatedClock, health: StreamHealth
) -> None:
    health.packet(packet(keyframe=True))
    for _ in range(60):
        clock.advance(0.2)
        health.unjudged(Unjudged(0.0, "keyframe"))
        health.tick()
    assert health.waiting.startswith("no keyframe for 10 s")
    health.judged()
    health.tick()
    assert health.waiting == ""


def test_a_new_connection_waits_anew(clock: SimulatedClock, health: StreamHealth) -> None:
    wait(clock, health, 30)
    health.opened()
    health.tick()
    assert health.waiting == ""
    assert "no keyframe" in wait(clock, health, 11)[-1]


def minutes(clock: SimulatedClock, health: StreamHealth, share: float, count: int) -> None:
    for number in range(count * 60 * 5):
        clock.advance(0.2)
        if number % 100 < share * 100:
            health.unjudged(Unjudged(0.0, "damage"))
        else:
            health.judged()
        health.packet(packet(keyframe=True))
        health.tick()


def test_much_damage_is_told_and_taken_back_once_there_is_little(
    clock: SimulatedClock, health: StreamHealth
) -> None:
    minutes(clock, health, 0.1, 3)
    assert health.damaged == ""
    minutes(clock, health, 0.5, 2)
    assert "camera.source.transport" in health.damaged
    minutes(clock, health, 0.1, 3)
    assert health.damaged, "it is neither much nor little"
    minutes(clock, health, 0.01, 2)
    assert health.damaged == ""
    assert health.waiting == ""
