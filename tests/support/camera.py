"""A camera that a test holds in its hand.

>>> camera = FakeSource(video, clock, seconds=30, motion=[(10, 12)])
>>> build(house.config, clock=clock, source=camera).run()
>>> camera.packets        # what the recordings must be made of
"""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Frame, Luma, Packet, VideoFormat
from tests.support.clock import SimulatedClock
from tests.support.video import Video, repeat

FRAMES_EVERY = 2  # packets


class FakeSource:
    """Plays ``video`` again and again, moving the simulated clock along.

    Something walks through the small picture in each of the ``motion`` intervals. After
    ``seconds`` it ends, breaks with ``fault``, or hangs until it is closed.
    """

    def __init__(
        self,
        video: Video,
        clock: SimulatedClock,
        *,
        seconds: float,
        motion: Sequence[tuple[float, float]] = (),
        fault: BaseException | None = None,
        hang: bool = False,
    ) -> None:
        self.video = video
        self.encoder = ""
        self.start = clock.monotonic()
        self.packets: list[Packet] = []  # all that were given, in seconds of the clock
        self.silent = threading.Event()
        self._closed = threading.Event()
        self._clock = clock
        self._seconds = seconds
        self._motion = motion
        self._fault = fault
        self._hang = hang
        self._walls = itertools.cycle(_noisy_walls())
        self._seen_looks = 0
        self._patience = 1.0

    def open(self) -> VideoFormat:
        self.start = self._clock.monotonic()
        return self.video.format

    def read(self) -> Iterator[Packet | Frame]:
        for number, packet in enumerate(repeat(self.video, self._seconds)):
            at = self.start + packet.seconds
            self._clock.advance(max(at - self._clock.monotonic(), 0.0))
            self.packets.append(
                Packet(
                    packet.data,
                    packet.keyframe,
                    at,
                    packet.duration_seconds,
                    packet.delay_seconds,
                )
            )
            yield self.packets[-1]
            if number % FRAMES_EVERY == 0:
                yield Frame(self._picture(packet.seconds), at)
                self._keep_pace()
        if self._fault is not None:
            raise self._fault
        if self._hang:
            self._clock.advance(60)
            self.silent.set()
            # Time goes on: the loop may have been at work, deaf, while it made that leap.
            while not self._closed.wait(2):
                self._clock.advance(5)

    def close(self) -> None:
        self._closed.set()

    def _keep_pace(self) -> None:
        """Wait until the loop on another thread has taken what it got, unless it hangs.

        It looks at the clock at least once for each item. A camera does not wait; but its
        time is real, and no test should depend on how fast this machine makes pictures.
        """
        if threading.current_thread() is threading.main_thread():
            return
        looks = self._clock.looks
        wanted, late = self._seen_looks + FRAMES_EVERY + 1, time.monotonic() + self._patience
        while (seen := sum(list(looks.values())) - looks[threading.get_ident()]) < wanted:
            if time.monotonic() > late:
                self._patience = 0.002
                return
            time.sleep(0.0002)
        self._seen_looks, self._patience = seen, 1.0

    def _picture(self, seconds: float) -> Luma:
        picture = next(self._walls).copy()
        for begin, end in self._motion:
            if begin <= seconds < end:
                left = int((seconds - begin) * 80) % (LUMA_WIDTH - 40)
                picture[60:120, left : left + 40] = 190
        return picture


@functools.cache
def _noisy_walls() -> list[Luma]:
    """A grey wall, as a sensor with noise sees it again and again."""
    noise = np.random.default_rng(5).normal(90, 1.5, (16, LUMA_HEIGHT, LUMA_WIDTH))
    return list(np.clip(noise, 0, 255).astype(np.uint8))
