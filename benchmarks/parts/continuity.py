"""No packet is missing from any clip: 200 clips, each opened and compared with the source.

The whole app sees scripted motion by its own detector: visits far apart, visits that
begin again soon after a clip's end, and visits so long that clips are cut. Every packet
from ``pre_roll`` before each frame in which the detector saw motion to ``post_roll``
after it must be in a clip, bit for bit, and within each clip time must run on exactly
as it did at the source.
"""

from __future__ import annotations

import bisect
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from agent import config
from agent.camera import app
from agent.camera.detection.detector import MotionDetector
from agent.camera.source import Luma, Packet
from benchmarks import footage
from benchmarks.figures import Figure
from benchmarks.player import Player, rhythm
from benchmarks.rig import Workshop
from tests.support.house import House
from tests.support.video import load, unseal

TITLE = "no packet missing from 200 clips"
SECONDS = 40
_VISITS, _MOVING_SECONDS = 130, 1.5
# A clip ends 7 s after the last motion. The detector takes part of a second to speak.
_PAUSES = (7.3, 30.0, 6.8, 12.5, 8.0)
_LONG_VISIT_SECONDS = 900.0  # cut every 10 s
_MAX_CLIP_SECONDS = 10.0
_SAME_TIME_SECONDS = 1e-4


@dataclass(frozen=True)
class Opened:
    """A clip as a player finds it: when each packet is decoded, and what is in it."""

    began: float  # clock seconds, as the index has it
    packets: tuple[tuple[float, bytes], ...]  # seconds from the first


@dataclass(frozen=True)
class Findings:
    """The number of faults of each kind."""

    missed: int  # packets that had to be in a clip
    altered: int  # packets of clips that the source did not give, so or then
    joined: int  # clips that begin right where the one before ended


def measure(workshop: Workshop) -> list[Figure]:
    """Record, open and compare."""
    recording = config.Recording(max_clip_seconds=_MAX_CLIP_SECONDS)
    house = House.build(workshop.subfolder(), camera=config.Camera(recording=recording))
    sent, seen = _record(house, footage.streams(workshop.cache, (1280, 720), "busy").main)
    clips = _open(house)
    spans = [(at - recording.pre_roll_seconds, at + recording.post_roll_seconds) for at in seen]
    found = compare(sent, spans, clips)
    return [
        Figure("clips short of 200", max(0, 200 - len(clips)), "", 0, f"{len(clips)} clips"),
        Figure("clips that go on where another ended", found.joined, ""),
        Figure("packets missing between pre-roll and end", found.missed, "", 0),
        Figure("packets altered, or at another time", found.altered, "", 0),
    ]


def _record(house: House, file: Path) -> tuple[list[Packet], list[float]]:
    """The packets that were sent, and when the detector saw motion."""
    visits = rhythm(10.0, _MOVING_SECONDS, _PAUSES, _VISITS)
    begin = visits[-1][1] + 30
    motions = [*visits, (begin, begin + _LONG_VISIT_SECONDS)]
    player = Player(load(file), house.clock, seconds=motions[-1][1] + 20, motions=motions)
    camera = app.build(house.config, clock=house.clock, source=player, notify=lambda _: None)
    eye = _Eye(camera.detector)
    camera.detector = eye  # type: ignore[assignment]
    camera.start()
    camera.step(player.open())
    sent = []
    for item in player.read():
        if isinstance(item, Packet):
            sent.append(item)
        camera.step(item)
    camera.finish("stopped")
    return sent, eye.seen


class _Eye:
    """The detector, and a note of each frame that it called motion."""

    def __init__(self, detector: MotionDetector) -> None:
        self._detector = detector
        self.seen: list[float] = []

    @property
    def strength(self) -> float:
        return self._detector.strength

    def __call__(self, luma: Luma, seconds: float) -> bool:
        moves = self._detector(luma, seconds)
        if moves:
            self.seen.append(seconds)
        return moves


def _open(house: House) -> list[Opened]:
    """All clips in the order of time."""
    with house.open_index() as index:
        rows = sorted(index.clips(), key=lambda clip: clip.monotonic_seconds)
    opened = []
    for row in rows:
        (sealed,) = house.config.state_dir.rglob(f"{row.id[9:]}.mp4.age")
        with av.open(io.BytesIO(unseal(sealed, house.owner.identity)), "r") as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
            first = packets[0].dts or 0
            opened.append(
                Opened(
                    row.monotonic_seconds,
                    tuple(
                        (float(((packet.dts or 0) - first) * packet.time_base), bytes(packet))
                        for packet in packets
                    ),
                )
            )
    return opened


def compare(
    sent: Sequence[Packet], spans: Iterable[tuple[float, float]], clips: Sequence[Opened]
) -> Findings:
    """Hold ``clips`` against what was ``sent`` and the ``spans`` that had to be kept.

    Nothing before the first keyframe can be kept.
    """
    times = [packet.seconds for packet in sent]
    kept: set[int] = set()
    altered = joined = 0
    end = -1
    for clip in clips:
        first = bisect.bisect_left(times, clip.began - _SAME_TIME_SECONDS)
        joined += first == end
        for number, (seconds, data) in enumerate(clip.packets, first):
            right = (
                number < len(sent)
                and sent[number].data == data
                and abs(sent[number].seconds - clip.began - seconds) < _SAME_TIME_SECONDS
            )
            altered += not right
            if right:
                kept.add(number)
        end = first + len(clip.packets)
    keyframe = next((n for n, packet in enumerate(sent) if packet.keyframe), len(sent))
    wanted: set[int] = set()
    for begin, until in spans:
        low = max(bisect.bisect_left(times, begin), keyframe)
        wanted.update(range(low, bisect.bisect_left(times, until)))
    return Findings(len(wanted - kept), altered, joined)
