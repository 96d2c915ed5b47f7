"""A real disk that is full to the last byte: the loss is bounded, and recording goes on later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.peers.requirements import ROOT, missing, need


def test_a_disk_that_others_fill_to_the_last_byte_stops_the_recording_for_a_while(
    tmp_path: Path,
) -> None:
    need("unshare")
    disk, scratch = tmp_path / "disk", tmp_path / "scratch"
    disk.mkdir()
    scratch.mkdir()
    mount = f"mount -t tmpfs -o size=24m tmpfs {disk}"
    probe = subprocess.run(["unshare", "--mount", "sh", "-c", mount], check=False)
    if probe.returncode:
        missing("a file system cannot be mounted here", "run the tests as root")
    program = f"{sys.executable} -m tests.camera.recording.full_disk {disk} {scratch}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{mount} && exec {program}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["states"] == ["armed", "recording", "disk-full", "armed", "recording", "armed"]
    assert said["noted"] == "armed"
    whole = [truncated for _, truncated in said["clips"]][-1]
    assert not whole, "the clip after it is a whole one"
    assert [True for _, truncated in said["clips"] if truncated] == [True], "the one it cut off"
    assert "the disk is full" in done.stderr
