"""Resident memory: when armed with a full pre-roll, and over 500 clips.

At the start the real command is looked at: 1080p at 2.5 Mbit/s from a network
camera, five seconds of it in the pre-roll. What grows is looked for in a
:mod:`benchmarks.marathon`: the same packets, 500 clips, sealed to a real disk, old
ones deleted. A line is fitted through memory over clips, once it is warm; growth
counts as noise while it is smaller than twice the spread around that line.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from agent import config
from benchmarks import footage, marathon, procfs
from benchmarks.arithmetic import fit
from benchmarks.figures import Figure
from benchmarks.marathon_process import Sample
from benchmarks.player import rhythm
from benchmarks.rig import Workshop

TITLE = "memory of the camera process, 10^6 bytes"
SECONDS = 190
_FILL_SECONDS = 12.0  # longer than the pre-roll
_CLIPS, _WARM_UP_CLIPS = 500, 500
_PAGE_MB = 4096 / 1e6
_FINEST_MB = _CLIPS / 100 * _PAGE_MB  # 41 bytes a clip: less than any object that could leak
_MOVING_SECONDS, _PAUSES = 2.0, (14.0, 16.0)
_MAX_BYTES = 200_000_000  # so that retention works too
_HOUR = 3600.0
_LIMIT = 95


def measure(workshop: Workshop) -> list[Figure]:
    """At the start, and over a day with many visitors."""
    return [*_at_start(workshop), *_over_clips(workshop)]


def _at_start(workshop: Workshop) -> list[Figure]:
    drawn = footage.streams(workshop.cache, (1920, 1080), "still")
    folder = workshop.subfolder()
    files = {
        "main": footage.lengthened(drawn.main, folder / "main.mp4", 90),
        "small": footage.lengthened(drawn.small, folder / "small.mp4", 90),
    }
    figures = []
    with ExitStack() as stack:
        server = stack.enter_context(workshop.rtsp(files))
        main, small = server.url("main"), server.url("small")
        for name, source, target in (
            (
                "1080p copied, 360p substream",
                config.StreamSource(record=main, detect=small),
                _LIMIT,
            ),
            ("1080p copied and decoded", config.StreamSource(record=main), None),
            ("scene 640x360, drawn and encoded", config.SceneSource(walkers_per_minute=0), None),
        ):
            with workshop.camera(source) as camera:
                camera.wait_until("armed")
                camera.watch(_FILL_SECONDS)
                now = procfs.memory(camera.pid)
            note = f"PSS {now.pss:.0f}"
            figures.append(Figure(f"resident, armed: {name}", now.rss, "MB", target, note))
    return figures


def _over_clips(workshop: Workshop) -> list[Figure]:
    video = footage.streams(workshop.cache, (1920, 1080), "busy").main
    motions = rhythm(10.0, _MOVING_SECONDS, _PAUSES, _WARM_UP_CLIPS + _CLIPS)
    result = marathon.run(
        workshop.subfolder(),
        video,
        seconds=motions[-1][1] + 20,
        motions=motions,
        max_bytes=_MAX_BYTES,
    )
    return growth(result.samples)


def growth(samples: Sequence[Sample]) -> list[Figure]:
    """Figures from samples, the first of which was taken before any clip."""
    first_hour = next(sample for sample in samples if sample.seconds >= _HOUR)
    warm = range(_WARM_UP_CLIPS, len(samples))
    line = fit(list(warm), [samples[number].rss for number in warm])
    grown = line.slope * _CLIPS
    return [
        Figure("resident after an hour of clips (simulated)", first_hour.rss, "MB", _LIMIT),
        Figure(
            f"growth over {_CLIPS} clips, by a line through {len(warm)}",
            grown,
            "MB",
            max(2 * line.noise, _FINEST_MB),
            "target: two sigma around the line, or a page in 100 clips",
        ),
        Figure("peak of those samples", max(sample.rss for sample in samples), "MB"),
    ]
