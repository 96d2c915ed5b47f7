"""A trim of a 120 s clip at 1080p that begins and ends between keyframes, to the picture.

The pictures before the first keyframe are encoded again, the rest is copied. The process has the
gateway's modules; the best of its runs counts, and its memory is compared with what it had before.
"""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks import footage
from benchmarks.figures import Figure, NotMeasured
from benchmarks.rig import AS_THE_UNIT, Workshop

TITLE = "exact trim of a 120 s clip at 1080p"
SECONDS = 30
_FILM_SECONDS = 120
_RUNS = 3


def measure(workshop: Workshop) -> list[Figure]:
    """The best of the runs."""
    film = workshop.subfolder() / "film.mp4"
    drawn = footage.streams(workshop.cache, (1920, 1080), "busy").main
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-stream_loop", "-1", "-i"]
    command += [str(drawn), "-t", str(_FILM_SECONDS), "-c", "copy", "-movflags"]
    try:
        subprocess.run([*command, "empty_moov+default_base_moof+frag_keyframe", film], check=True)
    except FileNotFoundError as error:
        raise NotMeasured("apt-get install ffmpeg") from error
    runs = [_trimmed(str(film)) for _ in range(_RUNS)]
    best = min(runs, key=lambda run: run["seconds"])
    a_picture = 1000 / footage.FRAMES_PER_SECOND
    return [
        Figure("trim", best["seconds"], "s", 1),
        Figure("processor time", best["processor_seconds"], "s"),
        Figure("pictures encoded again", best["encoded"], ""),
        Figure("first picture after the trim's start", best["late_ms"], "ms", a_picture),
        Figure("last picture before its end", best["early_ms"], "ms", a_picture + 0.001),
        Figure("memory above the idle gateway's", best["peak_mb"] - best["idle_mb"], "MB"),
    ]


def _trimmed(film: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trim_process", film],
        env=dict(AS_THE_UNIT),
        capture_output=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
