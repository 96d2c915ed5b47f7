"""The pi source on libcamera and picamera2 as they are, without a Raspberry Pi.

``clip-agent camera`` and ``clip-agent check`` of this checkout run in a root of Debian trixie
(``build``), each in a mount namespace of its own and without network (``enter``). libcamera is
Debian's, picamera2 comes from PyPI, neither is changed.

Faithful: libcamera's camera manager, requests and buffers; all of picamera2 (its threads,
encoder, outputs, locks, errors); PyAV, OpenCV and Python as a Pi of today has them; the vault.

Not faithful (``inside/vcam.py`` and ``inside/fakedma.c`` say how): pictures are NV12, where a Pi
gives YUV420; there is no IPA, so neither exposure nor focus, HDR or their metadata; no sensor
turns or mirrors the picture; no hardware encoder; memory is memfd and knows no CMA limit; x86.
What only a Pi can show is not tested here.
"""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest

from agent import config
from tests.conftest import StartMosquitto
from tests.pi import scene
from tests.pi.conftest import MakeRig
from tests.pi.rig import MODEL, Process, Recorded, Rig

RECORDING = config.Recording(pre_roll_seconds=3, post_roll_seconds=2, no_frame_seconds=5)
FAULT_SECONDS = 10  # so soon a camera that fell silent must have ended the process
# Around the plate, and some more: the encoder smears what is beside it.
OVER_PLATE = ((0.62, 0.43), (0.76, 0.43), (0.76, 0.63), (0.62, 0.63))


def wait_for_clips(rig: Rig, camera: Process, count: int) -> None:
    camera.wait_until(lambda: len(rig.clips()) >= count)


def assert_without_gap(recorded: Recorded) -> list[int]:
    """Right size and codec, and not one frame missing; gives the numbers of the pictures."""
    assert recorded.codec == "h264"
    assert {picture.shape for picture in recorded.pictures} == {(scene.HEIGHT, scene.WIDTH)}
    assert all(later > earlier for earlier, later in pairwise(recorded.seconds))

    shown = [
        (number, len(list(frames)))
        for number, frames in groupby(recorded.pictures, key=scene.number_of)
    ]
    numbers = [number for number, _ in shown]
    assert numbers == [(numbers[0] + n) % scene.PICTURES for n in range(len(shown))]
    assert {frames for _, frames in shown[1:-1]} == {scene.SHOWN}
    return numbers


def assert_whole(recorded: Recorded) -> None:
    """Nothing missing: pre-roll, the whole walk, and what followed it."""
    assert_without_gap(recorded)
    numbers = [scene.number_of(picture) for picture in recorded.pictures]
    appears = numbers.index(scene.STILL)
    # It counts from when the box was noticed; a clip without it begins up to a second early.
    assert recorded.seconds[appears] >= RECORDING.pre_roll_seconds / 2
    walk = [scene.shows_box(picture) for picture in recorded.pictures]
    assert not any(walk[: appears - scene.SHOWN])
    assert sum(walk) >= scene.WALK * scene.SHOWN / 2
    assert not any(walk[-scene.FRAMES_PER_SECOND :])


def test_a_walker_is_recorded_frame_by_frame_for_the_owner_alone(make_rig: MakeRig) -> None:
    rig = make_rig(recording=RECORDING)
    with rig.run("camera") as camera:
        wait_for_clips(rig, camera, 2)
        assert camera.end() == 0, camera.output
    first, second = rig.clips()[:2]
    assert second.started_at >= (first.started_at + first.duration_seconds)
    for clip in (first, second):
        assert not clip.truncated
        recorded = rig.open(clip)
        assert_whole(recorded)
        a_frame = 1 / scene.FRAMES_PER_SECOND
        assert clip.duration_seconds == pytest.approx(recorded.seconds[-1] + a_frame, abs=a_frame)
        assert 0.9 < clip.duration_seconds / (len(recorded.pictures) * a_frame) < 1.5
        assert scene.stripes(recorded.pictures[0]) > 60
    assert "Traceback" not in camera.output


def test_keyframes_come_each_second_by_day_and_in_the_dark(make_rig: MakeRig) -> None:
    rig = make_rig(recording=config.Recording(pre_roll_seconds=3, post_roll_seconds=15))
    with rig.run("camera") as camera:
        camera.wait_until(rig.recording)
        rig.fault("dark")
        wait_for_clips(rig, camera, 1)
        assert camera.end() == 0, camera.output
    assert "cannot be asked for keyframes" not in camera.output
    recorded = rig.open(rig.clips()[0])
    assert recorded.seconds[1] - recorded.seconds[0] < 0.1
    assert recorded.seconds[-1] - recorded.seconds[-2] > 0.4
    gaps = [later - earlier for earlier, later in pairwise(recorded.keyframes)]
    assert len(gaps) >= 10
    assert all(0.6 < gap < 1.6 for gap in gaps), gaps


def test_a_privacy_zone_is_hidden_in_every_recorded_picture(make_rig: MakeRig) -> None:
    rig = make_rig(recording=RECORDING, zones=config.Zones(privacy=(OVER_PLATE,)))
    with rig.run("camera") as camera:
        wait_for_clips(rig, camera, 1)
        assert camera.end() == 0, camera.output
    recorded = rig.open(rig.clips()[0])
    assert_without_gap(recorded)
    assert any(scene.shows_box(picture) for picture in recorded.pictures)  # beside the zone
    assert max(scene.stripes(picture) for picture in recorded.pictures) < 3


def test_a_sensor_that_stalls_ends_the_process_and_the_next_records_again(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(recording=RECORDING)
    with rig.run("camera") as camera:
        camera.wait_until(rig.recording)
        stall = rig.fault("stall")
        assert camera.wait(FAULT_SECONDS) == 1, camera.output
    assert camera.output.splitlines()[-1].startswith("clip-agent: the camera "), camera.output
    assert "Traceback" not in camera.output
    assert rig.state() == "no-frames"
    (cut_short,) = rig.clips()  # what came before the stall is kept
    assert rig.open(cut_short).pictures

    stall.unlink()
    with rig.run("camera") as camera:
        wait_for_clips(rig, camera, 2)
        assert camera.end() == 0, camera.output
    assert_whole(rig.open(rig.clips()[1]))


def test_a_muxer_that_fails_costs_no_frame_and_the_clip_it_cut_short_is_marked(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(recording=RECORDING)
    with rig.run("camera") as camera:
        camera.wait_until(rig.recording)
        fault = rig.fault("mux-error")
        wait_for_clips(rig, camera, 1)
        assert not fault.exists()
        wait_for_clips(rig, camera, 3)
        assert camera.end() == 0, camera.output
    cut_short, goes_on, next_walk = rig.clips()[:3]
    assert [clip.truncated for clip in rig.clips()[:3]] == [True, False, False]
    assert f"clip {cut_short.id}" in camera.output
    assert "truncated" in camera.output

    before = assert_without_gap(rig.open(cut_short))
    after = assert_without_gap(rig.open(goes_on))
    assert (before[-1] + 1) % scene.PICTURES in after
    assert_whole(rig.open(next_walk))


def test_the_check_names_the_camera_and_its_fault(
    make_rig: MakeRig, start_mosquitto: StartMosquitto
) -> None:
    broker = start_mosquitto()
    rig = make_rig(recording=RECORDING, mqtt=config.Broker(port=broker.port))

    def camera_line(expected: int) -> str:
        with rig.run("check", network=True) as check:
            assert check.wait() == expected, check.output
        (line,) = [line for line in check.output.splitlines() if "  camera  " in line]
        assert "Traceback" not in check.output
        return line

    line = camera_line(0)
    assert line.startswith("ok")
    assert MODEL in line
    assert f"{scene.WIDTH}x{scene.HEIGHT}" in line

    with rig.run("camera") as camera:
        camera.wait_until(lambda: rig.state() in ("armed", "recording"))
        in_use = camera_line(0)
        assert camera.end() == 0, camera.output
    assert in_use.startswith("ok")
    assert "in use by the running camera, which is " in in_use

    rig.unplug()
    absent = camera_line(1)
    assert absent.startswith("FAIL")
    assert "no camera" in absent
    with rig.run("camera") as camera:
        assert camera.wait() == 1
    assert camera.output.splitlines()[-1].startswith("clip-agent: "), camera.output
    assert "no camera" in camera.output
