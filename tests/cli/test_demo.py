"""``clip-agent demo``: all roles on one machine, on a film made here."""

from __future__ import annotations

import logging
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from tests.peers.requirements import ROOT, program
from tests.support.commands import typed

Demo = Callable[..., subprocess.CompletedProcess[str]]
SIZE = WIDTH, HEIGHT = 320, 180
RATE = 10
pytestmark = pytest.mark.timeout(600)
SECONDS = 42
CROSSINGS = (6, 24)  # second at which somebody comes into the picture; far enough apart for two
CROSSING_SECONDS = 4


def draw(
    number: int, random: np.random.Generator, crossings: Sequence[int] = CROSSINGS
) -> av.VideoFrame:
    """A wall with grain, past which somebody in white walks now and then."""
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    wall = 90 + 20 * np.sin(np.arange(WIDTH) / 9) + random.normal(0, 1.5, (HEIGHT, WIDTH))
    for begin in crossings:
        share = (number / RATE - begin) / CROSSING_SECONDS
        if 0 <= share < 1:
            left = int(share * (WIDTH - 30))
            wall[60:150, left : left + 30] = 200
    planes[:HEIGHT] = np.clip(wall, 0, 255)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def make_film(path: Path, seconds: int, crossings: Sequence[int] = CROSSINGS) -> Path:
    random = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = RATE
        for number in range(seconds * RATE):
            frame = draw(number, random, crossings)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    """The demo in this process, and the commands of its people too; its daemons are others."""

    def command(words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert words[:3] == [sys.executable, "-m", "agent"]
        return typed(*words[3:], environment=options["env"])

    def play(*options: str | Path) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "run", command)
            return typed("demo", *options, environment={})

    yield play
    for chatty in ("amqtt", "transitions", "agent"):
        logging.getLogger(chatty).setLevel(logging.NOTSET)


def pictures(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def repository() -> set[Path]:
    """Listing of the repository's folder, to show that nothing is left behind in it."""
    return set(ROOT.iterdir()) - {ROOT / "demo-output", ROOT / ".cache"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "kept"


@pytest.fixture(scope="module")
def played(kept: Path) -> subprocess.CompletedProcess[str]:
    """The demo on the film, without a terminal."""
    before = repository()
    film = make_film(kept.parent / "street.mp4", SECONDS)
    done = subprocess.run(
        [sys.executable, "-m", "agent", "demo", "--video", film, "--keep", kept],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert repository() == before
    return done


def test_one_approved_clip_of_several_arrives_and_nothing_before(
    played: subprocess.CompletedProcess[str], kept: Path
) -> None:
    done, keep = played, kept
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]

    assert "the request is in the public log: entry 0 of 1" in lines
    assert "received before approval: 0" in lines
    assert "no terminal to ask at: the demo's owner approves" in lines
    assert "bundle: consistent" in lines
    assert any(line.startswith("ledger: ok, ") for line in lines)
    order = [
        next(number for number, line in enumerate(lines) if line.startswith(step))
        for step in ("received before approval: 0", "bundle: consistent", "ledger: ok")
    ]
    assert order == sorted(order)
    steps = [int(match[1]) for line in lines if (match := re.match(r"(\d+)\. ", line))]
    assert steps == list(range(1, len(steps) + 1))

    sealed = [line for line in lines if line.endswith("bytes, sealed")]
    assert len(sealed) == len(CROSSINGS)
    assert any(f"1 of {len(CROSSINGS)} clips, the approved one" in line for line in lines)

    (opened,) = re.findall(r"opened clip: (\S+\.mp4)", done.stdout)
    (picture,) = re.findall(r"a picture of it: (\S+\.png)", done.stdout)
    assert Path(opened).parent == Path(picture).parent == keep
    assert pictures(Path(opened)) > CROSSING_SECONDS * RATE
    assert pictures(Path(picture)) == 1
    assert len(list(keep.glob("*.mp4"))) == 1
    assert (keep / "state" / "gateway" / "gateway.sqlite").exists()


def test_the_sealed_clip_that_is_left_opens_with_the_owners_key_alone(
    played: subprocess.CompletedProcess[str], kept: Path
) -> None:
    program("age")
    found = re.findall(r"^ +(age -d .*) > opened\.mp4 +# (.*)$", played.stdout, re.M)
    assert [outcome for _, outcome in found] == ["fails", "opens it"]
    tried = [
        subprocess.run(shlex.split(line), cwd=kept, capture_output=True, timeout=60)
        for line, _ in found
    ]
    assert [one.returncode for one in tried] == [1, 0]
    assert b"no identity matched" in tried[0].stderr
    (kept / "opened.mp4").write_bytes(tried[1].stdout)
    assert pictures(kept / "opened.mp4") > CROSSING_SECONDS * RATE


def test_a_declined_request_teaches_the_requester_nothing(
    tmp_path: Path, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal the visitor decides; motion without an end is cut into several clips."""
    film = make_film(tmp_path / "crowd.mp4", 24, crossings=range(3, 24, 3))
    visitor, terminal = pty.openpty()
    os.write(visitor, b"n\n")
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        done = demo("--video", film, "--keep", tmp_path / "kept")
    os.close(visitor)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"You are the owner\. Release clip \d to .*\? \[y/N\]", done.stdout)
    assert "owner: declined; the requester learned nothing" in done.stdout
    assert "    received: 0\n" in done.stdout
    assert len(re.findall("bytes, sealed$", done.stdout, re.M)) > 1
    assert len(list((tmp_path / "kept").glob("*.mp4.age"))) == 1
    assert list((tmp_path / "kept").glob("*.mp4")) == []


def test_a_film_in_which_nothing_moves_ends_with_the_reason(tmp_path: Path, demo: Demo) -> None:
    still = make_film(tmp_path / "still.mp4", 5, crossings=())
    done = demo("--yes", "--video", still, "--keep", tmp_path / "kept")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("clip-agent: nothing moved, so no clip was recorded")
