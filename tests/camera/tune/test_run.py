"""``clip-agent tune`` on files made here: its film, its plot and its text."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent import config
from agent.camera.detection.detector import MotionDetector
from agent.camera.detection.verdict import Verdict
from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Frame
from agent.camera.tune import run as tune
from agent.camera.tune.clips import Clips, Course
from agent.camera.tune.film import PANEL_HEIGHT, PICTURE_HEIGHT, WIDTH, Painter, says
from agent.camera.tune.plot import draw
from agent.cli import main as cli
from agent.errors import CameraFault, ConfigError
from tests.camera.detection.test_detector import Lens
from tests.support.video import write_video

NOWHERE = Path("/nonexistent/agent.yaml")
RATE = 15
RED = np.array([60, 60, 235])
RECORDING = config.Recording(pre_roll_seconds=2, post_roll_seconds=3, max_clip_seconds=20)
CONFIG = """
device: {name: front-door, place: {latitude: 42.1, longitude: -72.6}}
owners: [owner.card.yaml]
camera:
  zones: {zones}
  recording: {pre_roll_seconds: 2, post_roll_seconds: 3}
"""


def film(path: Path, seconds: float, walk: tuple[float, float]) -> Path:
    """A wall, and somebody who walks by between the seconds of ``walk``."""
    lens = Lens()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = LUMA_WIDTH, LUMA_HEIGHT, "yuv420p"
        for number in range(round(seconds * RATE)):
            at = number / RATE
            box = (round((at - walk[0]) * 60), 60, 220) if walk[0] <= at < walk[1] else None
            planes = np.full((LUMA_HEIGHT * 3 // 2, LUMA_WIDTH), 128, np.uint8)
            planes[:LUMA_HEIGHT] = lens.picture(box=box)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("walker") / "walker.mp4", 14, (6, 9))


def settings(tmp_path: Path, zones: str = "{}") -> Path:
    path = tmp_path / "agent.yaml"
    path.write_text(CONFIG.replace("{zones}", zones))
    return path


def played(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0), frame.to_ndarray(format="bgr24").astype(np.uint8))
            for frame in container.decode(video=0)
        ]


def is_red_rimmed(picture: NDArray[np.uint8]) -> bool:
    """True if the mark of a recording is around ``picture``."""
    rim = picture[100:440, 1:4].reshape(-1, 3).mean(axis=0)
    return bool(np.abs(rim - RED).max() < 40)


def test_a_film_and_a_plot_show_when_clips_would_be_made(
    walker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "folder"
    arguments = ["--config", str(settings(tmp_path)), "--video", str(walker)]
    assert cli.main(["tune", *arguments, "--output", str(output)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert 5 <= len(said) <= 8
    assert said[0] == "walker.mp4: 105 frames in 14 s"
    assert said[1] == "clips it would make: 1 (in seconds)"
    begin, _, end = said[2].split()
    assert 4 <= float(begin) <= 4.8
    assert 11 <= float(end) <= 12.6

    pictures = played(output / "tune.mp4")
    assert len(pictures) == 105
    assert pictures[0][1].shape == (PICTURE_HEIGHT + PANEL_HEIGHT, WIDTH, 3)
    assert pictures[-1][0] == pytest.approx(104 / 7.5, abs=0.05)
    marked = [seconds for seconds, picture in pictures if is_red_rimmed(picture)]
    assert min(marked) == pytest.approx(float(begin), abs=0.2)  # the pre-roll too
    assert max(marked) == pytest.approx(float(end), abs=0.3)
    assert len(marked) == pytest.approx((float(end) - float(begin)) * 7.5, abs=2)

    plot = cv2.imread(str(output / "tune.png"))
    assert plot is not None
    assert plot.shape[1] > 1200
    for name in ("tune.mp4", "tune.png"):
        assert (output / name).stat().st_mode & 0o077 == 0, "they are not sealed"


def test_no_configuration_is_needed_for_a_video_and_seconds_end_it(
    walker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = tune.run(
        config_file=None, default=NOWHERE, video=str(walker), seconds=3, output=tmp_path
    )
    assert done == 0
    said = capsys.readouterr().out
    assert "clips it would make: 0\n" in said
    assert "3 s" in said.splitlines()[0]


def test_the_zones_of_the_configuration_hold_for_a_video(
    walker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = settings(tmp_path, "{exclude: [[[0, 0.3], [1, 0.3], [1, 1], [0, 1]]]}")
    tune.run(config_file=path, default=NOWHERE, video=str(walker), seconds=None, output=tmp_path)
    assert "clips it would make: 0\n" in capsys.readouterr().out


def test_a_privacy_zone_hides_its_part_in_every_picture_of_the_film(
    walker: Path, tmp_path: Path
) -> None:
    path = settings(tmp_path, "{privacy: [[[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]}")
    tune.run(config_file=path, default=NOWHERE, video=str(walker), seconds=None, output=tmp_path)
    for _, picture in played(tmp_path / "tune.mp4"):
        assert picture[20:200, WIDTH // 2 + 20 : -20].mean() < 12
        assert picture[20:200, 20 : WIDTH // 2 - 60].mean() > 30


def test_the_camera_of_the_configuration_is_watched_for_a_while(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.yaml"
    still = "  source: {type: scene, duration_seconds: 1.5, walkers_per_minute: 0}\n"
    path.write_text(CONFIG.replace("{zones}", "{}") + still)
    assert tune.run(config_file=path, default=NOWHERE, video=None, seconds=1, output=tmp_path) == 0
    assert capsys.readouterr().out.startswith("the camera: 8 frames in 1 s\n")


@pytest.mark.parametrize(
    ("video", "says_so"), [("missing.mp4", "no such file"), ("text.mp4", "not a video")]
)
def test_a_file_that_is_no_video_is_named(tmp_path: Path, video: str, says_so: str) -> None:
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(CameraFault, match=says_so):
        tune.run(
            config_file=None,
            default=NOWHERE,
            video=str(tmp_path / video),
            seconds=None,
            output=tmp_path,
        )


def test_without_a_video_there_must_be_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nonexistent"):
        tune.run(config_file=None, default=NOWHERE, video=None, seconds=1, output=tmp_path)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_seconds_must_be_a_time(seconds: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["tune", "--video", "x.mp4", "--seconds", seconds])
    assert ended.value.code == 2


def test_clips_begin_end_and_are_cut_as_the_recorder_does_it() -> None:
    clips = Clips(RECORDING)
    for seconds in (1.0, 3.0, 10.0, 14.0, *(30.0 + number for number in range(50))):
        clips.motion(seconds)
    assert clips.until(200) == [
        (0.0, 6.0),
        (8.0, 13.0),
        (13.0, 17.0),  # not what the clip before has already
        (28.0, 48.0),
        (48.0, 68.0),
        (68.0, 82.0),
    ]
    assert clips.until(75)[-1] == (68.0, 75)
    assert [clips.holds(seconds) for seconds in (5.9, 6.0, 7.9, 8.0)] == [True, False, False, True]


def test_the_panel_says_why_a_frame_does_not_count() -> None:
    lens, detector = Lens(), MotionDetector(frames_per_second=7.5)
    painter = Painter(config.Zones(), min_size=4)
    said: list[str] = []
    boxes = [None] * 38 + [(x, 40, 230) for x in (100, 108, 116)] + [(116, 40, 230)] * 4
    pictures = []
    for number, box in enumerate(boxes):
        frame = Frame(lens.picture(box=box), number / 7.5)
        detector(frame.luma, frame.seconds)
        said.append(says(detector.explain()))
        pictures.append(painter.paint(frame, frame.seconds, detector.explain(), recorded=False))
    assert said[0] == Verdict.SETTLING.value
    assert said[37] == Verdict.NOTHING.value
    assert said[39] == "something moves: 1 of 3 frames, 2 are needed"
    assert said[40] == Verdict.MOVES.value
    assert said[41] == "something moved a moment ago"
    assert said[-1] == Verdict.STANDS.value
    tinted = pictures[40].astype(int) - pictures[37]
    assert (tinted[:PICTURE_HEIGHT, :, 2] - tinted[:PICTURE_HEIGHT, :, 0]).max() > 60
    assert not is_red_rimmed(pictures[40])


def test_the_longest_thing_it_says_stays_clear_of_the_mark_of_a_recording() -> None:
    """In the panel's first line, whatever font the OpenCV at hand has."""
    longest = max([verdict.value for verdict in Verdict], key=len)
    for text in (longest, "something moves: 1 of 3 frames, 2 are needed"):
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 1)
        assert 130 + width < WIDTH - 200


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_recording_has_a_plot_too(tmp_path: Path, frames: int) -> None:
    course = Course(Clips(RECORDING))
    detector = MotionDetector(frames_per_second=7.5)
    for number in range(frames):
        detector(Lens().picture(), number / 7.5)
        course.add(number / 7.5, detector.explain())
    draw(course, config.Motion(), r"a $\frac$ one", tmp_path / "tune.png")
    assert cv2.imread(str(tmp_path / "tune.png")) is not None


def test_a_video_without_a_picture_is_told_apart_from_a_still_one(tmp_path: Path) -> None:
    path = write_video(tmp_path / "sound.mp4", seconds=0, audio=True)
    with pytest.raises(CameraFault, match="no video"):
        tune.run(config_file=None, default=NOWHERE, video=str(path), seconds=None, output=tmp_path)
