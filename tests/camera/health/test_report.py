"""The camera's report of itself: to systemd at once, to the disk when it changes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_lengths

from agent import config
from agent.camera.source import Interruption
from agent.errors import CameraFault, ClipAgentError, ConfigError, InternalFault, StorageFault
from agent.vault.camera_state import StateFile
from tests.support.board import Board
from tests.support.camera_process import RECORDING, CameraProcess
from tests.support.video import Video, make

HARDWARE = "h264_v4l2m2m (hardware)"
LIVE = config.Camera(source=config.WebcamSource(), recording=RECORDING)
PATIENCE = 60.0


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return make(tmp_path, seconds=4)


def rows_written(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every note of health that would reach the disk, as it comes."""
    rows: list[object] = []
    real = StateFile.say

    def say(file: StateFile, **said: Any) -> None:
        rows.append(said["state"])
        real(file, **said)

    monkeypatch.setattr(StateFile, "say", say)
    return rows


def test_systemd_reads_state_encoder_clock_and_board_in_one_line(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=3)
    process.source.encoder = HARDWARE
    process.clock.is_synced = False
    board = Board(tmp_path)
    board.celsius(83)
    board.under_voltage(True)
    process.machine = board.machine
    process.watch(process.app())
    assert process.states() == [
        f"armed; {HARDWARE}; the clock is not set; 85 °C, too hot: it slows down, under-voltage"
    ]
    assert process.health().encoder == HARDWARE
    assert process.health().state == "armed"


def test_a_board_that_warms_up_is_told_to_systemd_and_costs_no_write(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = CameraProcess(tmp_path, video, seconds=60)
    board = Board(tmp_path)
    process.machine = board.machine
    rows = rows_written(monkeypatch)
    app = process.app()
    process.watch(app, {10: lambda: board.celsius(62), 30: lambda: board.celsius(81)})
    assert process.states() == [
        "armed; 50 °C",
        "armed; 60 °C",
        "armed; 80 °C, too hot: it slows down",
    ]
    assert rows == ["armed"]


def test_a_state_that_could_not_be_noted_is_noted_later(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = CameraProcess(tmp_path, video, seconds=40)
    tries: list[float] = []
    real = StateFile.say

    def say(file: StateFile, **said: Any) -> None:
        tries.append(process.clock.monotonic() - process.source.start)
        if tries[-1] < 20:
            raise StorageFault("no room")
        real(file, **said)

    monkeypatch.setattr(StateFile, "say", say)
    process.watch(process.app())
    assert process.health().state == "armed"
    assert len(tries) <= 4, "a note every ten seconds, not with each packet"


def test_motion_is_over_after_seconds_of_stillness_though_the_clip_goes_on(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = config.Camera(recording=replace_lengths(RECORDING, post_roll_seconds=15))
    process = CameraProcess(tmp_path, video, seconds=60, motion=[(5, 9), (12, 14)], camera=camera)
    told: list[tuple[str, bool]] = []
    real = StateFile.say

    def say(file: StateFile, **said: Any) -> None:
        if (news := (said["state"], said["motion"])) not in told[-1:]:
            told.append(news)
        real(file, **said)

    monkeypatch.setattr(StateFile, "say", say)
    process.watch(process.app())
    assert told == [
        ("armed", False), ("recording", True), ("recording", False), ("armed", False),
    ]  # fmt: skip


def test_a_clock_that_is_set_is_told_to_systemd_and_costs_no_write(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = CameraProcess(tmp_path, video, seconds=20)
    process.clock.is_synced = False
    rows = rows_written(monkeypatch)
    process.watch(process.app(), {10: lambda: process.set_clock(process.clock.now(), synced=True)})
    assert process.states() == ["armed; the clock is not set", "armed"]
    assert rows == ["armed"]


# Every way a source can end


@pytest.mark.parametrize(
    ("error", "raised", "state", "detail"),
    [
        (CameraFault("cam is gone", advice="Look"), CameraFault, "no-frames", "cam is gone"),
        (ConfigError("no zones here"), ConfigError, "failed", "no zones here"),
        (ValueError("odd"), InternalFault, "failed", "broke off with ValueError"),
        (SystemExit(0), InternalFault, "failed", "broke off with SystemExit"),
    ],
)
def test_a_source_that_dies_ends_the_process_with_an_error_after_its_clip(
    tmp_path: Path,
    video: Video,
    error: BaseException,
    raised: type[ClipAgentError],
    state: str,
    detail: str,
) -> None:
    process = CameraProcess(tmp_path, video, seconds=10, motion=[(5, 10)], fault=error)
    with pytest.raises(raised):
        process.app().run()
    health = process.health()
    assert health.state == state
    assert detail in health.detail
    assert [clip.truncated for clip in process.clips()] == [False]
    assert process.said[-2] == "STOPPING=1"


def test_a_camera_that_ends_quietly_is_lost_and_a_film_that_ends_is_over(
    tmp_path: Path, video: Video
) -> None:
    film = CameraProcess(tmp_path / "film", video, seconds=5)
    assert film.app().run() == 0
    assert film.health().state == "stopped"
    camera = CameraProcess(tmp_path / "camera", video, camera=LIVE, seconds=5)
    with pytest.raises(CameraFault, match="ended by itself"):
        camera.app().run()
    assert camera.health().state == "no-frames"


def test_a_mistake_of_our_own_ends_the_process_with_its_traceback(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = CameraProcess(tmp_path, video, seconds=10)
    app = process.app()

    def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "detector", fail)
    with pytest.raises(ZeroDivisionError):
        app.run()
    assert process.health().state == "failed"
    assert "STOPPING=1" in process.said


# The watchdog


def test_a_disk_that_hangs_starves_the_watchdog(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody but the loop says that it is alive, so systemd ends a process that is not."""
    process = CameraProcess(tmp_path, video, seconds=10, motion=[(2, 4)])
    stuck, go_on = threading.Event(), threading.Event()
    asked = 0

    def free_bytes() -> int:
        nonlocal asked
        asked += 1
        if asked > 1:  # the first is before the start
            stuck.set()
            go_on.wait(PATIENCE)
        return 1 << 40

    app = process.app()
    hanging = replace(app.housekeeping._retention, free_bytes=free_bytes)
    monkeypatch.setattr(app.housekeeping, "_retention", hanging)
    thread = threading.Thread(target=app.run)
    thread.start()
    assert stuck.wait(PATIENCE)
    said = list(process.said)
    process.clock.advance(3_600)
    assert process.said == said
    go_on.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert process.said[-1] == "STATUS=stopped"


def test_a_camera_that_is_lost_and_looked_for_feeds_the_watchdog(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=2)
    app = process.app()
    process.watch(app)
    before = process.said.count("WATCHDOG=1")
    app.step(Interruption(CameraFault("the camera hung up"), retry_seconds=30))
    for _ in range(20):
        process.clock.advance(1)
        app.step(None)
    assert process.said.count("WATCHDOG=1") - before == 20
    assert process.health().state == "no-frames"
    assert process.said.count("READY=1") == 1
