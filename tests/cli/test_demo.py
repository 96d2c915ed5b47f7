"""``clip-agent demo``: all roles on one machine, without a terminal, on a film made here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from tests.peers.requirements import ROOT

SIZE = WIDTH, HEIGHT = 320, 180
RATE = 10
SECONDS = 42
CROSSINGS = (6, 24)  # second at which somebody comes into the picture; far enough apart for two
CROSSING_SECONDS = 4


def draw(number: int, random: np.random.Generator) -> av.VideoFrame:
    """A wall with grain, past which somebody in white walks now and then."""
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    wall = 90 + 20 * np.sin(np.arange(WIDTH) / 9) + random.normal(0, 1.5, (HEIGHT, WIDTH))
    for begin in CROSSINGS:
        share = (number / RATE - begin) / CROSSING_SECONDS
        if 0 <= share < 1:
            left = int(share * (WIDTH - 30))
            wall[60:150, left : left + 30] = 200
    planes[:HEIGHT] = np.clip(wall, 0, 255)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "street.mp4"
    random = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = RATE
        for number in range(SECONDS * RATE):
            frame = draw(number, random)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pictures(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def repository() -> set[Path]:
    """What stands in the repository's folder, so that nothing is left behind in it."""
    return set(ROOT.iterdir()) - {ROOT / "demo-output"}


def test_one_approved_clip_of_several_arrives_and_nothing_before(
    film: Path, tmp_path: Path
) -> None:
    keep, before = tmp_path / "kept", repository()
    command = ["demo", "--yes", "--video", film, "--keep", keep]
    done = subprocess.run(
        [sys.executable, "-m", "agent", *map(str, command)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]

    assert "the request stands in the public log: entry 0 of 1" in lines
    assert "received before approval: 0" in lines
    assert "bundle: ok" in lines
    assert any(line.startswith("ledger: ok, ") for line in lines)
    order = [
        next(number for number, line in enumerate(lines) if line.startswith(step))
        for step in ("received before approval: 0", "bundle: ok", "ledger: ok")
    ]
    assert order == sorted(order)
    steps = [int(match[1]) for line in lines if (match := re.match(r"(\d+)\. ", line))]
    assert steps == list(range(1, len(steps) + 1))

    sealed = [line for line in lines if line.endswith("bytes, sealed")]
    assert len(sealed) == len(CROSSINGS)
    assert any(f"1 of {len(CROSSINGS)} clips, the approved one" in line for line in lines)

    (opened,) = re.findall(r"opened clip: (\S+\.mp4)", done.stdout)
    (picture,) = re.findall(r"a picture from it: (\S+\.png)", done.stdout)
    assert Path(opened).parent == Path(picture).parent == keep
    assert pictures(Path(opened)) > CROSSING_SECONDS * RATE
    assert pictures(Path(picture)) == 1
    assert len(list(keep.glob("*.mp4"))) == 1
    assert (keep / "state" / "agent.sqlite").exists()
    assert repository() == before


def test_a_film_in_which_nothing_moves_ends_with_the_reason(tmp_path: Path) -> None:
    still = tmp_path / "still.mp4"
    with av.open(str(still), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(5 * RATE):
            frame = draw(0, np.random.default_rng(3))
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    done = subprocess.run(
        [sys.executable, "-m", "agent", "demo", "--yes", "--video", str(still),
         "--keep", str(tmp_path / "kept")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("clip-agent: nothing moved, so no clip was recorded")


def test_without_a_terminal_nobody_consents_by_silence(film: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent", "demo", "--video", str(film)]
    done = subprocess.run(
        [*command, "--keep", str(tmp_path / "kept")],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--yes" in done.stderr
    assert not (tmp_path / "kept").exists()
