"""A reader that is too slow to decode its stream: packets are all taken, pictures left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

import av
import pytest

from agent.camera.source import Frame, Packet, Unjudged
from agent.camera.sources.network.arrivals import live
from agent.camera.sources.network.format_watch import FormatWatch
from agent.camera.sources.network.packets import recorded, watched
from agent.camera.sources.network.track import Decoded, Track
from tests.support.clock import SimulatedClock
from tests.support.video import FRAMES_PER_SECOND, Video, make

STEP = 1 / FRAMES_PER_SECOND


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return make(tmp_path_factory.mktemp("video"), seconds=2)


@dataclass
class Board:
    """A camera that sends by its own clock, and a decoder that takes ``cost`` seconds a picture.

    What is not read waits in the kernel, which ``waits`` tells.
    """

    video: Video
    seconds: float
    cost: float
    stops: tuple[float, float] = (0.0, 0.0)  # seconds in which the network stands still
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    timeout_seconds: float = 20.0
    next_at: float = 0.0

    def __post_init__(self) -> None:
        self.format = self.video.format
        self.codec_name = self.format.codec
        self.extradata = self.format.extradata
        self.watch = FormatWatch(self.format)
        self.backlog = self
        self.began = self.clock.monotonic()
        self._decoder = av.CodecContext.create(self.format.codec, "r")
        self._decoder.extradata = self.format.extradata

    def waits(self) -> bool:
        return self.clock.monotonic() >= self.next_at

    def packets(self) -> Iterator[av.Packet[Any]]:
        for number in range(round(self.seconds / STEP)):
            self.clock.advance(max(self.next_at - self.clock.monotonic(), 0.0))
            one = self.video.packets[number % len(self.video.packets)]
            packet: av.Packet[Any] = av.Packet(one.data)
            packet.is_keyframe = one.keyframe
            packet.time_base = Fraction(1, 90_000)
            packet.pts = packet.dts = round(number * STEP * 90_000)
            begin, end = self.stops
            arrives = (number + 1) * STEP
            self.next_at = self.began + (end if begin <= arrives < end else arrives)
            yield packet

    def decode(self, packet: av.Packet[Any], *, wanted: bool) -> Decoded:
        self.clock.advance(self.cost)
        return Decoded(self._decoder.decode(packet), error=False)


def run(board: Board) -> tuple[list[Packet], list[Frame], list[Unjudged], list[float]]:
    """All items, and how far each frame was behind when it came out."""
    track = cast("Track", board)
    items = recorded(track, live(track, board.clock), frames_per_second=5)
    packets, frames, left_out, behind = [], [], [], []
    for item in items:
        if isinstance(item, Packet):
            packets.append(item)
        elif isinstance(item, Frame):
            frames.append(item)
            behind.append(board.clock.monotonic() - item.seconds)
        elif isinstance(item, Unjudged):
            left_out.append(item)
    return packets, frames, left_out, behind


@pytest.mark.parametrize("cost", [0.001, 0.02, 0.04])
def test_a_reader_that_keeps_up_leaves_nothing_out(video: Video, cost: float) -> None:
    packets, frames, left_out, behind = run(Board(video, seconds=40, cost=cost))
    assert len(packets) == 600
    assert left_out == []
    assert len(frames) == pytest.approx(200, abs=3)
    assert max(behind[20:]) <= 0.6


@pytest.mark.parametrize("cost", [0.08, 0.15, 0.3, 0.6])
def test_a_reader_that_is_too_slow_copies_all_and_judges_within_two_seconds(
    video: Video, cost: float
) -> None:
    board = Board(video, seconds=90, cost=cost)
    packets, frames, left_out, behind = run(board)
    assert len(packets) == 1350
    truth = [board.began + number * STEP for number in range(1350)]
    assert [packet.seconds for packet in packets] == pytest.approx(truth, abs=0.3)
    assert max(behind[10:]) <= 2.0
    assert {one.reason for one in left_out} == {"overload"}
    assert len(frames) + len(left_out) == pytest.approx(450, abs=30)
    assert len(frames) >= 10, "it never stops looking"


def test_a_network_that_stood_still_leaves_nothing_out(video: Video) -> None:
    board = Board(video, seconds=60, cost=0.005, stops=(30.0, 36.0))
    _, frames, left_out, _ = run(board)
    assert left_out == []
    assert len(frames) == pytest.approx(300, abs=3)


def test_a_small_stream_is_left_out_too(video: Video) -> None:
    board = Board(video, seconds=60, cost=0.1)
    track = cast("Track", board)
    items = [*watched(track, live(track, board.clock), frames_per_second=5)]
    assert any(isinstance(item, Unjudged) for item in items)
    assert any(isinstance(item, Frame) for item in items[-100:])
