"""The whole camera process, through ``build()``: a real vault, a simulated clock."""

from __future__ import annotations

import dataclasses
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import config
from agent.camera.app import build
from agent.camera.source import Frame, Packet, Unjudged
from agent.errors import CameraFault, ConfigError, StorageFault
from agent.vault import camera_state
from agent.vault.clips.store import ClipDraft, ClipStore, Recovery
from agent.vault.database.index import Clip
from tests.peers.requirements import program
from tests.support.camera_process import RECORDING, CameraProcess
from tests.support.house import House
from tests.support.video import Video, make, play, unseal, write_video


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return make(tmp_path, seconds=4)


def opened(house: House, clip: Clip) -> bytes:
    day, clock, rest = clip.id.split("-")
    folder = house.config.state_dir / "camera" / "clips" / f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return unseal(folder / f"{clock}-{rest}.mp4.age", house.owner.identity)


def test_the_drawn_street_becomes_sealed_clips_that_age_opens(tmp_path: Path) -> None:
    scene = config.SceneSource(
        width=320, height=180, walkers_per_minute=3, duration_seconds=60, seed=3
    )
    house = House.build(tmp_path, camera=config.Camera(source=scene, recording=RECORDING))
    assert build(house.config, clock=house.clock, notify=lambda _: None).run() == 0
    with house.open_index() as index:
        clips = index.clips()
    health = camera_state.read(house.config.state_dir)
    assert 2 <= len(clips) <= 4
    assert health is not None
    assert health.state == "stopped"
    assert not list(house.config.state_dir.rglob("*.part"))
    (tmp_path / "owner.txt").write_text(house.owner.identity)
    for sealed in sorted(house.config.state_dir.rglob("*.mp4.age")):
        command = [program("age"), "-d", "-i", str(tmp_path / "owner.txt"), str(sealed)]
        plain = subprocess.run(command, check=True, capture_output=True).stdout
        played = play(plain)
        assert played.first_is_keyframe
        assert played.pictures == len(played.packets) > 45


def test_footage_that_is_imported_is_dated_to_end_now(tmp_path: Path) -> None:
    file = write_video(tmp_path / "walk.mp4", seconds=8, size=(320, 180))
    source = config.StreamSource(record=str(file), pace="import")
    house = House.build(tmp_path / "h", camera=config.Camera(source=source, recording=RECORDING))
    now = house.clock.now()
    assert build(house.config, clock=house.clock, notify=lambda _: None).run() == 0
    with house.open_index() as index:
        clips = index.clips()
    assert clips
    assert clips[0].started_at >= now - 8.3
    assert (clips[-1].started_at + clips[-1].duration_seconds) == pytest.approx(now, abs=0.3)


def test_health_and_systemd_hear_of_each_change_and_of_nothing_else(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=40, motion=[(10, 12), (25, 26)])
    assert process.app().run() == 0
    assert process.states() == ["armed", "recording", "armed", "recording", "armed", "stopped"]
    assert process.said.index("READY=1") < process.said.index("STATUS=armed")
    assert process.said.count("WATCHDOG=1") > 5
    assert process.said[-2] == "STOPPING=1"
    health = process.health()
    assert health.state == "stopped"
    assert health.last_motion_at == pytest.approx(process.wall + 25, abs=1)
    assert len(process.clips()) == 2


def test_being_asked_to_stop_finishes_the_clip(tmp_path: Path, video: Video) -> None:
    patient = msgspec.structs.replace(RECORDING, no_frame_seconds=120)  # the owner is quicker
    camera = config.Camera(recording=patient)
    process = CameraProcess(tmp_path, video, camera=camera, seconds=15, motion=[(5, 15)], hang=True)
    app = process.app()

    def stop_when_silent() -> None:
        process.source.silent.wait(60)
        app.stop()

    stopper = threading.Thread(target=stop_when_silent)
    stopper.start()
    assert app.run() == 0
    stopper.join()
    (clip,) = process.clips()
    assert not clip.truncated
    assert play(opened(process.house, clip)).pictures == round(clip.duration_seconds * 15)


def test_a_camera_that_hangs_ends_the_process_after_its_clip(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=15, motion=[(5, 15)], hang=True)
    with pytest.raises(CameraFault, match=r"gave no (packet|picture) for"):
        process.app().run()
    assert process.health().state == "no-frames"
    assert "gave no" in process.health().detail
    assert [clip.truncated for clip in process.clips()] == [False]


def test_the_owner_reads_the_reason_why_the_camera_ended(tmp_path: Path, video: Video) -> None:
    fault = CameraFault("cam ended the stream", advice="Look")
    process = CameraProcess(tmp_path, video, seconds=15, motion=[(5, 15)], fault=fault)
    with pytest.raises(CameraFault, match="cam ended the stream"):
        process.app().run()
    assert (process.health().state, process.health().detail) == (
        "no-frames",
        "cam ended the stream",
    )
    assert len(process.clips()) == 1


def test_packets_without_pictures_are_no_camera(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=30)
    app = process.app()
    app.step(process.source.open())
    with pytest.raises(CameraFault, match="no picture"):
        for item in process.source.read():
            if item in process.source.packets[-1:]:
                app.step(item)


def test_another_size_in_mid_stream_keeps_pre_roll_motion_and_state(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=40, motion=[(11, 14)])
    app = process.app()
    app.start()
    larger = dataclasses.replace(video.format, width=320)
    process.watch(app, {12: lambda: app.step(larger)})
    spans = [
        (
            round(clip.started_at - process.wall, 1),
            round((clip.started_at + clip.duration_seconds) - process.wall, 1),
        )
        for clip in process.clips()
    ]
    assert spans == [(9.0, 12.0), (12.0, pytest.approx(17, abs=0.3))]
    assert [sidecar.width for sidecar in process.sidecars()] == [192, 320]
    assert process.states() == ["armed", "recording", "armed"]


def test_a_camera_that_sends_no_keyframe_yet_is_waited_for_and_the_owner_reads_it(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=10)
    app = process.app()
    app.start()
    app.step(dataclasses.replace(video.format, width=0, height=0, extradata=b""))
    for number in range(25 * 15):
        process.clock.advance(1 / 15)
        at = process.clock.monotonic()
        app.step(Packet(b"", False, at, 1 / 15))
        if number % 2:
            app.step(Unjudged(at, "keyframe"))
    process.watch(app)
    assert process.states() == [
        "armed",
        "no-frames: no keyframe for 10 s; set a shorter keyframe interval in the camera",
        "no-frames: no keyframe for 20 s; set a shorter keyframe interval in the camera",
        "armed",
    ]


def test_a_camera_whose_pictures_are_all_damaged_is_alive_and_records_nothing(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=200)
    app = process.app()
    app.start()
    app.step(process.source.open())
    for item in process.source.read():
        app.step(Unjudged(item.seconds, "damage") if isinstance(item, Frame) else item)
    assert [state.partition(";")[0] for state in process.states()] == [
        "armed",
        "armed: parts of many pictures are lost, and no motion is seen in these",
    ]
    assert process.clips() == []


def test_the_code_of_the_start_is_dropped_once_the_camera_has_been_there_for_a_while(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=60)
    app = process.app()
    dropped: list[float] = []
    app.after_start = lambda: dropped.append(process.clock.monotonic())
    app.start()
    app.step(process.source.open())
    began = process.clock.monotonic()
    for item in process.source.read():
        app.step(item)
    assert [seconds - began for seconds in dropped] == [pytest.approx(5.5, abs=0.6)]


def test_a_full_disk_stops_the_recording_and_space_starts_it_again(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=60, motion=[(5, 7), (20, 40)])
    app = process.app()
    process.free_bytes = 0
    app.start()
    app.step(process.source.open())
    for item in process.source.read():
        app.step(item)
        if process.clock.now() > process.wall + 25:
            process.free_bytes = 1 << 40
    app.finish("stopped")
    assert process.states() == ["disk-full: " + process.states()[0][11:], *process.states()[1:]]
    assert [state.partition(":")[0] for state in process.states()] == [
        "disk-full",
        "armed",
        "recording",
        "armed",
        "stopped",
    ]
    (clip,) = process.clips()
    began = clip.started_at - process.wall
    assert 25 - 3 <= began <= 40  # with the pre-roll from before there was space
    assert (clip.started_at + clip.duration_seconds) - process.wall == pytest.approx(43, abs=1)


def test_another_fault_of_the_storage_is_not_called_a_full_disk(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = CameraProcess(tmp_path, video, seconds=40, motion=[(5, 15), (25, 30)])
    real = ClipStore.create

    def create(store: ClipStore, **named: Any) -> ClipDraft:
        if process.clock.monotonic() - process.source.start < 10:
            raise StorageFault("clips: Input/output error")
        return real(store, **named)

    monkeypatch.setattr(ClipStore, "create", create)
    app = process.app()
    app.start()
    process.watch(app)
    assert process.states()[:2] == ["armed", "storage-failed: clips: Input/output error"]
    assert process.states()[2:] == ["armed", "recording", "armed"]


def test_a_long_clip_is_ended_when_the_room_for_it_is_gone(tmp_path: Path, video: Video) -> None:
    camera = config.Camera(recording=msgspec.structs.replace(RECORDING, max_clip_seconds=600))
    process = CameraProcess(tmp_path, video, camera=camera, seconds=300, motion=[(5, 290)])
    process.house.record(seconds_ago=3600)
    app = process.app()
    app.start()

    def others_take_all() -> None:
        process.free_bytes = 0

    process.watch(app, {100: others_take_all})
    said = [state.partition(":")[0] for state in process.states()]
    assert said == ["armed", "recording", "disk-full"]
    assert [round(clip.duration_seconds, -1) for clip in process.clips_as_recorded()] == [0, 120]


def test_room_for_a_long_clip_is_made_while_it_is_recorded(tmp_path: Path, video: Video) -> None:
    camera = config.Camera(recording=msgspec.structs.replace(RECORDING, max_clip_seconds=600))
    process = CameraProcess(tmp_path, video, camera=camera, seconds=300, motion=[(5, 290)])
    old = [process.house.record(seconds_ago=3600 - n) for n in range(3)]
    app = process.app()
    app.start()

    def free(there: int) -> Callable[[], None]:
        return lambda: setattr(process, "free_bytes", there)

    nearly = 500_000_000 - old[0].bytes
    process.watch(app, {100: free(nearly), 130: free(500_000_000)})  # it is looked at in between
    assert old[0].id not in {clip.id for clip in process.clips()}
    assert len(process.clips()) >= 2
    assert process.states() == ["armed", "recording", "armed"]


def test_a_recovery_that_takes_long_is_not_blamed_on_the_camera(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = CameraProcess(tmp_path, video, seconds=5)
    app, real = process.app(), ClipStore.recover

    def slowly(store: ClipStore) -> Recovery:
        process.clock.advance(3600)
        return real(store)

    monkeypatch.setattr(ClipStore, "recover", slowly)
    app.start()
    app.step(None)
    process.watch(app)
    assert process.states() == ["armed"]


def test_a_disk_that_takes_long_is_not_blamed_on_the_camera(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = CameraProcess(tmp_path, video, seconds=40, motion=[(5, 15)])
    real = ClipStore.create

    def slowly(store: ClipStore, **named: Any) -> ClipDraft:
        process.clock.advance(9.5)
        return real(store, **named)

    monkeypatch.setattr(ClipStore, "create", slowly)
    app = process.app()
    app.start()
    process.watch(app)
    assert process.states() == ["armed", "recording", "armed"]


def test_while_something_always_moves_clips_still_get_their_true_times(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=200, motion=[(5, 200)])
    process.set_clock(1000.0, synced=False)
    app = process.app()
    app.start()
    process.watch(app, {60: lambda: process.set_clock(1_800_000_000.0, synced=True)})
    clips = process.clips_as_recorded()
    assert len(clips) > 5
    assert all(clip.clock_synced and clip.started_at > 1_700_000_000 for clip in clips)


def test_a_clip_recorded_by_a_wrong_clock_gets_its_true_time(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=40, motion=[(5, 7)])
    process.clock.is_synced = False
    app = process.app()
    app.start()
    app.step(process.source.open())
    for item in process.source.read():
        app.step(item)
        if not process.clock.is_synced and process.clock.now() > process.wall + 30:
            process.clock.step_wall(86_400.0)
            process.clock.is_synced = True
    app.finish("stopped")
    (clip,) = process.clips()
    assert clip.clock_synced
    assert clip.started_at == pytest.approx(process.wall + 86_400 + 3, abs=0.5)


def test_the_clock_may_be_set_while_a_clip_is_recorded(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=40, motion=[(5, 15)])
    process.clock.is_synced = False
    app = process.app()
    app.start()
    app.step(process.source.open())
    for item in process.source.read():
        app.step(item)
        if not process.clock.is_synced and process.clock.now() > process.wall + 10:
            process.clock.step_wall(86_400.0)
            process.clock.is_synced = True
    app.finish("stopped")
    (clip,) = process.clips()
    assert clip.clock_synced
    assert clip.started_at == pytest.approx(process.wall + 86_400 + 3, abs=0.5)


def test_old_clips_go_even_when_nothing_moves(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=1300)
    process.house.record(seconds_ago=30 * 86_400 - 300)
    app = process.app()
    app.start()
    assert len(process.clips()) == 1
    for _ in range(1300):
        process.clock.advance(1)
        app.stall.opened()
        app.step(None)
    assert process.clips() == []


def test_files_of_an_earlier_run_are_recovered_first(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=20, motion=[(5, 20)])
    app = process.app()
    process.watch(app)  # and then the power goes: the clip is never finished
    assert process.clips() == []
    recorder = app._recorder
    assert recorder is not None
    assert recorder._recording is not None
    recorder._recording._draft.abandon()
    process.app().start()
    assert [clip.truncated for clip in process.clips()] == [True]


def test_a_wrong_card_is_a_config_error_that_names_it(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=1)
    missing = msgspec.structs.replace(process.house.config, owners=(tmp_path / "nobody.yaml",))
    with pytest.raises(ConfigError, match=r"nobody\.yaml"):
        build(missing, clock=process.clock)
