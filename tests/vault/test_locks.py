"""A process at work is known by its lock, not by its last word."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import StorageFault
from agent.vault.camera_state import CameraState, judged_state
from agent.vault.locks import (
    camera_at_work,
    gateway_at_work,
    is_camera_at_work,
    is_gateway_at_work,
)
from tests.peers.requirements import ROOT
from tests.support.clock import SimulatedClock

HOLD = """
import sys
from pathlib import Path
from tests.support.clock import SimulatedClock
from agent.vault.locks import camera_at_work
with camera_at_work(Path(sys.argv[1]), clock=SimulatedClock()):
    print("at work", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    (tmp_path / "camera").mkdir()
    (tmp_path / "gateway").mkdir()


def said(state: str) -> CameraState:
    return CameraState(state=state, detail="", at=1.0, version="1")


def test_it_is_at_work_while_it_holds_the_lock(tmp_path: Path) -> None:
    assert not is_camera_at_work(tmp_path), "nothing is there yet"
    assert list((tmp_path / "camera").iterdir()) == []
    with camera_at_work(tmp_path, clock=SimulatedClock()):
        assert is_camera_at_work(tmp_path)
    assert not is_camera_at_work(tmp_path)


def test_a_killed_process_is_not_at_work(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as camera:
        assert camera.stdout is not None
        assert camera.stdout.readline() == "at work\n"
        assert is_camera_at_work(tmp_path)
        camera.kill()
    assert not is_camera_at_work(tmp_path)


def test_two_cameras_do_not_record_into_one_vault(tmp_path: Path) -> None:
    clock = SimulatedClock()
    with (
        camera_at_work(tmp_path, clock=clock),
        pytest.raises(StorageFault, match="another clip-agent camera") as caught,
        camera_at_work(tmp_path, clock=clock),
    ):
        pass
    assert caught.value.advice
    assert sum(clock.slept) < 5, "it does not wait for long"
    with camera_at_work(tmp_path, clock=clock):
        pass


def test_a_second_gateway_refuses_to_start(tmp_path: Path) -> None:
    clock = SimulatedClock()
    assert not is_gateway_at_work(tmp_path)
    with gateway_at_work(tmp_path, clock=clock):
        assert is_gateway_at_work(tmp_path)
        with (
            pytest.raises(StorageFault, match=f"another clip-agent gateway runs on {tmp_path}"),
            gateway_at_work(tmp_path, clock=clock),
        ):
            pass
    assert not is_gateway_at_work(tmp_path)


def test_nobody_but_the_camera_can_open_the_file_that_keeps_another_from_starting(
    tmp_path: Path,
) -> None:
    with camera_at_work(tmp_path, clock=SimulatedClock()):
        assert (tmp_path / "camera" / "lock").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "camera" / "alive").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_lock_on_what_others_may_open_does_not_stop_the_camera(tmp_path: Path, kind: int) -> None:
    """Finding 5 of security.md: a gateway that was taken over held such a lock."""
    clock = SimulatedClock()
    alive = tmp_path / "camera" / "alive"
    with camera_at_work(tmp_path, clock=clock):
        pass
    folder = os.open(tmp_path / "camera", os.O_RDONLY)
    with alive.open("rb") as held:
        fcntl.flock(held, kind | fcntl.LOCK_NB)
        fcntl.flock(folder, kind | fcntl.LOCK_NB)
        with camera_at_work(tmp_path, clock=clock):
            assert is_camera_at_work(tmp_path)
    os.close(folder)
    assert clock.slept == []


def test_whoever_looks_does_not_keep_the_camera_from_starting(tmp_path: Path) -> None:
    clock = SimulatedClock()
    with camera_at_work(tmp_path, clock=clock):
        pass
    for _ in range(3):
        assert not is_camera_at_work(tmp_path)
        with camera_at_work(tmp_path, clock=clock):
            assert is_camera_at_work(tmp_path)
    assert clock.slept == []


@pytest.mark.parametrize(
    ("last_word", "running", "believed"),
    [
        ("recording", True, "recording"),
        ("recording", False, "not-running"),
        ("armed", False, "not-running"),
        ("disk-full", False, "not-running"),
        ("storage-failed", False, "not-running"),
        ("no-frames", True, "no-frames"),
        ("no-frames", False, "not-running"),
        ("stopped", False, "stopped"),
        ("failed", False, "failed"),
    ],
)
def test_what_a_dead_camera_said_last_is_believed_if_it_was_its_end(
    last_word: str, running: bool, believed: str
) -> None:
    assert judged_state(said(last_word), running=running) == believed


def test_a_camera_that_is_started_again_after_it_lost_its_pictures_is_not_called_dead() -> None:
    assert judged_state(said("no-frames"), running=False, restarts=True) == "no-frames"
    assert judged_state(said("recording"), running=False, restarts=True) == "not-running"


def test_a_camera_that_never_was_there_never_started() -> None:
    assert judged_state(None, running=False) == "never started"
