"""A Pi's camera, faked where picamera2 begins; the real picamera2 runs in ``tests/pi``."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent import config
from agent.camera.muxer import FragmentedMp4
from agent.camera.silence import opening_seconds
from agent.camera.source import Frame, Packet
from agent.camera.sources import pi as pi_module
from agent.camera.sources.choice import choose_source
from agent.camera.sources.pi import Pi
from agent.camera.sources.pi_keyframes import counted_distance, how_to_ask
from agent.camera.zones import PrivacyMask
from agent.clock import Clock, SimulatedClock
from agent.errors import CameraFault
from tests.support.fake_picamera2 import AUTOFOCUS, OURS, FakeBoard
from tests.support.video import play

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
def test_the_board_encodes_where_it_can_and_the_choice_is_said(
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
def test_a_keyframe_comes_each_second_however_slow_the_pictures_become(
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
    with pytest.raises(CameraFault, match="did not pass by the privacy zones"):
        got.extend(source.read())
    assert all(b"secret" not in item.data for item in got if isinstance(item, Packet))


# What the owner asks for


@pytest.mark.parametrize(
    ("rotation", "flip", "hflip", "vflip"),
    [
        (0, "none", 0, 0),
        (0, "horizontal", 1, 0),
        (0, "vertical", 0, 1),
        (180, "none", 1, 1),
        (180, "horizontal", 0, 1),
        (180, "vertical", 1, 0),
    ],
)
def test_the_picture_is_turned_and_then_mirrored(
    board: FakeBoard, make: Open, rotation: int, flip: str, hflip: int, vflip: int
) -> None:
    make(rotation=rotation, flip=flip).open()
    assert board.camera is not None
    transform = board.camera.configuration["transform"]
    assert (transform.hflip, transform.vflip) == (hflip, vflip)


def test_little_memory_is_asked_for(board: FakeBoard, make: Open) -> None:
    make().open()
    assert board.camera is not None
    asked = board.camera.configuration
    assert asked["buffer_count"] == 4
    assert asked["raw"] is None
    assert board.calls.count("configure") == 1


def test_controls_follow_the_configuration(board: FakeBoard, make: Open) -> None:
    board.offered |= AUTOFOCUS
    make(exposure="short", exposure_compensation=-1.5, focus_dioptres=0.2).open()
    assert board.controls == {
        "FrameDurationLimits": (66_667, 66_667),
        "AeExposureMode": "AeExposureModeEnum.Short",
        "ExposureValue": -1.5,
        "AfMode": "AfModeEnum.Manual",
        "LensPosition": 0.2,
    }


def test_a_camera_with_autofocus_keeps_focusing(board: FakeBoard, make: Open) -> None:
    board.offered |= AUTOFOCUS
    make().open()
    assert board.controls["AfMode"] == "AfModeEnum.Continuous"


def test_defaults_that_a_camera_does_not_know_are_left_out_and_said_once(
    board: FakeBoard, make: Open, caplog: pytest.LogCaptureFixture
) -> None:
    board.offered = {}
    with caplog.at_level("INFO"):
        make().open()
    assert board.controls == {}
    assert caplog.text.count("no autofocus") == 1
    assert caplog.text.count("frame rate") == 1


@pytest.mark.parametrize(
    ("settings", "offered", "complaint"),
    [
        ({"exposure": "long"}, {}, "exposure cannot be chosen"),
        ({"exposure_compensation": 1.0}, {}, "brightness cannot be chosen"),
        ({"focus_dioptres": 1.0}, {}, "focus cannot be set"),
        ({"focus_dioptres": 20.0}, AUTOFOCUS, "focuses up to 15 dioptres, which is 7 cm"),
        ({"hdr": True}, {}, "high dynamic range"),
        ({"frames_per_second": 30}, {"FrameDurationLimits": (50_000, 10**6, 0)}, "at most 20 "),
        (
            {"night_frames_per_second": 1.0},
            {"FrameDurationLimits": (33_333, 500_000, 0)},
            "at least 2 frames",
        ),
        ({"frames_per_second": 5}, {"FrameDurationLimits": (33_333, 10**5, 0)}, "at least 10 "),
    ],
)
def test_what_was_asked_for_and_cannot_be_had_names_the_key_to_change(
    board: FakeBoard, make: Open, settings: dict[str, Any], offered: dict[str, Any], complaint: str
) -> None:
    board.offered = offered
    with pytest.raises(CameraFault, match=complaint) as fault:
        make(**settings).open()
    assert f"camera.source.{next(iter(settings))}" in fault.value.advice
    assert board.calls[-1] == "close"


def test_a_frame_rate_that_the_sensor_misses_by_a_hair_will_do(
    board: FakeBoard, make: Open
) -> None:
    board.offered["FrameDurationLimits"] = (33_500, 10**6, 0)
    make(frames_per_second=30).open()
    assert board.controls["FrameDurationLimits"] == (33_500, 33_500)


@pytest.mark.parametrize("wanted", [True, False])
def test_camera_module_3_is_switched_to_hdr_or_back_before_it_is_opened(
    board: FakeBoard, make: Open, wanted: bool
) -> None:
    board.cameras = ["imx708_wide"]
    if wanted:
        board.sensor_resolution = (2304, 1296)
    make(hdr=wanted).open()
    assert board.sensor_hdr == [wanted]
    assert "HdrMode" not in board.controls


def test_a_sensor_that_does_not_switch_to_hdr_is_a_fault(board: FakeBoard, make: Open) -> None:
    board.cameras = ["imx708"]
    with pytest.raises(CameraFault, match="did not switch to high dynamic range"):
        make(hdr=True).open()


def test_a_sensor_that_may_not_be_switched_is_a_fault_only_where_hdr_is_wanted(
    board: FakeBoard, make: Open, caplog: pytest.LogCaptureFixture
) -> None:
    board.cameras = ["imx708"]
    board.faults["open sensor"] = PermissionError(13, "Permission denied")
    make().open()
    assert "could not be switched off" in caplog.text
    with pytest.raises(CameraFault, match="cannot be switched to high dynamic range"):
        make(hdr=True).open()


def test_a_board_with_hdr_of_its_own_uses_it(board: FakeBoard, make: Open) -> None:
    board.offered["HdrMode"] = (0, 4, 0)
    make(hdr=True).open()
    assert board.controls["HdrMode"] == "HdrModeEnum.SingleExposure"


# What goes wrong


def refusal(message: str) -> RuntimeError:
    """As picamera2 wraps what libcamera raised."""
    error = RuntimeError("Camera __init__ sequence did not complete.")
    error.__cause__ = RuntimeError(message)
    return error


@pytest.mark.parametrize(
    ("call", "error", "complaint", "advice"),
    [
        (
            "acquire",
            refusal("Failed to acquire camera: Device or resource busy"),
            "in use by another program",
            "fuser",
        ),
        ("configure", RuntimeError("Invalid camera configuration: {}"), "this size", "width"),
        ("configure", OSError(12, "Cannot allocate memory"), "not enough memory", "width"),
        ("start", RuntimeError("Failed to start camera: No such device"), "not answer", "cable"),
        ("start_encoder", PermissionError(13, "no"), "may not use", "group video"),
        ("configure", KeyError("surprise"), "KeyError: 'surprise'", "report it"),
    ],
)
def test_what_picamera2_raises_says_what_to_do(
    board: FakeBoard, make: Open, call: str, error: Exception, complaint: str, advice: str
) -> None:
    board.faults[call] = error
    with pytest.raises(CameraFault, match=complaint) as fault:
        make().open()
    assert advice in fault.value.advice


def test_no_camera_at_all(board: FakeBoard, make: Open) -> None:
    board.cameras = []
    with pytest.raises(CameraFault, match="no camera is connected") as fault:
        make().open()
    assert "group video" in fault.value.advice


def test_a_camera_number_that_is_not_there_names_those_that_are(
    board: FakeBoard, make: Open
) -> None:
    board.cameras = ["imx219", "ov5647"]
    with pytest.raises(CameraFault, match=r"number 2, only 0 \(imx219\), 1 \(ov5647\)"):
        make(camera=2).open()


def test_a_size_that_was_adjusted_is_a_fault(board: FakeBoard, make: Open) -> None:
    board.adjusts_size_to = (640, 480)
    with pytest.raises(CameraFault, match="gives pictures of 640x480 where 320x180"):
        make().open()


def test_a_webcam_behind_libcamera_is_sent_to_its_own_source(board: FakeBoard, make: Open) -> None:
    board.stream_format = "MJPEG"
    with pytest.raises(CameraFault, match="as MJPEG") as fault:
        make().open()
    assert "webcam" in fault.value.advice


def test_a_camera_that_cannot_turn_its_picture_is_a_fault_only_where_it_must(
    board: FakeBoard, make: Open
) -> None:
    board.turns = False
    make().open()
    with pytest.raises(CameraFault, match="cannot turn"):
        make(rotation=180).open()


@pytest.mark.parametrize("module", ["picamera2", "libcamera"])
def test_without_picamera2_the_fault_says_how_to_install_it(
    make: Open, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    source = make()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CameraFault, match=module) as fault:
        source.open()
    assert "apt install python3-picamera2" in fault.value.advice
    assert "--system-site-packages" in fault.value.advice


def test_a_picture_without_a_time_is_a_fault(board: FakeBoard, make: Open) -> None:
    board.metadata = {"SensorTimestamp": None}
    with pytest.raises(CameraFault, match="does not say when"):
        make().open()


@pytest.mark.parametrize("hardware", [False, True])
def test_an_encoder_that_breaks_is_heard_through_its_thread(
    board: FakeBoard, make: Open, hardware: bool
) -> None:
    board.hardware_encoder = hardware
    source = make()
    source.open()
    board.encoder_fault = OSError(5, "Input/output error")
    board.shoot()
    with pytest.raises(CameraFault, match="does not answer any more"):
        list(source.read())


def test_a_sensor_that_falls_silent_is_a_fault_within_its_time(
    board: FakeBoard, make: Open
) -> None:
    source = make(clock=HastyClock())
    source.open()
    with pytest.raises(CameraFault, match="gave no picture for 10 s") as fault:
        list(source.read())
    assert "cable" in fault.value.advice


def test_an_encoder_that_falls_silent_is_told_from_a_sensor_that_does(
    board: FakeBoard, make: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(clock=HastyClock())
    source.open()
    monkeypatch.setattr(board.encoder, "encode", lambda request: None)
    board.shoot()
    with pytest.raises(CameraFault, match=r"encoder \(libx264 .* gave nothing for 10 s"):
        list(source.read())


def test_a_camera_that_never_gives_a_picture_is_a_fault_at_its_opening(
    board: FakeBoard, make: Open
) -> None:
    board.at_start = 0
    with pytest.raises(CameraFault, match="gave no picture"):
        make(timeout_seconds=0.05).open()
    assert board.calls[-1] == "close"


def test_an_encoder_that_never_sends_its_parameters_is_a_fault_at_its_opening(
    board: FakeBoard, make: Open
) -> None:
    board.repeats_headers = False
    with pytest.raises(CameraFault, match=r"encoder .* gave nothing"):
        make(timeout_seconds=0.05).open()


def test_a_reader_that_is_held_up_loses_no_packet_in_silence(board: FakeBoard, make: Open) -> None:
    source = make()
    source.open()
    board.shoot(160)
    got: list[Packet | Frame] = []
    with pytest.raises(CameraFault, match="150 pictures wait"):
        got.extend(source.read())
    times = [item.seconds for item in got if isinstance(item, Packet)]
    assert np.diff(times) == pytest.approx([1 / 15] * 149, abs=1e-4)


@pytest.mark.parametrize("call", ["acquire", "configure", "start"])
def test_a_camera_that_is_stuck_as_it_opens_is_a_fault(
    board: FakeBoard, make: Open, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(pi_module, "_CLOSE_SECONDS", 0.05)
    board.stuck = {call}
    with pytest.raises(CameraFault, match=r"did not (open|start) within 0\.05 s"):
        make(timeout_seconds=0.05).open()


def test_a_cold_card_that_takes_its_time_for_the_libraries_is_no_fault_of_the_camera(
    board: FakeBoard, make: Open
) -> None:
    board.slow = {"import": 1.5}
    source = make(timeout_seconds=1.0)
    source.open()
    assert taken(source, 1)[0][0].keyframe


def test_libraries_that_never_come_are_a_fault(board: FakeBoard, make: Open) -> None:
    board.stuck = {"import"}
    with pytest.raises(CameraFault, match=r"picamera2 was not loaded within 0\.05 s") as fault:
        make(loading_seconds=0.05).open()
    assert "SD card" in fault.value.advice


@pytest.mark.parametrize("no_frame_seconds", [2.0, 10.0, 120.0])
def test_of_the_time_for_opening_the_libraries_have_most_and_the_camera_some(
    no_frame_seconds: float,
) -> None:
    recording = config.Recording(no_frame_seconds=no_frame_seconds)
    camera = config.Camera(source=config.PiSource(), recording=recording)
    source = choose_source(camera, clock=SimulatedClock())
    assert isinstance(source, Pi)
    assert 3 * no_frame_seconds <= source._loading_seconds < opening_seconds(no_frame_seconds)


@pytest.mark.parametrize("call", ["stop_preview", "stop_encoder", "close"])
def test_a_camera_that_is_stuck_as_it_closes_is_left_alone(
    board: FakeBoard,
    make: Open,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: str,
) -> None:
    source = make()
    source.open()
    monkeypatch.setattr(pi_module, "_CLOSE_SECONDS", 0.05)
    board.stuck = {call}
    source.close()
    assert "left to the end of the process" in caplog.text


def test_closing_goes_on_where_a_part_of_it_fails(
    board: FakeBoard, make: Open, caplog: pytest.LogCaptureFixture
) -> None:
    source = make()
    source.open()
    board.faults = {"stop_preview": RuntimeError("gone"), "stop_encoder": RuntimeError("gone")}
    source.close()
    assert board.calls[-3:] == ["stop_preview", "stop_encoder", "close"]
    assert "gone" in caplog.text


def test_a_closed_source_is_read_to_its_end_at_once_and_opens_again(
    board: FakeBoard, make: Open
) -> None:
    source = make()
    source.open()
    source.close()
    assert list(source.read()) == []
    source.open()
    assert taken(source, 1)[0][0].keyframe


def test_the_configuration_leads_to_it(board: FakeBoard) -> None:
    camera = config.Camera(source=config.PiSource())
    assert isinstance(choose_source(camera, clock=SimulatedClock()), Pi)
