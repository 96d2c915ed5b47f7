"""A machine that is too slow for its camera: how far behind it is, and who learns of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.camera.health.overload import MOST_BEHIND_SECONDS, Overload
from agent.camera.source import Unjudged
from tests.support.camera_process import RECORDING, CameraProcess
from tests.support.clock import SimulatedClock
from tests.support.video import Video, make

SOURCES: dict[str, tuple[config.Source, str]] = {
    "one stream": (
        config.StreamSource(record="rtsp://cam/main"),
        "set camera.source.detect to the camera's small stream",
    ),
    "two streams": (
        config.StreamSource(record="rtsp://cam/main", detect="rtsp://cam/small"),
        "set camera.source.detect to a smaller stream, or fewer camera.motion.frames_per_second",
    ),
    "webcam": (config.WebcamSource(), "set a smaller camera.source.width and height"),
    "pi": (config.PiSource(), "set a smaller camera.source.width and height"),
}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return make(tmp_path_factory.mktemp("video"), seconds=4)


class Camera:
    """Five pictures a second, and a judgement that takes so many seconds each."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.overload = Overload(monotonic=self.clock.monotonic, advice="set detect")
        self.seconds = self.clock.monotonic()
        self.behind: list[float] = []
        self.judged: list[float] = []

    def run(self, seconds: float, *, cost: float) -> None:
        end = self.seconds + seconds
        while self.seconds < end:
            self.seconds += 0.2
            self.clock.advance(max(self.seconds - self.clock.monotonic(), 0))
            if self.overload.allows(self.seconds):
                self.clock.advance(cost)
                self.behind.append(self.clock.monotonic() - self.seconds)
                self.judged.append(self.seconds)
            self.overload.tick()


@pytest.mark.parametrize("cost", [0.01, 0.05, 0.15, 0.19])
def test_a_machine_that_keeps_up_judges_each_picture_and_says_nothing(cost: float) -> None:
    camera = Camera()
    camera.run(120, cost=cost)
    assert len(camera.judged) == pytest.approx(600, abs=2)
    assert camera.overload.text == ""


@pytest.mark.parametrize("cost", [0.25, 0.3, 0.5, 0.9])
def test_a_detector_that_is_too_slow_stays_within_two_seconds_and_says_so(
    cost: float, caplog: pytest.LogCaptureFixture
) -> None:
    camera = Camera()
    camera.run(180, cost=cost)
    assert max(camera.behind) <= MOST_BEHIND_SECONDS + 2 * cost
    gaps = [after - before for before, after in zip(camera.judged, camera.judged[1:], strict=False)]
    assert max(gaps) <= 1.21, "a picture a second is judged whatever happens"
    assert " s behind, so pictures are left out: set detect" in camera.overload.text
    assert camera.overload.text in caplog.messages
    assert len([line for line in caplog.messages if "behind" in line]) <= 2, "no line a window"
    caplog.set_level(logging.INFO)
    camera.run(100, cost=0.01)
    assert camera.overload.text == ""
    assert caplog.messages[-1] == "the machine keeps up with the camera again"


def test_pictures_that_the_source_left_out_count_and_a_few_of_them_do_not() -> None:
    camera = Camera()
    for _ in range(60):
        camera.run(2, cost=0.01)
        camera.overload.left_out(camera.seconds)
    assert camera.overload.text == "", "one of eleven"
    for _ in range(60):
        camera.run(1, cost=0.01)
        for _ in range(3):
            camera.overload.left_out(camera.clock.monotonic() - 1.3)
    assert camera.overload.text == "2 s behind, so pictures are left out: set detect"


@pytest.mark.parametrize("stall", [0.5, 3.0, 15.0])
def test_a_hang_that_passes_is_no_overload(stall: float) -> None:
    """A network or a disk that stood still: the pictures of that time are late, once."""
    camera = Camera()
    camera.run(60, cost=0.01)
    camera.clock.advance(stall)
    camera.run(120, cost=0.01)
    assert camera.overload.text == ""
    assert camera.behind[-1] < 0.1


def test_a_film_of_another_time_is_never_behind() -> None:
    clock = SimulatedClock()
    overload = Overload(monotonic=clock.monotonic, advice="", live=False)
    for number in range(1_000):
        assert overload.allows(number / 10 - 5_000)
        clock.advance(0.3)
        overload.tick()
    assert overload.text == ""


def test_numbers_grow_in_steps_so_that_little_is_written() -> None:
    camera, texts = Camera(), set()
    for number in range(400):
        camera.clock.advance(1.0)
        camera.seconds += 1.0
        camera.overload.left_out(camera.clock.monotonic() - number / 10)
        camera.overload.tick()
        texts.add(camera.overload.text)
    assert len(texts) <= 9
    assert "60 s behind" in camera.overload.text
    camera.overload.begin()


# The whole process


def slow(process: CameraProcess, seconds: float) -> Callable[[Any, float], bool]:
    """A detector that takes ``seconds`` a picture, and sees what the real one sees."""
    app = process.app()
    detect = app.detector

    def detector(luma: Any, at: float) -> bool:
        process.clock.advance(seconds)
        return detect(luma, at)

    detector.strength = 1.0  # type: ignore[attr-defined]
    app.detector = detector  # type: ignore[assignment]
    process.watch(app)
    app.finish("stopped")
    return detector


@pytest.mark.parametrize("kind", SOURCES)
def test_owners_read_how_far_the_camera_is_behind_and_what_to_set(
    tmp_path: Path, video: Video, kind: str
) -> None:
    source, advice = SOURCES[kind]
    camera = config.Camera(source=source, recording=RECORDING)
    process = CameraProcess(tmp_path, video, camera=camera, seconds=60)
    slow(process, 0.3)  # 2 of 5 pictures at most can be judged
    (said,) = {state for state in process.states() if "behind" in state}
    assert said == f"armed: 3 s behind, so pictures are left out: {advice}"
    assert len(said) <= 200
    assert process.health().state == "stopped"


def test_a_walk_under_overload_is_recorded_whole_and_at_its_time(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=90, motion=[(40, 60)])
    began = process.clock.monotonic()
    slow(process, 0.3)
    first, *_, last = process.clips_as_recorded()
    assert first.monotonic_seconds - began == pytest.approx(38, abs=2)
    assert last.monotonic_seconds + last.duration_seconds - began == pytest.approx(63, abs=2)


def test_a_clip_goes_on_while_its_pictures_are_left_out(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=60, motion=[(10, 14)])
    app = process.app()
    app.step(process.source.open())
    for item in process.source.read():
        at = getattr(item, "seconds", 0.0) - process.source.start
        if type(item).__name__ == "Frame" and 12 <= at < 30:
            app.step(Unjudged(item.seconds, "overload"))
        else:
            app.step(item)
    app.finish("stopped")
    clips = process.clips_as_recorded()
    end = clips[-1].monotonic_seconds + clips[-1].duration_seconds - process.source.start
    assert end == pytest.approx(30 + RECORDING.post_roll_seconds, abs=1)
    assert replace(clips[0], truncated=False) == clips[0]
