"""Cameras that answer no: "not yet" is tried again soon for ever, a refused login seldom."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import config
from agent.camera.app import build
from agent.camera.source import Interruption, Item, Packet, VideoFormat
from agent.camera.sources.network.reconnect import LONGEST_SECONDS
from agent.camera.sources.network.track import TurnedAway
from agent.vault import camera_state
from tests.camera.sources.network.test_source import stream
from tests.peers.bendable_camera import BendableCamera
from tests.support.clock import NapClock
from tests.support.house import House
from tests.support.video import Video, make

PATIENCE_SECONDS = 60.0
NOT_YET = [
    "400 Bad Request",
    "404 Not Found",
    "408 Request Timeout",
    "410 Gone",
    "429 Too Many Requests",
    "451 Parameter Not Understood",
    "453 Not Enough Bandwidth",
    "454 Session Not Found",
    "461 Unsupported Transport",
    "500 X",
    "503 Service Unavailable",
    "551 Option not supported",
]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return make(tmp_path_factory.mktemp("video"), seconds=4)


def interruptions(items: Iterator[Item], number: int) -> list[Interruption]:
    found = (item for item in items if isinstance(item, Interruption))
    return list(itertools.islice(found, number))


def format_and_packet(items: Iterator[Item]) -> tuple[VideoFormat, Packet]:
    video = next(item for item in items if isinstance(item, VideoFormat))
    return video, next(item for item in items if isinstance(item, Packet))


@pytest.mark.parametrize("status", NOT_YET)
def test_every_answer_but_a_refused_login_is_tried_again_soon_for_as_long_as_it_lasts(
    video: Video, status: str
) -> None:
    with BendableCamera(video) as camera:
        camera.status = status
        source = stream(camera.url("main"), clock=NapClock())
        items = source.read()
        first = source.open()
        assert isinstance(first, Interruption)
        refused = [first, *interruptions(items, 3)]
        assert all(each.retry_seconds <= LONGEST_SECONDS <= 10 for each in refused)
        assert not any(isinstance(each.fault, TurnedAway) for each in refused)
        assert "now" in first.fault.message
        assert first.fault.advice
        camera.status = ""
        assert format_and_packet(items)[1].keyframe
        source.close()


@pytest.mark.parametrize("status", ["404 Not Found", "503 Service Unavailable"])
def test_a_camera_in_service_that_says_not_yet_is_back_soon(video: Video, status: str) -> None:
    with BendableCamera(video) as camera:
        source = stream(camera.url("main"), clock=NapClock())
        assert isinstance(source.open(), VideoFormat)
        items = source.read()
        camera.status = status
        camera.drop()
        refused = interruptions(items, 7)
        assert [each.retry_seconds for each in refused[-2:]] == [8, 8]
        camera.status = ""
        format_and_packet(items)
        source.close()


def test_a_camera_whose_port_is_closed_at_the_start_is_found_when_it_opens(video: Video) -> None:
    camera = BendableCamera(video)
    camera.start()
    camera.kill()
    source = stream(camera.url("main"), clock=NapClock())
    first = source.open()
    assert isinstance(first, Interruption)
    assert "refuses the connection" in first.fault.message
    items = source.read()
    assert [each.retry_seconds for each in interruptions(items, 2)] == [2, 4]
    camera.start()
    format_and_packet(items)
    source.close()
    camera.kill()


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_login_that_is_refused_at_the_start_is_tried_twelve_times_an_hour(
    video: Video, status: str
) -> None:
    with BendableCamera(video) as camera:
        camera.status = status
        source = stream(camera.url("main", login="viewer:hunter2"), clock=NapClock(2_000))
        items = source.read()
        first = source.open()
        assert isinstance(first, Interruption)
        assert isinstance(first.fault, TurnedAway)
        assert [first.retry_seconds, *(e.retry_seconds for e in interruptions(items, 2))] == [
            300,
            300,
            300,
        ]
        source.close()


def test_the_process_waits_for_its_camera_and_says_so_once(
    video: Video, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    with BendableCamera(video) as camera, caplog.at_level(logging.INFO):
        camera.status = "404 Not Found"
        source = config.StreamSource(record=camera.url("main"))
        house = House.build(tmp_path, camera=config.Camera(source=source))
        app = build(house.config, clock=NapClock(), notify=said.append)
        process = threading.Thread(target=app.run)
        process.start()
        try:
            wait_until(lambda: camera.requests.count("DESCRIBE") >= 5)
            assert "READY=1" in said, "systemctl start would wait for a camera that may never come"
            assert noted(house) == "no-frames"
            assert sum("no such stream now" in each.message for each in caplog.records) == 1
            camera.status = ""
            wait_until(lambda: noted(house) in ("armed", "recording"))
        finally:
            app.stop()
            process.join(PATIENCE_SECONDS)
        assert noted(house) == "stopped"


def noted(house: House) -> str:
    said = camera_state.read(house.config.state_dir)
    return said.state if said else ""


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
