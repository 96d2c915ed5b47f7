"""The handover from picamera2's threads to the reader: nothing is lost, reordered or unreported.

The machine plays camera, encoder and reader in any order that threads may fall into.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Frame, Packet
from agent.camera.sources.pi.handover import Handover
from agent.errors import CameraFault
from tests.support.clock import SimulatedClock

PARAMETER_SETS = b"\0\0\0\1\x67s\0\0\0\1\x68p"
KEYFRAME, OTHER = PARAMETER_SETS + b"\0\0\0\1\x65", b"\0\0\0\1\x41"
LUMA = np.zeros((LUMA_HEIGHT, LUMA_WIDTH), np.uint8)
ROOM = 12


class Threads(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = SimulatedClock(monotonic_seconds=700.0)
        self.handover = Handover(clock=self.clock, frame_seconds=0.1, most_packets=ROOM)
        self.at_encoder: list[tuple[int, float]] = []  # stamp in microseconds, seconds
        self.encoded = 0
        self.sent: list[tuple[bytes, float]] = []  # what the reader must get
        self.got: list[Packet] = []
        self.waiting = 0
        self.fault: CameraFault | None = None

    @rule(gap=st.floats(0.02, 3.0), delay=st.floats(0.0, 0.9), small=st.booleans())
    def shoot(self, gap: float, delay: float, small: bool) -> None:
        self.clock.advance(gap)
        stamp = round((self.clock.monotonic() - delay * gap) * 1e9)
        seconds = self.handover.picture(stamp, None)
        self.at_encoder.append((int(stamp / 1000), seconds))
        if small:
            self.handover.frame(Frame(LUMA, seconds))

    @precondition(lambda self: self.at_encoder)
    @rule(rounding=st.integers(-500, 500))
    def encode(self, rounding: int) -> None:
        stamp, seconds = self.at_encoder.pop(0)
        is_key = self.encoded % 5 == 2  # joined in the middle: the first two are of no use
        data = (KEYFRAME if is_key else OTHER) + b"%d" % self.encoded
        self.handover.packet(data, keyframe=is_key, stamp_microseconds=stamp + rounding)
        self.encoded += 1
        if self.encoded <= 2 or self.fault is not None:
            return
        if self.waiting == ROOM:
            self.fault = CameraFault("full")
            return
        self.sent.append((data, seconds))
        self.waiting += 1

    @precondition(lambda self: self.encoded > 2)
    @rule()
    def sneak_by(self) -> None:
        """A picture that the privacy zones never saw."""
        self.handover.packet(OTHER + b"secret", keyframe=False, stamp_microseconds=5)
        self.fault = self.fault or CameraFault("sneaked by")

    @rule()
    def break_down(self) -> None:
        fault = CameraFault("broken")
        self.handover.fail(fault)
        self.fault = self.fault or fault

    @rule()
    def read(self) -> None:
        try:
            items = self.handover.take(0)
        except CameraFault:
            assert self.fault is not None
            assert self.waiting == 0
            return
        times = [item.seconds for item in items]
        assert times == sorted(times)
        self.got += [item for item in items if isinstance(item, Packet)]
        self.waiting = 0

    @invariant()
    def every_packet_until_the_fault_comes_out_once_with_the_time_of_its_picture(self) -> None:
        got = [(packet.data, packet.seconds) for packet in self.got]
        assert got == self.sent[: len(got)]
        assert len(self.sent) - len(got) == self.waiting

    @invariant()
    def what_a_decoder_must_know_is_there_with_the_first_keyframe(self) -> None:
        if self.fault is None:
            wanted = PARAMETER_SETS if self.encoded > 2 else b""
            known = self.handover.wait_for_parameter_sets(0)
            assert known.startswith(wanted)
            assert bool(known) == bool(wanted)


TestThreads = Threads.TestCase
TestThreads.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def handover() -> Handover:
    return Handover(clock=SimulatedClock(), frame_seconds=0.1, most_packets=ROOM)


def test_a_fault_wakes_a_reader_that_waits(handover: Handover) -> None:
    threading.Timer(0.05, handover.fail, [CameraFault("gone")]).start()
    with pytest.raises(CameraFault, match="gone"):
        handover.wait_for_parameter_sets(30)
    with pytest.raises(CameraFault, match="gone"):
        handover.take(30)


def test_the_first_fault_counts(handover: Handover) -> None:
    handover.fail(CameraFault("cause"))
    handover.fail(CameraFault("consequence"))
    with pytest.raises(CameraFault, match="cause"):
        handover.take(0)


def test_nothing_comes_after_its_end(handover: Handover) -> None:
    stamp = handover.picture(1_000_000_000, None)
    handover.end()
    handover.packet(KEYFRAME, keyframe=True, stamp_microseconds=1_000_000)
    handover.frame(Frame(LUMA, stamp))
    assert handover.take(0) == []


def test_of_small_pictures_the_newest_are_kept(handover: Handover) -> None:
    for number in range(20):
        handover.frame(Frame(LUMA, float(number)))
    assert [item.seconds for item in handover.take(0)] == list(range(12, 20))
