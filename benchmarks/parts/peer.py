"""The whole camera process against Debian's ``motion``, on the same H.264 stream at once.

Both read one RTSP server over TCP and are watched for the same minute; what counts
is their own CPU time. Ours copies the main stream and looks at the small one, as a
network camera is meant to be used; a second process of ours without a small stream
decodes the main one, as ``motion`` has to. ``motion`` keeps its defaults, except that
it saves films alone. *Detection only*: nothing moves, and it saves nothing at all.
*Recording*: something always moves; it is also shown when it only copies packets.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av

from agent import config
from benchmarks import footage, procfs
from benchmarks.figures import Figure, NotMeasured
from benchmarks.machine import motion_program
from benchmarks.rig import CameraProcess, Workshop

TITLE = "whole camera process beside Debian's motion, CPU seconds per minute of 15 fps video"
SECONDS = 400
_SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
_WARM_UP_SECONDS = 10.0
_MARGIN_SECONDS = 60.0  # of film, for starting
_TARGETS = {("1080p", "busy"): 1 / 15, ("1080p", "still"): 1 / 8}
_DOING = {"busy": "recording", "still": "detection only"}


@dataclass(frozen=True)
class Costs:
    """CPU seconds per minute of video."""

    ours: float
    ours_decoding: float
    motion: float | None
    motion_copying: float | None


def measure(workshop: Workshop) -> list[Figure]:
    """Both sizes, still and busy."""
    return [
        figure
        for size in _SIZES
        for kind in ("still", "busy")
        for figure in figures(size, kind, _measure(workshop, size, kind))
    ]


def figures(size: str, kind: str, costs: Costs) -> list[Figure]:
    """One case: ``size`` of :data:`_SIZES`, ``kind`` still or busy."""
    case = f"{size} {_DOING[kind]}"
    ratio = None if costs.motion is None else costs.ours / costs.motion
    note = "apt-get install motion" if ratio is None else ""
    lines = [
        Figure(f"{case}: ours, 360p substream", costs.ours, "s"),
        Figure(f"{case}: ours, decoding the main stream", costs.ours_decoding, "s"),
        Figure(f"{case}: motion", costs.motion, "s", note=note),
    ]
    if costs.motion_copying is not None:
        lines.append(Figure(f"{case}: motion, copying packets", costs.motion_copying, "s"))
    target = _TARGETS.get((size, kind))
    return [*lines, Figure(f"{case}: ours to motion's", ratio, "ratio", target, note)]


def _measure(workshop: Workshop, size: str, kind: footage.Kind) -> Costs:
    drawn = footage.streams(workshop.cache, _SIZES[size], kind)
    folder = workshop.subfolder()
    length = workshop.seconds + _WARM_UP_SECONDS + _MARGIN_SECONDS
    files = {
        "main": footage.lengthened(drawn.main, folder / "main.mp4", length),
        "small": footage.lengthened(drawn.small, folder / "small.mp4", length),
    }
    busy = kind == "busy"
    with ExitStack() as stack:
        server = stack.enter_context(workshop.rtsp(files))
        main, small = server.url("main"), server.url("small")
        ours = stack.enter_context(workshop.camera(config.StreamSource(record=main, detect=small)))
        decoding = stack.enter_context(workshop.camera(config.StreamSource(record=main)))
        peers: list[_Motion] = []
        if program := motion_program():
            for copy in (False, True)[: 1 + busy]:
                run = _motion(workshop, program, main, _SIZES[size], busy=busy, copy=copy)
                peers.append(stack.enter_context(run))
        for camera in (ours, decoding):
            camera.wait_until("recording" if busy else "armed")
        ours.watch(_WARM_UP_SECONDS)
        watched = [ours.pid, decoding.pid, *(peer.pid for peer in peers)]
        spent = _watch(ours, decoding, watched, workshop.seconds)
        _check_ours(ours, busy=busy)
    for peer in peers:
        peer.check(workshop.seconds, busy=busy)
    motion = [*spent[2:], None, None]
    return Costs(spent[0] or 0.0, spent[1] or 0.0, motion[0], motion[1])


def _watch(
    ours: CameraProcess, decoding: CameraProcess, pids: list[int], seconds: float
) -> list[float | None]:
    """CPU seconds per minute of each process over the same ``seconds``."""
    began = time.monotonic()
    before = [procfs.cpu_seconds(pid) for pid in pids]
    while (left := began + seconds - time.monotonic()) > 0:
        ours.watch(min(left, 0.5))
        decoding.watch(0.001)
    passed = time.monotonic() - began
    return [
        per_minute(procfs.cpu_seconds(pid) - start, passed)
        for pid, start in zip(pids, before, strict=True)
    ]


def per_minute(spent: float, seconds: float) -> float:
    """CPU time ``spent`` in ``seconds`` of live video, scaled to a minute of it."""
    return spent * 60 / seconds


def _check_ours(camera: CameraProcess, *, busy: bool) -> None:
    """Check that the measurement is the one that the line names."""
    states = [said for _, said in camera.heard if said.startswith("STATUS=")]
    wanted = "STATUS=recording" if busy else "STATUS=armed"
    if states[-1] != wanted or (not busy and "STATUS=recording" in states):
        raise RuntimeError(f"the camera was to be {wanted}, and said {states}")


class _Motion:
    """One run of ``motion``, its settings in ``folder``."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self, seconds: float, *, busy: bool) -> None:
        """After its end: it read the stream, and recorded what it should have."""
        log = (self._folder / "motion.log").read_text(errors="replace")
        films = sorted(self._folder.glob("*.mkv")) + sorted(self._folder.glob("*.mp4"))
        if bool(films) != busy or "connected" not in log:
            raise NotMeasured(f"motion did not do its part:\n{log[-2000:]}")
        if busy and sum(_pictures(film) for film in films) < seconds * 10:
            raise NotMeasured(f"motion recorded too little:\n{log[-2000:]}")


def _pictures(film: Path) -> int:
    with av.open(str(film)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


@contextmanager
def _motion(
    workshop: Workshop,
    program: str,
    url: str,
    size: tuple[int, int],
    *,
    busy: bool,
    copy: bool,
) -> Iterator[_Motion]:
    width, height = size
    folder = workshop.subfolder()
    settings = {
        "netcam_url": url,
        "netcam_use_tcp": "on",
        "width": width,
        "height": height,
        "framerate": footage.FRAMES_PER_SECOND,
        "target_dir": folder,
        "movie_output": "on" if busy else "off",
        "movie_passthrough": "on" if copy else "off",
        "movie_filename": "film",
        "picture_output": "off",
        "webcontrol_port": 0,
        "stream_port": 0,
        "log_file": folder / "motion.log",
        "log_level": 6,
    }
    file = folder / "motion.conf"
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    process = subprocess.Popen(
        [program, "-n", "-c", str(file)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _Motion(folder, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
