"""A camera on a disk that others fill to the last byte while a clip is being recorded.

    unshare --mount sh -c 'mount -t tmpfs -o size=24m tmpfs FOLDER &&
                           python -m tests.camera.recording.full_disk FOLDER SCRATCH'

Run by ``test_full_disk.py``, which judges. Prints one JSON object: the states that were
said, the one that was noted, and how many clips there were before and after.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent import config
from agent.camera.app import build
from tests.support.camera_process import CameraProcess
from tests.support.video import make


def fill(file: Path) -> None:
    """Write until nothing fits any more."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    for size in (1 << 16, 4096, 1):
        try:
            while True:
                os.write(descriptor, bytes(size))
        except OSError:
            continue
    os.close(descriptor)


def main(disk: Path, scratch: Path) -> None:
    process = CameraProcess(disk, make(scratch, seconds=4), seconds=120, motion=[(5, 20), (60, 80)])
    storage = config.Storage(max_bytes=20_000_000, min_free_bytes=1_000_000)
    process.house.config = msgspec.structs.replace(process.house.config, storage=storage)
    for number in range(4):
        process.house.record(seconds_ago=3600 - 600 * number, video=os.urandom(2_500_000))
    before = len(process.clips())
    app = build(
        process.house.config,
        clock=process.clock,
        source=process.source,
        notify=process.notify,
        machine=process.machine,
    )
    app.start()
    events: dict[float, Callable[[], object]] = {10: lambda: fill(disk / "of others")}
    process.watch(app, events)
    told = [state.partition(":")[0] for state in process.states()]
    print(  # noqa: T201
        json.dumps(
            {
                "states": told,
                "noted": process.health().state,
                "before": before,
                "clips": [[clip.id, clip.truncated] for clip in process.clips_as_recorded()],
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
