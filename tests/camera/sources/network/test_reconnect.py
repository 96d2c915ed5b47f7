"""Network cameras that are lost and found again, alone and through the whole process."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.camera.app import build
from agent.camera.daemon import CameraApp
from agent.camera.source import Frame, Interruption, Packet, VideoFormat
from agent.camera.sources.network.reconnect import (
    FIRST_TURNED_AWAY_SECONDS,
    LONGEST_SECONDS,
    TURNED_AWAY_SECONDS,
    BackOff,
)
from agent.camera.sources.network.source import Stream
from agent.clock import SystemClock
from agent.errors import CameraFault
from agent.vault.database.index import Clip
from tests.camera.sources.network.test_source import begun, stream
from tests.camera.test_app import opened
from tests.peers.rtsp import RtspServer
from tests.support.clock import NapClock
from tests.support.house import House
from tests.support.video import play, write_video

PATIENCE_SECONDS = 100.0
Kind = TypeVar("Kind")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("videos")
    write_video(made / "long.mp4", seconds=30)
    write_video(made / "large.mp4", seconds=30, size=(320, 180))
    write_video(made / "short.mp4", seconds=2)
    return made


# How long to wait


def test_waits_double_up_to_the_longest() -> None:
    back_off = BackOff()
    waits = [back_off.lost(stood_seconds=0) for _ in range(7)]
    assert waits == [1, 2, 4, 8, 8, 8, 8]


def test_after_a_stable_minute_the_next_wait_is_short_again() -> None:
    back_off = BackOff()
    for _ in range(7):
        back_off.lost(stood_seconds=59.9)
    assert back_off.lost(stood_seconds=59.9) == 8
    assert back_off.lost(stood_seconds=60) == 1
    assert back_off.lost(stood_seconds=0) == 2


def test_a_login_that_never_worked_is_tried_twelve_times_an_hour() -> None:
    back_off = BackOff()
    waits = [back_off.lost(stood_seconds=0, turned_away=True) for _ in range(3)]
    assert waits == [300, 300, 300]
    assert back_off.lost(stood_seconds=0) == 8
    assert back_off.lost(stood_seconds=0, turned_away=True) == 300
    assert 3600 / TURNED_AWAY_SECONDS <= 12


def test_a_login_that_worked_once_is_tried_again_after_waits_that_double() -> None:
    back_off = BackOff()
    back_off.lost(stood_seconds=5)
    waits = [back_off.lost(stood_seconds=0, turned_away=True) for _ in range(6)]
    assert waits == [30, 60, 120, 240, 300, 300]
    assert back_off.lost(stood_seconds=0) == 8
    assert back_off.lost(stood_seconds=0, turned_away=True) == 300
    assert back_off.lost(stood_seconds=60, turned_away=True) == 30


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans())))
def test_no_wait_is_ever_out_of_bounds(losses: list[tuple[float, bool]]) -> None:
    back_off = BackOff()
    for stood, turned_away in losses:
        wait = back_off.lost(stood_seconds=stood, turned_away=turned_away)
        assert 1 <= wait <= (TURNED_AWAY_SECONDS if turned_away else LONGEST_SECONDS)


# The source alone


def test_a_camera_without_power_is_tried_again_until_it_is_back(
    folder: Path, tmp_path: Path
) -> None:
    clock = NapClock()
    with RtspServer(tmp_path, {"main": folder / "long.mp4"}) as server:
        source = stream(server.url("main"), clock=clock)
        video = begun(source)
        items = source.read()
        assert isinstance(next(items), Packet)
        server.kill()
        lost = _interruptions(items, 3)
        assert [each.retry_seconds for each in lost] == [1, 2, 4]
        assert "refuses the connection" in lost[-1].fault.message
        server.start()
        assert _next(items, VideoFormat) == video
        assert _next(items, Packet).keyframe
        assert _next(items, Frame).seconds > 0
        source.close()


def test_a_camera_that_comes_back_reconfigured_is_of_a_new_format(
    folder: Path, tmp_path: Path
) -> None:
    with RtspServer(tmp_path, {"main": folder / "long.mp4"}) as server:
        source = stream(server.url("main"), clock=NapClock())
        assert begun(source).width == 192
        items = source.read()
        _next(items, Packet)
        server.kill()
        server.start({"main": folder / "large.mp4"})
        assert _next(items, VideoFormat).width == 320
        source.close()


def test_a_camera_that_freezes_is_lost_in_time(folder: Path, tmp_path: Path) -> None:
    with RtspServer(tmp_path, {"main": folder / "long.mp4"}) as server:
        source = stream(server.url("main"), clock=NapClock(), timeout_seconds=0.5)
        _wait(lambda: _opens(source))
        items = source.read()
        _next(items, Packet)
        server.freeze()
        first, second = _interruptions(items, 2)  # the second: it accepts, and says nothing
        assert "gave no video within 0.5 s" in first.fault.message
        assert "gave no video within 0.5 s" in second.fault.message
        server.thaw()
        _next(items, VideoFormat)
        _next(items, Packet)
        source.close()


def test_losing_the_small_stream_loses_the_whole_camera_until_it_is_back(
    folder: Path, tmp_path: Path
) -> None:
    files = {"main": folder / "long.mp4", "small": folder / "short.mp4"}
    with RtspServer(tmp_path, files) as server:
        source = stream(server.url("main"), detect=server.url("small"), clock=NapClock())
        begun(source)
        items = source.read()
        (lost,) = _interruptions(items, 1)
        assert "(detect) ended the stream" in lost.fault.message
        _next(items, VideoFormat)
        _next(items, Packet)
        _next(items, Frame)
        source.close()


def test_a_password_that_changed_is_reported_and_seldom_tried(folder: Path, tmp_path: Path) -> None:
    clock = NapClock()
    files = {"main": folder / "long.mp4"}
    with RtspServer(tmp_path, files, login="viewer:letmein") as server:
        source = stream(server.url("main", login="viewer:letmein"), clock=clock)
        begun(source)
        items = source.read()
        _next(items, Packet)
        server.kill()
        with RtspServer(tmp_path, files, login="viewer:other", port=server.port):
            _, again = _interruptions(items, 2)
            assert again.retry_seconds == FIRST_TURNED_AWAY_SECONDS
            assert "refuses the name or password" in again.fault.message
            assert "letmein" not in str(again.fault)
            source.close()


def test_a_pause_ends_when_the_source_is_closed(folder: Path, tmp_path: Path) -> None:
    with RtspServer(tmp_path, {"main": folder / "long.mp4"}) as server:
        source = stream(server.url("main"))
        begun(source)
        items = source.read()
        _next(items, Packet)
        server.kill()
        _interruptions(items, 2)  # the next pause is of 2 s or more
        reader = threading.Thread(target=lambda: list(items), daemon=True)
        reader.start()
        source.close()
        reader.join(PATIENCE_SECONDS)
        assert not reader.is_alive()


def _opens(source: Stream) -> bool:
    """Open ``source``; False if a busy machine made it miss its short time limit."""
    try:
        begun(source)
    except CameraFault:
        return False
    return True


def _next(items: Iterator[object], kind: type[Kind]) -> Kind:
    return next(item for item in items if isinstance(item, kind))


def _interruptions(items: Iterator[object], number: int) -> list[Interruption]:
    return [_next(items, Interruption) for _ in range(number)]


# The whole process


def test_the_process_goes_on_by_itself_after_the_camera_was_off_and_after_it_hung(
    folder: Path, tmp_path: Path
) -> None:
    files = {"main": folder / "long.mp4", "small": folder / "long.mp4"}
    said: list[str] = []
    with RtspServer(tmp_path, files) as server:
        source = config.StreamSource(record=server.url("main"), detect=server.url("small"))
        recording = config.Recording(no_frame_seconds=12, pre_roll_seconds=1)
        house = House.build(
            tmp_path / "h", camera=config.Camera(source=source, recording=recording)
        )
        app = build(house.config, clock=SystemClock(None), notify=said.append)
        process = threading.Thread(target=app.run)
        process.start()
        _wait(lambda: _told(said, "recording") == 1)
        server.kill()
        _wait(lambda: _told(said, "no-frames") >= 1)
        server.start({"main": folder / "large.mp4", "small": folder / "long.mp4"})
        _wait(lambda: _told(said, "recording") == 2)
        before = _told(said, "no-frames")
        server.freeze()
        _wait(lambda: _told(said, "no-frames") > before)
        server.thaw()
        _wait(lambda: _told(said, "recording") == 3)
        _wait(lambda: _recorded_seconds(app) > 0.5)
        app.stop()
        process.join(PATIENCE_SECONDS)
    with house.open_index() as index:
        clips = sorted(index.clips(), key=lambda clip: clip.started_at)
    assert [_size(house, clip) for clip in clips] == [192, 320, 320]
    assert any("gave no video within 9 s" in words for words in said)
    assert any("127.0.0.1" in words and "no-frames" in words for words in said)


def _size(house: House, clip: Clip) -> int:
    """Width of a clip, which plays from its first picture to its last."""
    assert not clip.truncated
    recording = opened(house, clip)
    played = play(recording)
    assert played.first_is_keyframe
    assert played.pictures == len(played.packets) > 3
    with av.open(io.BytesIO(recording), "r") as container:
        return container.streams.video[0].width


def _recorded_seconds(app: CameraApp) -> float:
    """The length of the clip that is being written."""
    recording = None if app._recorder is None else app._recorder._recording
    return 0.0 if recording is None else recording.seconds


def _told(said: list[str], state: str) -> int:
    return sum(words.startswith(f"STATUS={state}") for words in said)


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
