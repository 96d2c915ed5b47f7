"""The owner's settings of a Pi's camera: followed, or refused by their key."""

from __future__ import annotations

from typing import Any

import pytest

from agent.errors import CameraFault
from tests.support.fake_picamera2 import AUTOFOCUS, FakeBoard
from tests.support.pi_board import Open


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


def test_the_configuration_needs_little_memory(board: FakeBoard, make: Open) -> None:
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
def test_a_setting_that_the_camera_cannot_follow_names_the_key_to_change(
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
