"""Trims a film as a gateway does, and prints what it took. Imports no more than a gateway.

python -m benchmarks.trim_process FILM
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from agent.gateway import app
from benchmarks import procfs

FROM_SECONDS, TO_SECONDS = 10.5, 115.2


def trim(film: Path) -> dict[str, float]:
    """Seconds, pictures, and resident memory before and at most, in 10^6 bytes."""
    assert app  # what a gateway has in memory while it waits
    idle = procfs.memory("self").rss
    began, computed = time.monotonic(), time.process_time()
    from agent.consent.statements import Trim
    from agent.media.editing.prepare import prepare

    span = Trim(from_seconds=FROM_SECONDS, to_seconds=TO_SECONDS)
    with film.open("rb") as plain, tempfile.TemporaryFile() as target:
        told = prepare(plain, target, trim=span, redact=())
    seconds = time.monotonic() - began
    return {
        "seconds": seconds,
        "processor_seconds": time.process_time() - computed,
        "idle_mb": idle,
        "peak_mb": procfs.peak("self"),
        "encoded": told.encoded,
        "late_ms": (told.first_seconds - FROM_SECONDS) * 1000,
        "early_ms": (TO_SECONDS - told.last_seconds) * 1000,
    }


if __name__ == "__main__":
    print(json.dumps(trim(Path(sys.argv[1]))))
