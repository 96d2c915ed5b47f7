"""The camera's report of itself: to systemd at once, to the disk when it changes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.camera.source import Interruption
from agent.errors import CameraFault, ClipAgentError, ConfigError, InternalFault, StorageFault
from agent.vault.camera_state import StateFile
from tests.support.board import Board
from tests.support.camera_process import RECORDING, Porch
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
    porch = Porch(tmp_path, video, seconds=3)
    porch.source.encoder = HARDWARE
    porch.clock.is_synced = False
    board = Board(tmp_path)
    board.celsius(83)
    board.under_voltage(True)
    porch.machine = board.machine
    porch.watch(porch.app())
    assert porch.states() == [
        f"armed; {HARDWARE}; the clock is not set; 85 °C, too hot: it slows down, under-voltage"
    ]
    assert porch.health().encoder == HARDWARE
    assert porch.health().state == "armed"


def test_a_board_that_warms_up_is_told_to_systemd_and_costs_no_write(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    porch = Porch(tmp_path, video, seconds=60)
    board = Board(tmp_path)
    porch.machine = board.machine
    rows = rows_written(monkeypatch)
    app = porch.app()
    porch.watch(app, {10: lambda: board.celsius(62), 30: lambda: board.celsius(81)})
    assert porch.states() == [
        "armed; 50 °C",
        "armed; 60 °C",
        "armed; 80 °C, too hot: it slows down",
    ]
    assert rows == ["armed"]


def test_a_state_that_could_not_be_noted_is_noted_later(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    porch = Porch(tmp_path, video, seconds=40)
    tries: list[float] = []
    real = StateFile.say

    def say(file: StateFile, **said: Any) -> None:
        tries.append(porch.clock.monotonic() - porch.source.start)
        if tries[-1] < 20:
            raise StorageFault("no room")
        real(file, **said)

    monkeypatch.setattr(StateFile, "say", say)
    porch.watch(porch.app())
    assert porch.health().state == "armed"
    assert len(tries) <= 4, "a note every ten seconds, not with each packet"


def test_a_clock_that_is_set_is_told_to_systemd_and_costs_no_write(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    porch = Porch(tmp_path, video, seconds=20)
    porch.clock.is_synced = False
    rows = rows_written(monkeypatch)
    porch.watch(porch.app(), {10: lambda: porch.set_clock(porch.clock.now(), synced=True)})
    assert porch.states() == ["armed; the clock is not set", "armed"]
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
    porch = Porch(tmp_path, video, seconds=10, motion=[(5, 10)], fault=error)
    with pytest.raises(raised):
        porch.app().run()
    health = porch.health()
    assert health.state == state
    assert detail in health.detail
    assert [clip.truncated for clip in porch.clips()] == [False]
    assert porch.said[-2] == "STOPPING=1"


def test_a_camera_that_ends_quietly_is_lost_and_a_film_that_ends_is_over(
    tmp_path: Path, video: Video
) -> None:
    film = Porch(tmp_path / "film", video, seconds=5)
    assert film.app().run() == 0
    assert film.health().state == "stopped"
    camera = Porch(tmp_path / "camera", video, camera=LIVE, seconds=5)
    with pytest.raises(CameraFault, match="ended by itself"):
        camera.app().run()
    assert camera.health().state == "no-frames"


def test_a_mistake_of_our_own_ends_the_process_with_its_traceback(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    porch = Porch(tmp_path, video, seconds=10)
    app = porch.app()

    def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "detector", fail)
    with pytest.raises(ZeroDivisionError):
        app.run()
    assert porch.health().state == "failed"
    assert "STOPPING=1" in porch.said


# The watchdog


def test_a_disk_that_hangs_starves_the_watchdog(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody but the loop says that it is alive, so systemd ends a process that is not."""
    porch = Porch(tmp_path, video, seconds=10, motion=[(2, 4)])
    stuck, go_on = threading.Event(), threading.Event()
    asked = 0

    def free_bytes() -> int:
        nonlocal asked
        asked += 1
        if asked > 1:  # the first is before the start
            stuck.set()
            go_on.wait(PATIENCE)
        return 1 << 40

    app = porch.app()
    hanging = replace(app.housekeeping._retention, free_bytes=free_bytes)
    monkeypatch.setattr(app.housekeeping, "_retention", hanging)
    process = threading.Thread(target=app.run)
    process.start()
    assert stuck.wait(PATIENCE)
    said = list(porch.said)
    porch.clock.advance(3_600)
    assert porch.said == said
    go_on.set()
    process.join(PATIENCE)
    assert not process.is_alive()
    assert porch.said[-1] == "STATUS=stopped"


def test_a_camera_that_is_lost_and_looked_for_feeds_the_watchdog(
    tmp_path: Path, video: Video
) -> None:
    porch = Porch(tmp_path, video, seconds=2)
    app = porch.app()
    porch.watch(app)
    before = porch.said.count("WATCHDOG=1")
    app.step(Interruption(CameraFault("the camera hung up"), retry_seconds=30))
    for _ in range(20):
        porch.clock.advance(1)
        app.step(None)
    assert porch.said.count("WATCHDOG=1") - before == 20
    assert porch.health().state == "no-frames"
    assert porch.said.count("READY=1") == 1
