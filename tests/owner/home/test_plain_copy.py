"""`owner preview` at a terminal with a desktop: the plain copy does not outlive the command."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.keyfile import PASSPHRASE_VARIABLE
from agent.owner.home import plain_copy
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.owner.conftest import PASSPHRASE
from tests.peers.requirements import ROOT
from tests.support import footage

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Desk:
    """A computer with a player that notes its environment, and a temporary folder of its own."""

    owner: OwnerAtHome
    name: str
    root: Path

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def preview(self, end: Callable[[int, int], None]) -> int:
        """Preview a clip until it can be seen, then ``end`` (process, terminal); the status."""
        folder = str(self.owner.folder.path)
        command = ["owner", "preview", "1", "--request", self.name, "--home", folder]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PATH": f"{self.root}:{os.environ['PATH']}",
            "DISPLAY": ":0",
            "TMPDIR": str(self.temporary),
            PASSPHRASE_VARIABLE: PASSPHRASE,
            f"{PASSPHRASE_VARIABLE}_OTHER": PASSPHRASE,
        }
        process, terminal = pty.fork()
        if process == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored by what runs in a background
            os.execve(sys.executable, [sys.executable, "-m", "agent", *command], environment)
        said, deadline = b"", time.monotonic() + PATIENCE_SECONDS
        while b"Press Enter" not in said:
            assert time.monotonic() < deadline, said
            if select.select([terminal], [], [], 1)[0]:
                said += os.read(terminal, 4096)
        assert self.copies(), "the clip can be seen"
        end(process, terminal)
        while not (ended := os.waitpid(process, os.WNOHANG))[0]:
            assert time.monotonic() < deadline, "the command does not end"
            time.sleep(0.5)
            if end in (ctrl_c, terminated):  # readline misses a signal that comes as it starts
                end(process, terminal)
        if end is not closed:
            os.close(terminal)
        return os.waitstatus_to_exitcode(ended[1])

    def copies(self) -> list[Path]:
        return list(self.temporary.rglob("*.mp4"))


@pytest.fixture
def desk(locked_at_home: OwnerAtHome, camera: FakeCamera, request_jws: str, tmp_path: Path) -> Desk:
    name = locked_at_home.post(request_jws, offers=[camera.record(footage.record(1))])
    locked_at_home.run("inbox")
    desk = Desk(locked_at_home, name, tmp_path / "desk")
    desk.temporary.mkdir(parents=True)
    player = desk.root / "xdg-open"
    player.write_text(f"#!/bin/sh\nenv > {desk.root}/environment\n")
    player.chmod(0o755)
    return desk


def enter(_: int, terminal: int) -> None:
    os.write(terminal, b"\n")


def ctrl_c(_: int, terminal: int) -> None:
    os.write(terminal, b"\x03")


def ctrl_d(_: int, terminal: int) -> None:
    os.write(terminal, b"\x04")


def closed(_: int, terminal: int) -> None:
    os.close(terminal)


def terminated(process: int, _: int) -> None:
    os.kill(process, signal.SIGTERM)


def killed(process: int, _: int) -> None:
    os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("end", [enter, ctrl_c, ctrl_d, closed, terminated])
def test_no_plain_copy_stays_however_a_preview_ends(
    desk: Desk, camera: FakeCamera, end: Callable[[int, int], None]
) -> None:
    with camera.serve(desk.owner.broker):
        code = desk.preview(end)
    assert not list(desk.temporary.iterdir())
    assert (code == 0) == (end in (enter, ctrl_d))
    assert PASSPHRASE not in (desk.root / "environment").read_text()


def test_the_plain_copy_of_a_killed_preview_goes_with_the_next_command(
    desk: Desk, camera: FakeCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    with camera.serve(desk.owner.broker):
        assert desk.preview(killed) == -signal.SIGKILL
    assert desk.copies()
    monkeypatch.setattr(tempfile, "tempdir", str(desk.temporary))
    desk.owner.run("inbox")
    assert not list(desk.temporary.iterdir())


def test_another_command_leaves_the_clip_that_is_being_seen_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with plain_copy.folder() as folder:
        plain_copy.sweep()
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
