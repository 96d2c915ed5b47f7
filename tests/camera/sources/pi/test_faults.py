"""The faults of a Pi's camera that is missing, in use, stuck or silent, and their time limits."""

from __future__ import annotations

import sys
from concurrent import futures
from typing import Any

import numpy as np
import pytest

from agent import config
from agent.camera.health.stall import opening_seconds
from agent.camera.source import Frame, Packet
from agent.camera.sources.factory import choose_source
from agent.camera.sources.pi import source as pi_module
from agent.camera.sources.pi.handover import Handover
from agent.camera.sources.pi.source import Pi
from agent.errors import CameraFault
from tests.support.clock import SimulatedClock
from tests.support.fake_picamera2 import FakeBoard
from tests.support.pi_board import HastyClock, Open, taken


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
def test_errors_of_picamera2_get_advice(
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
def test_without_picamera2_the_advice_is_to_install_it(
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


def test_a_silent_encoder_is_distinguished_from_a_silent_sensor(
    board: FakeBoard, make: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(clock=HastyClock())
    source.open()
    monkeypatch.setattr(board.encoder, "encode", lambda request: None)
    board.shoot()
    with pytest.raises(CameraFault, match=r"encoder \(libx264 .* gave nothing for 10 s"):
        list(source.read())


def wait_for_nothing(handover: Handover, seconds: float) -> bytes:
    """Give up at once: the fake board has given all that it will before it is started."""
    assert seconds == 10
    return real_wait(handover, 0)


real_wait = Handover.wait_for_parameter_sets


def test_a_camera_that_never_gives_a_picture_is_a_fault_at_its_opening(
    board: FakeBoard, make: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.at_start = 0
    monkeypatch.setattr(Handover, "wait_for_parameter_sets", wait_for_nothing)
    with pytest.raises(CameraFault, match="gave no picture"):
        make().open()
    assert board.calls[-1] == "close"


def test_an_encoder_that_never_sends_its_parameters_is_a_fault_at_its_opening(
    board: FakeBoard, make: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.repeats_headers = False
    monkeypatch.setattr(Handover, "wait_for_parameter_sets", wait_for_nothing)
    with pytest.raises(CameraFault, match=r"encoder .* gave nothing"):
        make().open()


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


def test_slow_libraries_on_a_cold_card_do_not_use_up_the_time_of_the_camera(
    board: FakeBoard, make: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []

    def wait(tasks: Any, seconds: float) -> Any:
        limits.append(seconds)
        return futures.wait(tasks, 60)

    monkeypatch.setattr(pi_module, "wait", wait)
    source = make(timeout_seconds=1.0, loading_seconds=30.0)
    source.open()
    assert limits == [30, 1, 1], "to load, to open, to start"
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
    assert 3 * no_frame_seconds <= source.loading_seconds < opening_seconds(no_frame_seconds)


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


def test_closing_goes_on_when_a_step_fails(
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
