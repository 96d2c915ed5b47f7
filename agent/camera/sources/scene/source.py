"""The drawn street as a camera: for demonstrations and tests, without any device.

Draws, adds the grain of a sensor, paints over what is private, encodes, and waits on
its clock so that a second takes a second of that clock. The encoder is always software:
the same seed gives the same recording on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.source import Frame, FrameRate, Packet, VideoFormat
from agent.camera.sources.encoder import Encoder, Settings, open_encoder
from agent.camera.sources.luma import frame_of_planes
from agent.camera.sources.scene.street import Street
from agent.camera.zones import PrivacyMask
from agent.clock import Clock
from agent.config import SceneSource

_NOISE_LEVELS = 1.8  # standard deviation of the grain
_NOISE_FIELDS = 8  # drawn once; each frame takes one of them, shifted

_CRF, _PRESET = 27, "veryfast"


class Scene:
    """A camera on the street that ``settings`` describe."""

    def __init__(
        self,
        settings: SceneSource,
        *,
        privacy: PrivacyMask,
        motion_frames_per_second: float,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._privacy = privacy
        self._motion_frames_per_second = motion_frames_per_second
        self._clock = clock
        width, height, seed = settings.width, settings.height, settings.seed
        self._street = Street(
            width=width,
            height=height,
            seed=seed,
            walkers_per_minute=settings.walkers_per_minute,
        )
        random = np.random.default_rng([seed, 3])
        self._grain = [
            np.round(random.normal(0, _NOISE_LEVELS, (height, 2 * width))).astype(np.int16)
            for _ in range(_NOISE_FIELDS)
        ]
        self._shifts = random.integers(0, width, 997)
        self._encoder: Encoder | None = None
        self.encoder = ""  # its name, once opened

    def open(self) -> VideoFormat:
        """See :class:`agent.camera.source.Source`."""
        settings = self._settings
        self._encoder = open_encoder(
            Settings(
                width=settings.width,
                height=settings.height,
                frames_per_second=settings.frames_per_second,
                crf=_CRF,
                preset=_PRESET,
            )
        )
        self.encoder = self._encoder.description
        return self._encoder.format

    def read(self) -> Iterator[Packet | Frame]:
        """See :class:`agent.camera.source.Source`."""
        encoder, frames_per_second = self._encoder, self._settings.frames_per_second
        if encoder is None:
            return
        start = self._clock.monotonic()
        rate = FrameRate(self._motion_frames_per_second)
        duration = self._settings.duration_seconds
        end = float("inf") if duration is None else round(duration * frames_per_second)
        number = 0
        while number < end:
            at = number / frames_per_second
            if (ahead := start + at - self._clock.monotonic()) > 0:
                self._clock.sleep(ahead)
            picture = self._picture(number, at)
            yield from encoder.encode(
                av.VideoFrame.from_ndarray(picture, format="yuv420p"), start + at
            )
            if rate.due(at):
                yield frame_of_planes(start + at, *self._planes(picture))
            number += 1

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`."""
        self._encoder = None

    def _picture(self, number: int, at: float) -> NDArray[np.uint8]:
        """Frame ``number`` as planar YUV 4:2:0, with grain and without what is private."""
        street = self._street.picture(at)
        picture = np.asarray(cv2.cvtColor(street, cv2.COLOR_BGR2YUV_I420), np.uint8)
        planes = self._planes(picture)
        cv2.add(planes[0], self._grain_of(number), planes[0], None, cv2.CV_8U)
        self._privacy.blacken(planes)
        return picture

    def _planes(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
        """Luma, Cb and Cr as views of ``picture``, [height * 3 / 2, width]."""
        width, height = self._settings.width, self._settings.height
        cb, cr = picture[height:].reshape(2, height // 2, width // 2)
        return picture[:height], cb, cr

    def _grain_of(self, number: int) -> NDArray[np.int16]:
        """The sensor noise of frame ``number``, int16 [height, width]."""
        shift = int(self._shifts[number % len(self._shifts)])
        field = int(self._shifts[(number * 7) % len(self._shifts)]) % _NOISE_FIELDS
        shifted: NDArray[np.int16] = self._grain[field][:, shift : shift + self._settings.width]
        return shifted
