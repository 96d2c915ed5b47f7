"""From the start of the process to the first armed frame, by the clock and in CPU time.

The real command, as systemd starts it: it is armed when it says so (sd_notify).
The better of three starts, since the first fills the disk's cache. What the detector
then needs to learn the picture is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent import config
from benchmarks import footage, procfs
from benchmarks.figures import Figure
from benchmarks.rig import Workshop

TITLE = "start-up to the first armed frame"
SECONDS = 40
_STARTS = 3
_FILM_SECONDS = 40


def measure(workshop: Workshop) -> list[Figure]:
    """The drawn street, and a network camera with a small stream."""
    with _network(workshop) as stream:
        cases: dict[str, config.Source] = {
            "scene 640x360": config.SceneSource(walkers_per_minute=0),
            "stream 1080p, 360p substream": stream,
        }
        return [
            figure
            for name, source in cases.items()
            for figure in _figures(name, [_start(workshop, source) for _ in range(_STARTS)])
        ]


def _figures(name: str, starts: list[tuple[float, float]]) -> list[Figure]:
    wall, cpu = min(starts)
    return [Figure(name, wall, "s", note=f"{cpu:.2f} s of CPU, best of {len(starts)}")]


def _start(workshop: Workshop, source: config.Source) -> tuple[float, float]:
    """Seconds on the clock and of CPU."""
    with workshop.camera(source) as camera:
        return camera.wait_until("armed"), procfs.cpu_seconds(camera.pid)


@contextmanager
def _network(workshop: Workshop) -> Iterator[config.StreamSource]:
    drawn = footage.streams(workshop.cache, (1920, 1080), "still")
    folder = workshop.subfolder()
    files = {
        "main": footage.lengthened(drawn.main, folder / "main.mp4", _FILM_SECONDS),
        "small": footage.lengthened(drawn.small, folder / "small.mp4", _FILM_SECONDS),
    }
    with workshop.rtsp(files) as server:
        yield config.StreamSource(record=server.url("main"), detect=server.url("small"))
