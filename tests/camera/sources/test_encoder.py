"""The choice of an encoder, and the same demands on each.

No board's encoder is here: :class:`FakeBoard` stands at PyAV's codec context, and encodes
with x264 while it behaves as V4L2's encoders do.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from typing import Any

import av
import av.error
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.source import Packet
from agent.camera.sources.encoder import (
    HARDWARE,
    SOFTWARE,
    Encoder,
    Settings,
    open_encoder,
)
from agent.camera.sources.luma import rows_of
from agent.errors import CameraFault
from tests.camera.recording.test_muxer import Paper
from tests.support.video import draw, nal_units, play

SIZE = (320, 180)
RATE = 15


def real(name: str) -> VideoCodecContext:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    return context


class FakeBoard:
    """h264_v4l2m2m: tells nothing when it opens, holds ``delay`` pictures back, and sends
    parameter sets once, before its first picture: with it, or ``apart`` in a packet of
    their own. ``drops`` names pictures that never come out.
    """

    def __init__(
        self,
        *,
        delay: int = 2,
        apart: bool = False,
        drops: tuple[int, ...] = (),
        refuses: str = "",
        fails_after: int | None = None,
    ) -> None:
        self.width = self.height = self.bit_rate = self.gop_size = 0
        self.pix_fmt = ""
        self.time_base = self.framerate = None
        self.extradata = None
        self.wanted_keyframes: list[int] = []
        self._delay = delay
        self._apart = apart
        self._drops = drops
        self._refuses = refuses
        self._fails_after = fails_after
        self._number = -1
        self._sent_sets = False
        self._inside: deque[Any] = deque()

    def open(self) -> None:
        if self._refuses == "open":
            raise av.error.FFmpegError(22, "Could not find a valid device")
        self._codec = real(SOFTWARE)
        for name in ("width", "height", "pix_fmt", "time_base", "framerate", "bit_rate"):
            setattr(self._codec, name, getattr(self, name))
        self._codec.gop_size = 1000
        self._codec.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
        self._codec.open()

    def encode(self, picture: av.VideoFrame) -> list[av.Packet[Any]]:
        self._number += 1
        if self._refuses == "encode" or self._number == self._fails_after:
            raise av.error.FFmpegError(5, "Input/output error")
        if self._refuses == "silence":
            return []
        if picture.pict_type == av.video.frame.PictureType.I:
            self.wanted_keyframes.append(self._number)
        self._inside.extend(self._coded(packet) for packet in self._codec.encode(picture))
        if self._number in self._drops:
            self._inside.pop()
        if len(self._inside) <= self._delay:
            return []
        return list(self._inside.popleft())

    def _coded(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        units = [b"\0\0\0\1" + unit for unit in nal_units(bytes(packet), start_codes=True)]
        sets = [unit for unit in units if unit[4] & 31 in (7, 8)]
        rest = [unit for unit in units if unit[4] & 31 in (1, 5)]
        parts = [b"".join(rest)]
        if not self._sent_sets:
            parts = [b"".join(sets), *parts] if self._apart else [b"".join(sets + rest)]
        self._sent_sets = True
        made = []
        for part in parts:
            made.append(av.Packet(part))
            made[-1].pts = packet.pts
        return made


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "width": SIZE[0],
        "height": SIZE[1],
        "frames_per_second": RATE,
        "crf": 23,
        "preset": "ultrafast",
        "bits_per_second": 1_000_000,
        **changes,
    }
    return Settings(**values)


def with_board(boards: list[FakeBoard]) -> Any:
    waiting = iter(boards)
    return lambda name: next(waiting) if name == HARDWARE else real(name)


def fed(encoder: Encoder, moments: list[float]) -> list[Packet]:
    packets: list[Packet] = []
    for number, moment in enumerate(moments):
        packets += encoder.encode(draw(number, *SIZE), moment)
    return packets


def steady(count: int, *, start: float = 1000.0, rate: float = RATE) -> list[float]:
    return [start + number / rate for number in range(count)]


def recording(encoder: Encoder, packets: list[Packet]) -> bytes:
    paper = Paper()
    mp4 = FragmentedMp4(paper, encoder.format)
    for packet in packets:
        mp4.add(packet)
    mp4.close()
    return bytes(paper.data)


def test_the_encoder_of_this_machine_works() -> None:
    encoder = open_encoder(settings())
    packets = fed(encoder, steady(60))
    assert play(recording(encoder, packets)).pictures == len(packets) >= 50


def test_a_board_s_encoder_is_preferred_and_said_to_be_hardware(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    encoder = open_encoder(settings(), create=with_board([FakeBoard(), FakeBoard()]))
    assert encoder.description == "h264_v4l2m2m (hardware)"
    assert "encoding with h264_v4l2m2m (hardware)" in caplog.text


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("delay", [0, 3])
def test_parameter_sets_that_come_late_are_in_the_format_and_the_recording_plays(
    delay: int, apart: bool
) -> None:
    boards = [FakeBoard(delay=delay, apart=apart) for _ in range(2)]
    encoder = open_encoder(settings(), create=with_board(boards))
    kinds = [unit[0] & 31 for unit in nal_units(encoder.format.extradata, start_codes=True)]
    assert kinds == [7, 8]
    moments = steady(60)
    packets = fed(encoder, moments)
    assert [packet.seconds for packet in packets] == moments[: 60 - delay]
    assert boards[1].wanted_keyframes == [0, 15, 30, 45]
    assert [n for n, packet in enumerate(packets) if packet.keyframe] == [0, 15, 30, 45]
    played = play(recording(encoder, packets))
    assert played.pictures == len(packets) == 60 - delay
    # A clip may begin at any keyframe, long after the parameter sets went by.
    assert play(recording(encoder, packets[30:])).pictures == 30 - delay


def test_a_picture_that_the_board_drops_does_not_shift_the_others() -> None:
    boards = [FakeBoard(), FakeBoard(drops=(7, 8, 21))]
    moments = steady(40)
    packets = fed(open_encoder(settings(), create=with_board(boards)), moments)
    kept = [moment for number, moment in enumerate(moments) if number not in (7, 8, 21)]
    assert [packet.seconds for packet in packets] == kept[: len(packets)]
    assert len(packets) == 35


@pytest.mark.parametrize(
    ("board", "reason"),
    [
        (FakeBoard(refuses="open"), "Could not find a valid device"),
        (FakeBoard(refuses="encode"), "Input/output error"),
        (FakeBoard(refuses="silence"), "it gave nothing that can be played"),
    ],
)
def test_a_board_encoder_that_fails_is_replaced_by_software_and_logged(
    board: FakeBoard, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    encoder = open_encoder(settings(), create=with_board([board]))
    assert encoder.description == "libx264 (software)"
    assert f"no h264_v4l2m2m here ({reason})" in caplog.text
    assert len(fed(encoder, steady(5))) == 5


@pytest.mark.parametrize("width", [352, 424, 800, 864])
def test_a_board_is_not_given_rows_that_it_would_skew(
    width: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    encoder = open_encoder(settings(width=width), create=with_board([]))
    assert encoder.description == "libx264 (software)"
    assert "the width is no multiple of 64" in caplog.text


@pytest.mark.parametrize("width", [320, 640, 1280, 1920])
def test_rows_that_a_board_takes_as_they_are_lie_without_a_gap_in_every_plane(width: int) -> None:
    boards = [FakeBoard(), FakeBoard()]
    encoder = open_encoder(settings(width=width), create=with_board(boards))
    assert encoder.description == "h264_v4l2m2m (hardware)"
    planes = av.VideoFrame(width, SIZE[1], "yuv420p").planes
    assert [plane.line_size for plane in planes] == [width, width // 2, width // 2]


def test_without_a_limit_it_is_always_software() -> None:
    encoder = open_encoder(settings(bits_per_second=None), create=with_board([]))
    assert encoder.description == "libx264 (software)"


def test_without_any_encoder_the_advice_is_to_install_one() -> None:
    def create(name: str) -> VideoCodecContext:
        return real(f"{name}_that_nobody_has")

    with pytest.raises(CameraFault, match=r"no H\.264 encoder here .*Install PyAV's own wheel"):
        open_encoder(settings(), create=create)


def test_an_encoder_that_fails_later_is_a_fault() -> None:
    boards = [FakeBoard(), FakeBoard(fails_after=20)]
    encoder = open_encoder(settings(), create=with_board(boards))
    with pytest.raises(CameraFault, match=r"h264_v4l2m2m \(hardware\) failed \(Input/output"):
        fed(encoder, steady(30))


@pytest.mark.parametrize("rate", [4, 7.5, 15, 30])
def test_a_keyframe_comes_each_second_at_any_rate(rate: float) -> None:
    encoder = open_encoder(settings(), create=lambda _: real(SOFTWARE))
    packets = fed(encoder, steady(round(6 * rate), rate=rate))
    keys = [packet.seconds for packet in packets if packet.keyframe]
    assert keys[0] == 1000
    gaps = [b - a for a, b in itertools.pairwise([*keys, 1006])]
    assert all(0.9 < gap < 1 + 1 / rate for gap in gaps[:-1])
    assert gaps[-1] < 1 + 1 / rate


def test_a_gap_is_followed_by_a_keyframe_and_no_picture_claims_to_fill_it() -> None:
    encoder = open_encoder(settings(bits_per_second=None))
    packets = fed(encoder, [*steady(20), *steady(20, start=1060)])
    assert packets[20].keyframe
    assert max(packet.duration_seconds for packet in packets) <= 1


def test_every_picture_comes_out_at_once_with_its_own_time() -> None:
    encoder = open_encoder(settings(bits_per_second=None))
    for number, moment in enumerate(steady(40)):
        (packet,) = encoder.encode(draw(number, *SIZE), moment)
        assert packet.seconds == moment
        assert packet.delay_seconds == 0


def test_durations_follow_the_real_distance() -> None:
    encoder = open_encoder(settings(bits_per_second=None))
    moments = [*steady(15), *steady(15, start=1001, rate=7.5)]
    packets = fed(encoder, moments)
    distances = [b - a for a, b in itertools.pairwise(moments)]
    assert [packet.duration_seconds for packet in packets[1:]] == pytest.approx(distances)
    assert packets[0].duration_seconds == pytest.approx(1 / RATE)


def test_no_second_takes_more_than_the_limit_and_a_still_one_takes_far_less() -> None:
    random = np.random.default_rng(3)
    sizes = []
    for amplitude in (90, 0):
        encoder = open_encoder(
            settings(bits_per_second=400_000, preset="superfast", crf=23),
            create=lambda _: real(SOFTWARE),
        )
        packets: list[Packet] = []
        for moment in steady(10 * RATE):
            picture = av.VideoFrame(*SIZE, "yuv420p")
            for plane in picture.planes:
                rows = rows_of(plane)
                rows[:] = 120 + random.integers(-amplitude, amplitude + 1, rows.shape)
            packets += encoder.encode(picture, moment)
        sizes.append(sum(len(packet.data) for packet in packets) * 8 / 10)
    assert sizes[0] <= 1.15 * 400_000
    assert sizes[1] <= 0.1 * 400_000
