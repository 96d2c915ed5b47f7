"""Bytes on their way to the disk: none while idle, little more than the video while recording.

The kernel's own count (``write_bytes``: whole pages sent towards a disk, also for the
index, its log and the sidecars), against the bytes of the packets that the finished
clips hold. The real command is watched on a still and on a busy network camera at
once; an idle hour, and short clips, are played to the app. Those cost more a byte, and
more than they would by the clock: simulated time outruns the disk, and so each chunk
is synced by itself. They are shown without a target.
"""

from __future__ import annotations

import io
from contextlib import ExitStack

import av

from agent import config
from benchmarks import footage, marathon, procfs
from benchmarks.figures import Figure, NotMeasured
from benchmarks.marathon_process import Result
from benchmarks.player import rhythm
from benchmarks.procfs import Written
from benchmarks.rig import CameraProcess, Workshop
from tests.support.video import unseal

TITLE = "bytes written to disk"
SECONDS = 120
_SETTLE_SECONDS = 10.0
_MOST_PER_BYTE = 1.03
_HOUR = 3600.0
_CLIPS = 20


def measure(workshop: Workshop) -> list[Figure]:
    """The real command by the clock, then the app by a simulated one."""
    if _is_memory(workshop):
        raise NotMeasured(f"{workshop.folder} is not on a disk: set TMPDIR")
    return [*_by_the_clock(workshop), *_simulated(workshop)]


def _is_memory(workshop: Workshop) -> bool:
    """True if the kernel counts no bytes for files in the folder (tmpfs)."""
    before = procfs.written("self").stored
    probe = workshop.folder / "probe"
    probe.write_bytes(bytes(1 << 20))
    return procfs.written("self").stored == before


def _by_the_clock(workshop: Workshop) -> list[Figure]:
    folder = workshop.subfolder()
    files = {}
    kinds: tuple[footage.Kind, ...] = ("still", "busy")
    for kind in kinds:
        drawn = footage.streams(workshop.cache, (1920, 1080), kind)
        for name, file in ((kind, drawn.main), (f"{kind}-small", drawn.small)):
            files[name] = footage.lengthened(file, folder / f"{name}.mp4", workshop.seconds + 90)
    with ExitStack() as stack:
        server = stack.enter_context(workshop.rtsp(files))
        still, busy = (
            stack.enter_context(
                workshop.camera(
                    config.StreamSource(record=server.url(kind), detect=server.url(f"{kind}-small"))
                )
            )
            for kind in kinds
        )
        still.wait_until("armed")
        busy.wait_until("armed")
        start = procfs.written(busy.pid)
        busy.wait_until("recording")
        still.watch(_SETTLE_SECONDS)
        before = procfs.written(still.pid)
        still.watch(workshop.seconds)
        idle = procfs.written(still.pid) - before
        recorded = busy.stop() - start
    return [
        Figure(
            f"idle: the real command, {workshop.seconds:g} s of a still stream",
            idle.stored,
            "bytes",
            0,
            f"{idle.handed} handed to write calls",
        ),
        _recording(
            "recording: the real command, 1080p", recorded, *_video(busy), target=_MOST_PER_BYTE
        ),
    ]


def _video(camera: CameraProcess) -> tuple[int, float]:
    """Bytes of packets, and seconds, in the clips that the camera left."""
    packets, seconds = 0, 0.0
    for sealed in sorted(camera.house.config.state_dir.rglob("*.mp4.age")):
        plain = unseal(sealed, camera.house.owner.identity)
        with av.open(io.BytesIO(plain), "r") as container:
            for packet in container.demux(video=0):
                packets += packet.size
                seconds += float((packet.duration or 0) * packet.time_base)
    return packets, seconds


def _recording(
    what: str, written: Written, video_bytes: int, seconds: float, target: float | None
) -> Figure:
    per_byte = written.stored / video_bytes if video_bytes else float("inf")
    minute = written.stored / 1e6 * 60 / seconds if seconds else 0.0
    note = f"{minute:.1f} MB a recorded minute"
    return Figure(what, per_byte, "x video", target, note)


def _simulated(workshop: Workshop) -> list[Figure]:
    video = footage.streams(workshop.cache, (1920, 1080), "busy").main
    idle = marathon.run(workshop.subfolder(), video, seconds=_HOUR + 10, motions=[])
    motions = rhythm(60.0, 2.0, (20.0,), _CLIPS)
    short = marathon.run(workshop.subfolder(), video, seconds=motions[-1][1] + 20, motions=motions)
    return simulated(idle, short)


def simulated(idle: Result, short: Result) -> list[Figure]:
    """Figures of an idle hour, and of a run with short clips that were all kept."""
    hour = _since_settled(idle)
    seconds = sum(clip.seconds for clip in short.clips)
    length = seconds / max(len(short.clips), 1)
    return [
        Figure("idle: the app, an hour by a simulated clock", hour.stored, "bytes", 0),
        _recording(
            f"recording: the app, clips of {length:.0f} s",
            _since_settled(short),
            sum(clip.video_bytes for clip in short.clips),
            seconds,
            target=None,
        ),
    ]


def _since_settled(result: Result) -> Written:
    begin, end = result.settled, result.samples[-1]
    return Written(end.handed - begin.handed, end.stored - begin.stored)
