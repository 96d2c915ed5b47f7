"""A running camera is recognized by its lock, not by its last state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import StorageFault
from agent.vault.clips.camera_lock import at_work, camera_state, is_at_work
from agent.vault.database.index import Health
from tests.peers.requirements import ROOT
from tests.support.clock import SimulatedClock

HOLD = """
import sys
from pathlib import Path
from tests.support.clock import SimulatedClock
from agent.vault.clips.camera_lock import at_work
with at_work(Path(sys.argv[1]), clock=SimulatedClock()):
    print("at work", flush=True)
    sys.stdin.read()
"""


def said(state: str) -> Health:
    return Health("camera", 1.0, state, "", None)


def test_it_is_at_work_while_it_holds_the_lock(tmp_path: Path) -> None:
    assert not is_at_work(tmp_path), "nothing is there yet"
    assert list(tmp_path.iterdir()) == []
    with at_work(tmp_path, clock=SimulatedClock()):
        assert is_at_work(tmp_path)
    assert not is_at_work(tmp_path)


def test_a_killed_process_is_not_at_work(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as camera:
        assert camera.stdout is not None
        assert camera.stdout.readline() == "at work\n"
        assert is_at_work(tmp_path)
        camera.kill()
    assert not is_at_work(tmp_path)


def test_two_cameras_do_not_record_into_one_vault(tmp_path: Path) -> None:
    clock = SimulatedClock()
    with (
        at_work(tmp_path, clock=clock),
        pytest.raises(StorageFault, match="another clip-agent camera") as caught,
        at_work(tmp_path, clock=clock),
    ):
        pass
    assert caught.value.advice
    assert sum(clock.slept) < 5, "it does not wait for long"
    with at_work(tmp_path, clock=clock):
        pass


def test_a_look_at_the_lock_does_not_block_the_camera(tmp_path: Path) -> None:
    clock = SimulatedClock()
    with at_work(tmp_path, clock=clock):
        pass
    for _ in range(3):
        assert not is_at_work(tmp_path)
        with at_work(tmp_path, clock=clock):
            assert is_at_work(tmp_path)
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
def test_the_last_state_of_a_dead_camera_counts_if_it_was_an_end(
    last_word: str, running: bool, believed: str
) -> None:
    assert camera_state(said(last_word), running=running) == believed


def test_a_camera_that_restarts_for_want_of_frames_is_not_called_dead() -> None:
    assert camera_state(said("no-frames"), running=False, restarts=True) == "no-frames"
    assert camera_state(said("recording"), running=False, restarts=True) == "not-running"


def test_a_missing_camera_has_never_started() -> None:
    assert camera_state(None, running=False) == "never started"
