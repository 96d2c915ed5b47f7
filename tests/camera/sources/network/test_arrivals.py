"""The times that a live track's packets declare, and the ones that are believed."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.camera.source import Packet
from agent.camera.sources.network.arrivals import Placed, live
from agent.camera.sources.network.backlog import Backlog
from agent.camera.sources.network.format_watch import FormatWatch
from agent.camera.sources.network.packets import recorded
from agent.camera.sources.network.track import Track
from agent.errors import CameraFault
from tests.support.clock import SimulatedClock
from tests.support.video import Video, make

INT_LIMITS = [2**63 - 1, -(2**63) + 1, 2**62, -(2**62)]
TICKS = st.one_of(st.integers(-(10**9), 10**9), st.sampled_from(INT_LIMITS))
BASE = Fraction(1, 90_000)


@dataclass
class FakeBacklog:
    """A socket of which the test says if it holds data."""

    answer: bool | None = False

    def waits(self) -> bool | None:
        return self.answer


@dataclass
class FakeTrack:
    """A camera's packets: each with the seconds until it comes, and if the reader waits for it."""

    video: Video
    clock: SimulatedClock
    sent: Sequence[tuple[av.Packet[Any], float, bool | None]]
    timeout_seconds: float = 20.0
    name: str = "cam"
    backlog: FakeBacklog = field(default_factory=FakeBacklog)

    def __post_init__(self) -> None:
        self.format = self.video.format
        self.watch = FormatWatch(self.format)

    def packets(self) -> Iterator[av.Packet[Any]]:
        for number, (packet, wait, _) in enumerate(self.sent):
            self.clock.advance(wait)
            if number + 1 < len(self.sent):
                fresh = self.sent[number + 1][2]
                self.backlog.answer = None if fresh is None else not fresh
            yield packet

    def silence(self) -> CameraFault:
        return CameraFault("silent")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return make(tmp_path_factory.mktemp("video"), seconds=1)


def packet_of(video: Video, number: int, **stamps: int | None) -> av.Packet[Any]:
    one = video.packets[number % len(video.packets)]
    packet: av.Packet[Any] = av.Packet(one.data)
    packet.is_keyframe = one.keyframe
    packet.time_base = BASE
    for name, ticks in stamps.items():
        setattr(packet, name, ticks)
    return packet


def place(track: FakeTrack) -> list[Placed]:
    return list(live(cast("Track", track), track.clock))


def record(track: FakeTrack) -> list[Packet]:
    placed = live(cast("Track", track), track.clock)
    items = recorded(cast("Track", track), placed, frames_per_second=None)
    return [item for item in items if isinstance(item, Packet)]


def steady(
    video: Video, *, rate: float = 1.0, count: int = 120, piled_up: int = 0, **same: int | None
) -> list[tuple[av.Packet[Any], float, bool | None]]:
    """Fifteen pictures a second, of a camera whose clock runs at ``rate``."""
    return [
        (
            packet_of(video, n, **{"pts": round(n / 15 * rate * 90_000), **same}),
            1 / 15 if n > piled_up else 0.0,
            n > piled_up,
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("rate", [0.3, 1.0, 2.5])
def test_packets_that_piled_up_are_dated_before_the_first_that_was_waited_for(
    video: Video, rate: float
) -> None:
    clock = SimulatedClock()
    joined = clock.monotonic()
    placed = place(FakeTrack(video, clock, steady(video, rate=rate, piled_up=30)))
    truth = [joined + (number - 30) / 15 for number in range(120)]
    assert [one.seconds for one in placed] == pytest.approx(truth, abs=0.1)
    assert placed[-1].pace == pytest.approx(1 / rate, rel=0.01)
    assert placed[-1].step_seconds == pytest.approx(1 / 15, rel=0.02)


def test_packets_of_a_stream_that_breaks_off_at_once_are_not_lost(video: Video) -> None:
    clock = SimulatedClock()
    assert len(place(FakeTrack(video, clock, steady(video, count=5)))) == 5
    assert place(FakeTrack(video, clock, [])) == []


def test_a_reader_that_finds_packets_waiting_is_told_for_how_long(video: Video) -> None:
    sent = steady(video, count=100)
    sent[60:90] = [(packet, 0.2, False) for packet, _, _ in sent[60:90]]
    placed = place(FakeTrack(video, SimulatedClock(), sent))
    assert placed[58].behind_seconds == 0
    assert placed[89].behind_seconds == pytest.approx(30 * 0.2 - 2, abs=0.3)
    assert placed[95].behind_seconds == 0
    ahead = placed[89].seconds - placed[59].seconds
    assert ahead == pytest.approx(2, abs=0.1), "the time of capture, not of reading"


def test_where_the_backlog_is_unknown_a_packet_that_took_time_was_waited_for(
    video: Video,
) -> None:
    sent = [(packet, wait, None) for packet, wait, _ in steady(video, rate=0.5)]
    placed = place(FakeTrack(video, SimulatedClock(), sent, backlog=FakeBacklog(None)))
    assert placed[-1].pace == pytest.approx(2, rel=0.01)


def test_a_silent_camera_is_a_fault_after_its_last_packet(video: Video) -> None:
    sent = steady(video)
    sent[100] = (sent[100][0], 21.0, True)
    with pytest.raises(CameraFault, match="silent"):
        place(FakeTrack(video, SimulatedClock(), sent))


# Bounds


@pytest.mark.parametrize(
    "said",
    [
        {"duration": 9_000_000},
        {"duration": 2**62},
        {"duration": -5},
        {"duration": 0},
        {"dts": 0},
        {"dts": None, "pts": None},
        {"time_base": None},
        {"time_base": Fraction(2**31 - 1, 1)},
        {"time_base": Fraction(1, 2**31 - 1)},
    ],
)
def test_lengths_are_bounded_by_what_arrives(video: Video, said: dict[str, Any]) -> None:
    sent = steady(video)
    for packet, _, _ in sent:
        for name, value in said.items():
            if value is not None or name != "time_base":
                setattr(packet, name, value)
    if said.get("time_base", 0) is None:
        sent = [(av.Packet(bytes(packet)), wait, fresh) for packet, wait, fresh in sent]
    packets = record(FakeTrack(video, SimulatedClock(), sent))
    assert packets[-1].seconds - packets[0].seconds == pytest.approx(119 / 15, abs=0.3)
    assert packets[-1].duration_seconds == pytest.approx(1 / 15, rel=0.1)
    assert all(packet.delay_seconds <= 2 for packet in packets)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(TICKS, TICKS, st.integers(0, 2**62), st.floats(0, 3)), min_size=1, max_size=40
    )
)
def test_nothing_that_a_camera_stamps_is_longer_than_it_took(
    video: Video, stamps: list[tuple[int, int, int, float]]
) -> None:
    clock = SimulatedClock()
    began = clock.monotonic()
    sent: list[tuple[av.Packet[Any], float, bool | None]] = [
        (packet_of(video, n, pts=pts, dts=dts, duration=duration), wait, wait > 0)
        for n, (pts, dts, duration, wait) in enumerate(stamps)
    ]
    packets = record(FakeTrack(video, clock, sent))
    assert len(packets) == len(stamps)
    assert all(after.seconds > before.seconds for before, after in pairwise(packets))
    assert packets[-1].seconds <= clock.monotonic() + 0.2 + len(stamps) * 0.001
    assert packets[0].seconds >= began - 10 * 4 * len(stamps)
    assert all(0 < packet.duration_seconds <= 10 for packet in packets)
    assert all(0 <= packet.delay_seconds <= 2 for packet in packets)


# Packets that gather


def gather(track: FakeTrack) -> list[tuple[Placed, float]]:
    """Each placed packet, and when it was handed on."""
    placed = live(cast("Track", track), track.clock, gather_seconds=0.25)
    return [(one, track.clock.monotonic()) for one in placed]


def test_packets_that_gather_are_placed_as_if_each_came_alone(video: Video) -> None:
    alone = place(FakeTrack(video, SimulatedClock(), steady(video)))
    together = gather(FakeTrack(video, SimulatedClock(), steady(video)))
    assert [one.seconds for one, _ in together] == pytest.approx([one.seconds for one in alone])
    late = [at - one.seconds for one, at in together[60:]]
    assert 0.2 < max(late) < 0.4, "they wait for a quarter of a second, and no longer"


def test_packets_that_gathered_come_before_the_fault_that_ends_their_stream(video: Video) -> None:
    clock = SimulatedClock()
    sent = steady(video, count=100)
    sent[-1] = (sent[-1][0], 30.0, True)  # the last one of a camera that fell silent
    packets = []
    with pytest.raises(CameraFault):
        for one in live(cast("Track", FakeTrack(video, clock, sent)), clock, gather_seconds=0.25):
            packets.append(one)
    assert len(packets) == 100


# The kernel's buffer


def test_a_backlog_sees_the_bytes_that_wait_in_sockets_opened_since(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        before = socket.create_connection(server.getsockname())
        other, _ = server.accept()
        backlog = Backlog()
        assert backlog.waits() is None
        (tmp_path / "file").touch()
        with (
            (tmp_path / "file").open(),
            socket.create_connection(server.getsockname()) as ours,
        ):
            backlog.opened()
            camera, _ = server.accept()
            other.sendall(b"for another")
            assert backlog.waits() is False
            camera.sendall(b"x")
            ours.recv(1, socket.MSG_PEEK)  # it is there
            assert backlog.waits() is True
            ours.recv(1)
            assert backlog.waits() is False
        backlog.close()
        assert backlog.waits() is None
        assert camera.recv(1) == b"", "nothing keeps the connection"
        for one in (before, other, camera):
            one.close()


def test_a_stream_without_sockets_has_no_known_backlog() -> None:
    backlog = Backlog()
    backlog.opened()
    assert backlog.waits() is None
