"""The process of a :mod:`benchmarks.marathon`.

    python -m benchmarks.marathon_process SETTINGS.json > RESULT.json

Memory and bytes written are read each time the camera is armed again after a clip, once
Python has given up its stores of empty tuples: they fill by a few a clip, up to 2,000 of
a size, and would look like growth.
"""

from __future__ import annotations

import gc
import sys
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from agent import config
from agent.camera import app
from agent.camera.sources import batched_queue, reader
from agent.vault.database.index import Index
from benchmarks import procfs
from benchmarks.player import Interval, Player
from tests.support.clock import SimulatedClock
from tests.support.video import Video, load

_PACKETS = 120  # of the video, from a keyframe to the next but seven: what is played is held
_SETTLED_SECONDS = 5.0  # from armed on: its own state is noted by then
_EPSILON = 1e-3  # less than a frame: times went through floating point


class Settings(msgspec.Struct):
    """One run: configuration and video by path, the script in seconds."""

    agent_yaml: str
    video: str
    seconds: float
    motions: list[Interval]


class Sample(msgspec.Struct):
    """A measurement: memory in 10^6 bytes, bytes written so far."""

    seconds: float
    rss: float
    pss: float
    handed: int
    stored: int


class Recorded(msgspec.Struct):
    """A clip that is still there at the end; ``video_bytes`` are its packets alone."""

    seconds: float
    file_bytes: int
    video_bytes: int


class Result(msgspec.Struct):
    """The measurements of a run: after settling, each time the camera was armed, at the end."""

    settled: Sample
    samples: list[Sample]
    clips: list[Recorded]


def bytes_between(video: Video, begin: float, end: float) -> int:
    """Bytes of the packets of ``video``, played over and over, from ``begin`` to ``end``."""
    whole = sum(len(packet.data) for packet in video.packets)

    def until(seconds: float) -> int:
        turns, rest = divmod(seconds - _EPSILON, video.seconds)
        part = sum(len(packet.data) for packet in video.packets if packet.seconds < rest)
        return int(turns) * whole + part

    return until(end) - until(begin)


class _Notes:
    """Samples in memory that was taken, and written to, in advance."""

    def __init__(self, most: int) -> None:
        self._values = array("d", [1.0] * (most * len(Sample.__struct_fields__)))
        self._end = 0

    def add(self, sample: Sample) -> None:
        for value in msgspec.structs.astuple(sample):
            self._values[self._end] = value
            self._end += 1

    def all(self) -> list[Sample]:
        width = len(Sample.__struct_fields__)
        rows = (self._values[at : at + width] for at in range(0, self._end, width))
        return [Sample(a, b, c, int(d), int(e)) for a, b, c, d, e in rows]


def _sample(seconds: float) -> Sample:
    gc.collect()
    memory, written = procfs.memory("self"), procfs.written("self")
    return Sample(seconds, memory.rss, memory.pss, written.handed, written.stored)


def _run(settings: Settings) -> Result:
    house = config.load(Path(settings.agent_yaml))
    whole = load(Path(settings.video))
    video = replace(whole, packets=whole.packets[:_PACKETS])
    del whole
    # The clock runs ahead by what is queued: more would be taken for overload, or silence.
    reader._QUEUE_ITEMS = 8
    batched_queue._FULL_SECONDS = 0.0005  # which is full all the time
    clock = SimulatedClock()
    begin = clock.monotonic()
    player = Player(video, clock, seconds=settings.seconds, motions=settings.motions)

    # One for each motion, and the beginning and the end: made now, so that notes do not grow.
    samples = _Notes(len(settings.motions) + 2)
    settled: list[Sample] = []
    armed_at: list[float] = []  # the clock runs ahead of the camera by what its queue holds

    def notify(said: str) -> None:
        at = clock.monotonic() - begin
        if said in ("STATUS=armed", "STATUS=stopped"):
            samples.add(_sample(at))
            armed_at.append(at)
        elif not settled and armed_at and at >= armed_at[0] + _SETTLED_SECONDS:
            settled.append(_sample(at))

    app.build(house, clock=clock, source=player, notify=notify).run()
    index = Index.open(house.state_dir / "camera" / "index.sqlite")
    spans = [(clip.monotonic_seconds - begin, clip) for clip in index.clips()]
    index.close()
    return Result(
        settled[0],
        samples.all(),
        [
            Recorded(
                clip.duration_seconds,
                clip.bytes,
                bytes_between(video, start, start + clip.duration_seconds),
            )
            for start, clip in spans
        ],
    )


def main(arguments: Sequence[str]) -> None:
    """Run the process."""
    settings = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Settings)
    sys.stdout.buffer.write(msgspec.json.encode(_run(settings)))


if __name__ == "__main__":
    main(sys.argv[1:])
