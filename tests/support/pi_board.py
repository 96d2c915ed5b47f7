"""A fake board and the source of its camera, for the tests of ``agent.camera.sources.pi``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.camera.source import Frame, Packet
from agent.camera.sources.pi.source import Pi
from agent.camera.zones import PrivacyMask
from agent.clock import Clock
from tests.support.clock import SimulatedClock
from tests.support.fake_picamera2 import OURS, FakeBoard

SETTINGS = {"width": 320, "height": 180, "frames_per_second": 15, "bits_per_second": 1_000_000}
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))

Open = Callable[..., Pi]


class HastyClock(SimulatedClock):
    """Each look at it is seconds later than the one before: nobody waits long."""

    def monotonic(self) -> float:
        self.monotonic_seconds += 4.0
        return self.monotonic_seconds


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    return FakeBoard()


@pytest.fixture
def make(board: FakeBoard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Open]:
    """Make the source, once the test has said what ``board`` is like."""
    made: list[Pi] = []

    def make(
        *,
        clock: Clock | None = None,
        zones: tuple[Any, ...] = (),
        timeout_seconds: float = 10.0,
        loading_seconds: float = 30.0,
        motion_frames_per_second: float = 7.5,
        **settings: Any,
    ) -> Pi:
        board.install(monkeypatch)
        board.clock = SimulatedClock(monotonic_seconds=board.stamp_seconds)
        codec = tmp_path / "video11"
        if board.hardware_encoder:
            codec.touch()
        source = Pi(
            config.PiSource(**(SETTINGS | settings)),
            privacy=PrivacyMask(zones),
            motion_frames_per_second=motion_frames_per_second,
            timeout_seconds=timeout_seconds,
            loading_seconds=loading_seconds,
            clock=clock or board.clock,
            codec_device=codec,
        )
        made.append(source)
        return source

    yield make
    board.released.set()
    for source in made:
        source.close()
    for name in OURS:  # made of fakes
        sys.modules.pop(name, None)


def taken(source: Pi, packets: int) -> tuple[list[Packet], list[Frame]]:
    """Read until there are so many packets."""
    got: list[Packet] = []
    frames: list[Frame] = []
    for item in source.read():
        (got if isinstance(item, Packet) else frames).append(item)  # type: ignore[arg-type]
        if len(got) == packets:
            return got, frames
    raise AssertionError("the source ended")
