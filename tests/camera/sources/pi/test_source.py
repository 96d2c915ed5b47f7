"""A Pi's camera, faked where picamera2 begins; the real picamera2 runs in ``tests/pi``."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.source import Frame, Packet
from agent.camera.sources.pi.keyframes import counted_distance, how_to_ask
from agent.camera.zones import PrivacyMask
from agent.errors import CameraFault
from tests.support.clock import SimulatedClock
from tests.support.fake_picamera2 import FakeBoard
from tests.support.pi_board import LEFT_HALF, Open, taken
from tests.support.video import play


@pytest.mark.parametrize("hardware", [False, True])
def test_packets_and_small_pictures_come_out_and_make_a_file(
    board: FakeBoard, make: Open, hardware: bool
) -> None:
    board.hardware_encoder = hardware
    source = make()
    video = source.open()
    assert (video.codec, video.width, video.height) == ("h264", 320, 180)
    board.shoot(44)
    packets, _ = taken(source, 45)
    assert [packet.keyframe for packet in packets] == [n % 15 == 0 for n in range(45)]
    assert packets[0].seconds == pytest.approx(board.stamp_seconds)
    assert np.diff([packet.seconds for packet in packets]) == pytest.approx(1 / 15, abs=1e-4)
    assert {packet.duration_seconds for packet in packets} == {1 / 15}
    sink = io.BytesIO()
    file = FragmentedMp4(sink, video)
    for packet in packets:
        file.add(packet)
    file.close()
    assert play(sink.getvalue()).pictures == 45


@pytest.mark.parametrize(
    ("hardware", "encoder", "iperiod"),
    [(False, "libx264 (software)", 15), (True, "v4l2 h264 (hardware)", 30)],
)
def test_the_board_encodes_where_it_can_and_the_choice_is_logged(
    board: FakeBoard,
    make: Open,
    caplog: pytest.LogCaptureFixture,
    hardware: bool,
    encoder: str,
    iperiod: int,
) -> None:
    board.hardware_encoder = hardware
    source = make()
    with caplog.at_level("INFO"):
        source.open()
    assert source.encoder == encoder
    assert encoder in caplog.text
    assert source.description == "imx219, libcamera v0.0.fake"
    assert board.encoder is not None
    assert board.encoder.options == {
        "bitrate": 1_000_000,
        "repeat": True,
        "iperiod": iperiod,
        "framerate": 15,
    }
    source.close()
    assert (source.encoder, source.description) == ("", "")


def test_a_board_whose_encoder_has_no_device_falls_back_to_software(
    board: FakeBoard, make: Open, tmp_path: Path
) -> None:
    board.hardware_encoder = True
    source = make()
    (tmp_path / "video11").unlink()
    source.open()
    assert source.encoder == "libx264 (software)"


def test_small_pictures_come_as_often_as_asked_with_the_times_of_their_packets(
    board: FakeBoard, make: Open
) -> None:
    source = make(motion_frames_per_second=5)
    source.open()
    board.shoot(29)
    packets, frames = taken(source, 30)
    # The reader was late: of ten small pictures the newest eight are kept.
    assert [frame.seconds for frame in frames] == [p.seconds for p in packets[::3]][2:]


@pytest.mark.parametrize("layout", ["YUV420", "YVU420", "NV12", "NV21"])
@pytest.mark.parametrize("padding", [0, 64])
def test_small_pictures_are_cut_from_padded_rows_of_any_layout(
    board: FakeBoard, make: Open, layout: str, padding: int
) -> None:
    board.stream_format, board.padding = layout, padding
    source = make()
    source.open()
    _, frame = islice(source.read(), 2)
    assert isinstance(frame, Frame)
    assert frame.luma.shape == (180, 320)
    assert frame.chroma is not None
    assert frame.chroma.shape == (2, 90, 160)
    assert {*np.unique(frame.luma), *np.unique(frame.chroma)} == {60}


def test_a_frame_rate_that_falls_at_night_shows_in_times_and_durations(
    board: FakeBoard, make: Open
) -> None:
    source = make(night_frames_per_second=2.0)
    source.open()
    assert board.controls["FrameDurationLimits"] == (66_667, 500_000)
    board.shoot(2)
    board.frame_seconds, board.metadata = 0.5, {"FrameDuration": 500_000}
    board.stamp_seconds += 3 / 15 - 3 * 0.5  # the fourth comes where it was due
    board.shoot(3)
    packets, _ = taken(source, 6)
    times = np.round([packet.seconds - board.stamp_seconds - 1.3 for packet in packets], 3)
    assert list(np.diff(times)) == pytest.approx([1 / 15, 1 / 15, 1 / 15, 0.5, 0.5], abs=0.01)
    assert [packet.duration_seconds for packet in packets] == [*[1 / 15] * 3, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("hardware", [False, True])
def test_a_keyframe_comes_each_second_at_any_rate_of_pictures(
    board: FakeBoard, make: Open, hardware: bool
) -> None:
    board.hardware_encoder = hardware
    source = make(night_frames_per_second=1.0)
    source.open()
    board.shoot(14)
    by_day, _ = taken(source, 15)
    for frame_seconds in (0.2, 0.5, 1.0):
        board.stamp_seconds += board.number * (board.frame_seconds - frame_seconds)
        board.frame_seconds = frame_seconds
        board.shoot(20)
    packets = by_day + taken(source, 60)[0]
    keys = [packet.seconds for packet in packets if packet.keyframe]
    gaps = np.diff([*keys, packets[-1].seconds])
    assert max(gaps) <= 1 + 1e-3
    assert len(keys) <= packets[-1].seconds - packets[0].seconds + 2


def test_where_a_board_cannot_be_asked_the_slowest_rate_counts(
    board: FakeBoard, make: Open, caplog: pytest.LogCaptureFixture
) -> None:
    board.hardware_encoder, board.forces_keyframes = True, False
    source = make(night_frames_per_second=1.0)
    with caplog.at_level("INFO"):
        source.open()
    assert board.encoder is not None
    assert board.encoder.options["iperiod"] == 4
    assert "cannot be asked for keyframes" in caplog.text
    board.shoot(14)
    packets, _ = taken(source, 15)
    assert [packet.keyframe for packet in packets] == [n % 4 == 0 for n in range(15)]


@pytest.mark.parametrize(
    ("rate", "slowest", "distance"), [(15, 15, 15), (15, 5, 15), (15, 2, 8), (30, 1, 4), (5, 1, 4)]
)
def test_counted_keyframes_are_a_second_apart_by_day_and_four_at_night(
    rate: int, slowest: float, distance: int
) -> None:
    assert counted_distance(rate, slowest) == distance


def test_a_picamera2_that_keeps_its_stream_elsewhere_is_left_to_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO"):
        how_to_ask(object(), hardware=False)()
    assert "cannot be asked for keyframes" in caplog.text


def test_stamps_of_a_strange_clock_are_placed_on_ours(board: FakeBoard, make: Open) -> None:
    clock = SimulatedClock(monotonic_seconds=9_000.0)
    source = make(clock=clock)
    board.clock = clock
    source.open()
    board.shoot(29)
    packets, _ = taken(source, 30)
    assert packets[0].seconds == pytest.approx(9_000 + 1 / 15)
    assert packets[-1].seconds == pytest.approx(9_002, abs=0.01)


# What is private


def bright(_number: int, luma: NDArray[np.uint8]) -> None:
    luma[:] = 200


@pytest.mark.parametrize("hardware", [False, True])
def test_a_privacy_zone_is_black_before_anything_sees_it(
    board: FakeBoard, make: Open, hardware: bool
) -> None:
    board.hardware_encoder = hardware
    board.draw = bright
    source = make(zones=(LEFT_HALF,))
    source.open()
    board.shoot(9)
    _, frames = taken(source, 10)
    assert board.encoder is not None
    for luma in board.encoder.seen:
        assert (luma[:, :160] == 16).all()
        assert (luma[:, 170:] == 200).all()
    for frame in frames:
        assert frame.chroma is not None
        assert (frame.luma[:, :160] == 16).all()
        assert (frame.chroma[:, :, :80] == 128).all()
        assert (frame.luma[:, 170:] != 16).all()
        assert (frame.chroma[:, :, 85:] != 128).all()


@pytest.mark.parametrize("hardware", [False, True])
def test_a_zone_that_cannot_be_painted_ends_the_source_before_the_picture_is_encoded(
    board: FakeBoard, make: Open, monkeypatch: pytest.MonkeyPatch, hardware: bool
) -> None:
    board.hardware_encoder = hardware
    source = make(zones=(LEFT_HALF,))
    source.open()
    board.shoot(4)

    def fail(self: PrivacyMask, plane: object, value: int) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(PrivacyMask, "paint", fail)
    board.shoot(3)
    got: list[Packet | Frame] = []
    with pytest.raises(CameraFault, match="privacy zone could not be painted"):
        got.extend(source.read())
    assert sum(isinstance(item, Packet) for item in got) <= 5
    source.close()
    assert board.encoder is not None
    assert len(board.encoder.seen) == 5


def test_a_packet_whose_picture_was_never_announced_ends_the_source(
    board: FakeBoard, make: Open
) -> None:
    source = make(zones=(LEFT_HALF,))
    source.open()
    assert board.encoder is not None
    board.encoder.output.outputframe(b"\0\0\1\x41secret", False, 7_000_000, None, False)
    got: list[Packet | Frame] = []
    with pytest.raises(CameraFault, match="bypassed the privacy zones"):
        got.extend(source.read())
    assert all(b"secret" not in item.data for item in got if isinstance(item, Packet))
