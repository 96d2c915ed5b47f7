"""The camera as a process of its own: killed, asked to end, and watched while idle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent import config
from agent.errors import ClipDamaged
from agent.vault import camera_state
from agent.vault.clips.seal import open_stream
from agent.vault.clips.store import Clip, ClipStore
from agent.vault.locks import is_camera_at_work
from tests.camera.test_app import opened
from tests.peers.requirements import ROOT
from tests.peers.strict_camera import StrictCamera
from tests.support.house import House
from tests.support.video import play, write_video

PATIENCE_SECONDS = 100.0
RUN = """
import sys
from pathlib import Path
from agent import config
from agent.camera import app
from agent.errors import ClipAgentError
try:
    sys.exit(app.run(config.load(Path(sys.argv[1]))))
except ClipAgentError as error:
    sys.exit(f"clip-agent: {error}")
"""


def source(tmp_path: Path, seconds: float) -> config.StreamSource:
    """A file in which something always moves, played as if it were a camera."""
    file = write_video(tmp_path / f"{seconds}.mp4", seconds=seconds, size=(320, 180))
    return config.StreamSource(record=str(file), pace="real-time")


def household(tmp_path: Path, camera: config.Camera) -> tuple[House, Path]:
    house = House.build(tmp_path / "house", camera=camera)
    path = tmp_path / "agent.yaml"
    path.write_text(config.effective(house.config))
    return house, path


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def sealed_bytes(house: House) -> int:
    """The bytes of the current recording that have reached the disk."""
    parts = list((house.config.state_dir / "camera" / "clips").rglob("*.mp4.age.part"))
    return sum(part.stat().st_size for part in parts)


def clips(house: House) -> list[Clip]:
    with house.open_index() as index:
        return index.clips()


def test_a_recording_cut_off_by_sigkill_is_there_after_the_restart_and_plays(
    tmp_path: Path,
) -> None:
    house, path = household(tmp_path, config.Camera(source=source(tmp_path, 40)))
    camera = start(path)
    wait_until(lambda: sealed_bytes(house) > 3 * 65_536)
    camera.kill()
    camera.communicate()
    assert clips(house) == []

    short = config.Camera(source=source(tmp_path, 0.5))
    path.write_text(config.effective(msgspec.structs.replace(house.config, camera=short)))
    again = start(path)
    _, said = again.communicate(timeout=PATIENCE_SECONDS)
    assert (again.returncode, said) == (0, "")

    (clip,) = clips(house)
    assert clip.truncated
    plain = b"".join(_whole_chunks(house, clip))
    played = play(plain)
    assert played.first_is_keyframe
    assert played.pictures >= 15


def _whole_chunks(house: House, clip: Clip) -> list[bytes]:
    """The chunks that age gives back of a file that was cut off."""
    chunks = []
    with house.open_index() as index:
        store = ClipStore(
            house.config.state_dir, index, recipients=house.recipients, clock=house.clock
        )
        with store.open_sealed(clip.id) as sealed:
            plain = open_stream(sealed, house.owner.identity)
            try:
                while chunk := plain.read(65_536):
                    chunks.append(chunk)
            except ClipDamaged:
                assert chunks
    return chunks


def test_a_camera_that_refuses_the_password_at_the_start_is_left_alone_and_the_process_stays(
    tmp_path: Path,
) -> None:
    with StrictCamera() as strict:
        stream = config.StreamSource(record=strict.url("main"), detect=strict.url("small"))
        house, path = household(tmp_path, config.Camera(source=stream))
        camera = start(path)
        wait_until(lambda: strict.logins > 0 and noted(house) == "no-frames")
        time.sleep(1)
        assert camera.poll() is None, "a new start would send the password again"
        assert is_camera_at_work(house.config.state_dir)
        camera.send_signal(signal.SIGTERM)
        _, said = camera.communicate(timeout=PATIENCE_SECONDS)
    assert camera.returncode == 0
    assert strict.logins == 1
    assert "refuses the name or password" in said
    assert "next try in 300 s" in said
    assert "hunter2" not in said


def noted(house: House) -> str:
    """The state that the camera noted last."""
    said = camera_state.read(house.config.state_dir)
    return said.state if said else ""


def test_sigterm_finishes_the_clip_and_ends_with_0(tmp_path: Path) -> None:
    house, path = household(tmp_path, config.Camera(source=source(tmp_path, 40)))
    camera = start(path)
    wait_until(lambda: sealed_bytes(house) > 0)
    camera.send_signal(signal.SIGTERM)
    _, said = camera.communicate(timeout=PATIENCE_SECONDS)
    assert (camera.returncode, said) == (0, "")
    (clip,) = clips(house)
    assert not clip.truncated
    assert play(opened(house, clip)).pictures == round(clip.duration_seconds * 15)


def test_a_fault_of_the_camera_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    nowhere = config.StreamSource(record="/srv/none.mp4", pace="import")
    _, path = household(tmp_path, config.Camera(source=nowhere))
    camera = start(path)
    _, said = camera.communicate(timeout=PATIENCE_SECONDS)
    assert camera.returncode == 1
    assert said == (
        "clip-agent: /srv/none.mp4 (record): there is no such file. "
        "Check camera.source in agent.yaml\n"
    )


IDLE = """
import json, os, sys
from pathlib import Path
from agent import config
from agent.camera import app
from tests.support.clock import SimulatedClock

settings = config.load(Path(sys.argv[1]))
clock = SimulatedClock()
begin = clock.monotonic()
looks = []

def look():
    tree = {}
    for path in sorted(settings.state_dir.rglob("*")):
        status = path.stat()
        tree[str(path)] = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {
        "at": clock.monotonic() - begin,
        "tree": tree,
        "written": {name: counters[name] for name in ("wchar", "syscw", "write_bytes")},
    }

def notify(said):
    at = clock.monotonic() - begin
    if said == "WATCHDOG=1" and at >= (10, 80, 1e9)[len(looks)]:
        looks.append(look())
        if len(looks) == 2:
            camera.stop()

camera = app.build(settings, clock=clock, notify=notify)
camera.run()
print(json.dumps(looks))
"""


def test_on_a_still_scene_nothing_at_all_is_written_for_a_minute(tmp_path: Path) -> None:
    """Not by the process, as the kernel counts, nor to any file of the vault."""
    still = config.SceneSource(width=320, height=180, walkers_per_minute=0)
    _, path = household(tmp_path, config.Camera(source=still))
    done = subprocess.run(
        [sys.executable, "-c", IDLE, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, after = json.loads(done.stdout)
    assert after["at"] - before["at"] >= 60
    assert len(before["tree"]) >= 1
    assert after["tree"] == before["tree"]
    assert after["written"] == before["written"]
