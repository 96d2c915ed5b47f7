"""A camera that plays packets it was given, for runs of hours in a minute.

It moves a simulated clock along, and motion comes as scripted: the small pictures are
drawn once, so that next to nothing is spent here on what is not under test.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Frame, Luma, Packet, VideoFormat
from tests.support.clock import SimulatedClock
from tests.support.video import Video

_FRAMES_EVERY = 2  # packets: 7.5 a second
_BACKGROUND, _GRAIN, _BODY = 90, 1.5, 190
_STILL_PICTURES, _STEPS = 16, 24
_STEP_PIXELS = 11

Interval = tuple[float, float]  # seconds from the start


def rhythm(first: float, moving: float, pauses: Sequence[float], count: int) -> list[Interval]:
    """``count`` motions of ``moving`` seconds, the pauses between them taken in turn."""
    intervals = []
    start = first
    for pause in itertools.islice(itertools.cycle(pauses), count):
        intervals.append((start, start + moving))
        start += moving + pause
    return intervals


class Player:
    """Plays ``video`` over and over for ``seconds``; something walks in each of ``motions``."""

    def __init__(
        self, video: Video, clock: SimulatedClock, *, seconds: float, motions: Sequence[Interval]
    ) -> None:
        self._video = video
        self._clock = clock
        self._seconds = seconds
        self._motions = list(motions)
        self._closed = threading.Event()
        random = np.random.default_rng(3)
        self._still = [_picture(random) for _ in range(_STILL_PICTURES)]
        self._walk = [_with_body(_picture(random), step) for step in range(_STEPS)]

    def open(self) -> VideoFormat:
        """See :class:`agent.camera.source.Source`."""
        return self._video.format

    def read(self) -> Iterator[Packet | Frame]:
        """See :class:`agent.camera.source.Source`."""
        start = self._clock.monotonic()
        motions = iter(self._motions)
        motion = next(motions, None)
        for number, packet in enumerate(self._packets()):
            if self._closed.is_set():
                return
            at = start + packet.seconds
            self._clock.advance(at - self._clock.monotonic())
            yield replace(packet, seconds=at)
            while motion is not None and packet.seconds >= motion[1]:
                motion = next(motions, None)
            if number % _FRAMES_EVERY == 0:
                moves = motion is not None and motion[0] <= packet.seconds
                pictures = self._walk if moves else self._still
                yield Frame(pictures[number // _FRAMES_EVERY % len(pictures)], at)

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`."""
        self._closed.set()

    def _packets(self) -> Iterator[Packet]:
        for turn in itertools.count():
            for packet in self._video.packets:
                seconds = packet.seconds + turn * self._video.seconds
                if seconds >= self._seconds:
                    return
                yield replace(packet, seconds=seconds)


def _picture(random: np.random.Generator) -> Luma:
    scene = random.normal(_BACKGROUND, _GRAIN, (LUMA_HEIGHT, LUMA_WIDTH))
    return np.clip(scene, 0, 255).astype(np.uint8)


def _with_body(picture: Luma, step: int) -> Luma:
    left = step * _STEP_PIXELS
    picture[60:120, left : left + 40] = _BODY
    return picture
