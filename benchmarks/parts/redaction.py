"""Two boxes that move over 30 s of 1080p: time beside FFmpeg's, and memory above idle.

FFmpeg fills boxes of the same size with ``drawbox``, moved before each picture by ``sendcmd``, and
encodes with the same settings. Both take turns; the better of their runs counts. Ours is a
process with the gateway's modules, whose memory is compared with what it had before.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from agent.media.editing.encoding import X264_OPTIONS
from benchmarks import footage
from benchmarks.figures import Figure, NotMeasured
from benchmarks.redaction_process import BOX, FILM_SECONDS, PATHS
from benchmarks.rig import AS_THE_UNIT, Workshop

TITLE = "two moving boxes over 30 s of 1080p"
SECONDS = 120
_SIZE = (1920, 1080)
_RUNS = 2
_MEGABYTES = 150


def measure(workshop: Workshop) -> list[Figure]:
    """Ours and FFmpeg's in turn."""
    folder = workshop.subfolder()
    film = folder / "film.mp4"
    drawn = footage.streams(workshop.cache, _SIZE, "busy").main
    again = ["-stream_loop", "-1", "-i", str(drawn), "-t", str(FILM_SECONDS), "-c", "copy"]
    _ffmpeg(*again, "-movflags", "empty_moov+default_base_moof+frag_keyframe", str(film))
    runs = [(_ours(film), _theirs(film, folder)) for _ in range(_RUNS)]
    ours, theirs = (min(run[side]["seconds"] for run in runs) for side in (0, 1))
    cpu, their_cpu = (min(run[side]["cpu_seconds"] for run in runs) for side in (0, 1))
    above = max(one["peak_mb"] - one["idle_mb"] for one, _ in runs)
    return [
        Figure("ours", ours, "s", note=f"{cpu:.1f} s of CPU, best of {_RUNS}"),
        Figure("FFmpeg with drawbox", theirs, "s", note=f"{their_cpu:.1f} s of CPU"),
        Figure("ours to FFmpeg's", ours / theirs, "ratio", 1.2),
        Figure("ours to FFmpeg's, CPU", cpu / their_cpu, "ratio"),
        Figure("memory above the idle gateway's", above, "MB", _MEGABYTES),
    ]


def _ours(film: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.redaction_process", str(film)],
        env=dict(AS_THE_UNIT),
        capture_output=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _theirs(film: Path, folder: Path) -> dict[str, float]:
    """Seconds that FFmpeg takes, from its start to its end, by the clock and of all processors."""
    rate = footage.FRAMES_PER_SECOND
    commands = folder / "commands"
    with commands.open("w") as file:
        for number in range(FILM_SECONDS * rate):
            share = number / (FILM_SECONDS * rate)
            orders = [
                f"drawbox@{name} {axis} {round((a + (b - a) * share) * size / 2) * 2}"
                for name, (begin, end) in enumerate(PATHS)
                for axis, a, b, size in zip("xy", begin, end, _SIZE, strict=True)
            ]
            file.write(f"{number / rate:.5f} {', '.join(orders)};\n")
    width, height = (round(share * size) for share, size in zip(BOX, _SIZE, strict=True))
    place = f"x=0:y=0:w={width}:h={height}:color=0x808080:t=fill"
    boxes = ",".join(f"drawbox@{name}={place}" for name in range(len(PATHS)))
    encoder = [part for name, value in X264_OPTIONS.items() for part in (f"-{name}", value)]
    began, used = time.monotonic(), _children_seconds()
    into = [*encoder, "-g", str(2 * rate), str(folder / "theirs.mp4")]
    moving = ["-filter_complex", f"sendcmd=f={commands},{boxes}"]
    _ffmpeg("-i", str(film), *moving, "-c:v", "libx264", *into)
    return {
        "seconds": time.monotonic() - began,
        "cpu_seconds": _children_seconds() - used,
    }


def _children_seconds() -> float:
    """CPU time of the ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ffmpeg(*arguments: str) -> None:
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *arguments]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError as error:
        raise NotMeasured("apt-get install ffmpeg") from error
