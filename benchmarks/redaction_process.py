"""Redacts a film as a gateway does, and prints what it took. Imports no more than a gateway.

python -m benchmarks.redaction_process FILM
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from agent.gateway import app
from benchmarks import procfs

FILM_SECONDS = 30
BOX = (0.15, 0.3)  # width and height
PATHS = (((0.1, 0.1), (0.7, 0.2)), ((0.6, 0.6), (0.1, 0.1)))  # from, to: left and top


def redact(film: Path) -> dict[str, float]:
    """Seconds by the clock and of CPU; resident memory before and at most, in 10^6 bytes."""
    assert app  # what a gateway has in memory while it waits
    idle = procfs.memory("self").rss
    began, used = time.monotonic(), time.process_time()
    from agent.consent.statements import BoxPosition, Redaction
    from agent.media.editing.prepare import prepare

    width, height = BOX
    boxes = [
        Redaction(
            positions=tuple(
                BoxPosition(at_seconds=at, x=x, y=y, width=width, height=height)
                for at, (x, y) in zip((0, FILM_SECONDS), path, strict=True)
            )
        )
        for path in PATHS
    ]
    with film.open("rb") as plain, tempfile.TemporaryFile() as target:
        prepare(plain, target, trim=None, redact=boxes)
    return {
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - used,
        "idle_mb": idle,
        "peak_mb": procfs.peak("self"),
    }


if __name__ == "__main__":
    print(json.dumps(redact(Path(sys.argv[1]))))
