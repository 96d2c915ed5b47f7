"""One look at a camera: its description or its fault, in bounded time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from agent.camera.health.stall import StallDetector
from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Frame, Interruption, Item, VideoFormat
from agent.camera.sources.probe import look
from agent.errors import CameraFault, InternalFault
from tests.support.clock import SimulatedClock

VIDEO = VideoFormat("hevc", 1920, 1080, b"")
FRAME = Frame(np.zeros((LUMA_HEIGHT, LUMA_WIDTH), np.uint8), 1.0)
PATIENCE = 60.0


class FakeSource:
    """Gives ``items``; hangs in the step called ``hangs`` until the test lets go."""

    def __init__(self, *items: Item, hangs: str = "") -> None:
        self._items, self._hangs = items, hangs
        self.description = ""
        self.encoder = ""
        self.stuck = threading.Event()
        self.let_go = threading.Event()
        self.closed = threading.Event()

    def open(self) -> VideoFormat:
        self._maybe_hang("open")
        return VIDEO

    def read(self) -> Iterator[Item]:
        yield from self._items
        self._maybe_hang("read")

    def close(self) -> None:
        self._maybe_hang("close")
        self.closed.set()

    def _maybe_hang(self, where: str) -> None:
        if where == self._hangs:
            self.stuck.set()
            self.let_go.wait(PATIENCE)


def looked(source: FakeSource) -> str:
    clock = SimulatedClock()
    stall = StallDetector(no_frame_seconds=10, clock=clock)

    def wait() -> None:
        """Let time pass once the camera hangs; before that, the machine may just be busy."""
        if source.stuck.is_set():
            clock.advance(15)

    try:
        return str(look(source, stall=stall, each_wait=wait))
    finally:
        source.let_go.set()
        assert source.closed.wait(PATIENCE)


def test_a_camera_in_order_is_described_and_let_go() -> None:
    assert looked(FakeSource(FRAME)) == "hevc, 1920x1080"


def test_a_source_that_knows_its_camera_and_encoder_says_so() -> None:
    source = FakeSource(FRAME)
    source.description = "imx708"
    source.encoder = "h264_v4l2m2m (hardware)"
    assert looked(source) == "imx708: hevc, 1920x1080, h264_v4l2m2m (hardware)"


@pytest.mark.parametrize("step", ["open", "read"])
def test_a_camera_that_hangs_does_not_hang_the_look(step: str) -> None:
    with pytest.raises(CameraFault, match="gave no packet for"):
        looked(FakeSource(hangs=step))


def test_a_camera_that_hangs_while_it_is_closed_was_still_seen() -> None:
    assert looked(FakeSource(FRAME, hangs="close")) == "hevc, 1920x1080"


def test_the_fault_of_a_lost_camera_is_raised_at_once() -> None:
    gone = CameraFault("the camera hung up", advice="Look at its cable")
    with pytest.raises(CameraFault, match="hung up"):
        looked(FakeSource(Interruption(gone, 60)))


def test_a_camera_without_pictures_is_none() -> None:
    with pytest.raises(CameraFault, match="gives no picture"):
        looked(FakeSource())


def test_a_source_that_breaks_is_one_sentence() -> None:
    source = FakeSource()
    source.open = lambda: 1 // 0  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(InternalFault, match="broke off with ZeroDivisionError"):
        looked(source)
