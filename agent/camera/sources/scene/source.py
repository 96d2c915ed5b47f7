"""The drawn street as a camera: for demonstrations and tests, without any device.

Draws, adds the grain of a sensor, paints over what is private, encodes, and waits on
the clock it was given so that a second takes a second of that clock. The encoder is
always software: the same seed is the same recording on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.source import Frame, FrameRate, Packet, VideoFormat
from agent.camera.sources.encoder import Encoder, Settings, open_encoder
from agent.camera.sources.luma import BLACK, NO_COLOUR, small_of_planes
from agent.camera.sources.scene.street import Street
from agent.camera.zones import PrivacyMask
from agent.clock import Clock

_NOISE_LEVELS = 1.8  # standard deviation of the grain
_NOISE_FIELDS = 8  # drawn once; each frame takes one of them, shifted

_CRF, _PRESET = 27, "veryfast"


class Scene:
    """A camera on a street that exists for ``duration_seconds`` (None: for ever)."""

    def __init__(
        self,
        *,
        width: int,
        height: int,
        frames_per_second: int,
        seed: int,
        walkers_per_minute: float,
        duration_seconds: float | None,
        privacy: PrivacyMask,
        motion_frames_per_second: float,
        clock: Clock,
    ) -> None:
        self._size = width, height
        self._frames_per_second = frames_per_second
        self._duration_seconds = duration_seconds
        self._privacy = privacy
        self._motion_frames_per_second = motion_frames_per_second
        self._clock = clock
        self._street = Street(
            width=width, height=height, seed=seed, walkers_per_minute=walkers_per_minute
        )
        self._grain = _Grain(width, height, seed)
        self._encoder: Encoder | None = None
        self.encoder = ""  # its name, once opened

    def open(self) -> VideoFormat:
        """See :class:`agent.camera.source.Source`."""
        width, height = self._size
        settings = Settings(
            width=width,
            height=height,
            frames_per_second=self._frames_per_second,
            crf=_CRF,
            preset=_PRESET,
        )
        self._encoder = open_encoder(settings)
        self.encoder = self._encoder.description
        return self._encoder.format

    def read(self) -> Iterator[Packet | Frame]:
        """See :class:`agent.camera.source.Source`."""
        encoder = self._encoder
        if encoder is None:
            return
        start = self._clock.monotonic()
        rate = FrameRate(self._motion_frames_per_second)
        number = 0
        while self._duration_seconds is None or number < self._end:
            at = number / self._frames_per_second
            if (ahead := start + at - self._clock.monotonic()) > 0:
                self._clock.sleep(ahead)
            planes = self._planes(number, at)
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            yield from encoder.encode(picture, start + at)
            if rate.due(at):
                small = small_of_planes(*self._split(planes))
                yield Frame(small.luma, start + at, small.chroma)
            number += 1

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`."""
        self._encoder = None

    @property
    def _end(self) -> int:
        return round((self._duration_seconds or 0) * self._frames_per_second)

    def _planes(self, number: int, at: float) -> NDArray[np.uint8]:
        """Frame ``number`` as planar YUV 4:2:0 with its grain, without what is private."""
        street = self._street.picture(at)
        planes = np.asarray(cv2.cvtColor(street, cv2.COLOR_BGR2YUV_I420), np.uint8)
        luma, cb, cr = self._split(planes)
        cv2.add(luma, self._grain.field(number), luma, None, cv2.CV_8U)
        for plane, level in ((luma, BLACK), (cb, NO_COLOUR), (cr, NO_COLOUR)):
            self._privacy.paint(plane, level)
        return planes

    def _split(self, planes: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
        """Luma, Cb and Cr as views of ``planes``, [height * 3 / 2, width]."""
        width, height = self._size
        cb, cr = planes[height:].reshape(2, height // 2, width // 2)
        return planes[:height], cb, cr


class _Grain:
    """Sensor noise: a few fields drawn once, shifted differently for each frame."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        random = np.random.default_rng([seed, 3])
        self._fields = [
            np.round(random.normal(0, _NOISE_LEVELS, (height, 2 * width))).astype(np.int16)
            for _ in range(_NOISE_FIELDS)
        ]
        self._shifts = random.integers(0, width, 997)
        self._width = width

    def field(self, number: int) -> NDArray[np.int16]:
        """The grain of frame ``number``, int16 [height, width]."""
        shift = int(self._shifts[number % len(self._shifts)])
        field = self._fields[int(self._shifts[(number * 7) % len(self._shifts)]) % _NOISE_FIELDS]
        shifted: NDArray[np.int16] = field[:, shift : shift + self._width]
        return shifted
