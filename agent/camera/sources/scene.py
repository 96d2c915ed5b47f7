"""The drawn street as a camera: for demonstrations and tests, without any device.

Draws, adds the grain of a sensor, encodes to H.264 with a keyframe each second, and
waits on the clock it was given so that a second takes a second of that clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from agent.camera.source import Frame, FrameRate, Packet, VideoFormat
from agent.camera.sources.luma import shrink
from agent.camera.sources.street import Street
from agent.clock import Clock
from agent.errors import CameraFault

_NOISE_LEVELS = 1.8  # standard deviation of the grain
_NOISE_FIELDS = 8  # drawn once; each frame takes one of them, shifted

# Every frame leaves the encoder at once, none is reordered, and quality is fixed.
_ENCODER = {"preset": "veryfast", "tune": "zerolatency", "crf": "27", "bf": "0"}


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
        motion_frames_per_second: float,
        clock: Clock,
    ) -> None:
        self._size = width, height
        self._frames_per_second = frames_per_second
        self._duration_seconds = duration_seconds
        self._motion_frames_per_second = motion_frames_per_second
        self._clock = clock
        self._street = Street(
            width=width, height=height, seed=seed, walkers_per_minute=walkers_per_minute
        )
        self._grain = _Grain(width, height, seed)
        self._encoder: VideoCodecContext | None = None

    def open(self) -> VideoFormat:
        """See :class:`agent.camera.source.Source`."""
        width, height = self._size
        encoder = av.CodecContext.create("libx264", "w")
        if not isinstance(encoder, VideoCodecContext):
            raise CameraFault("this PyAV has no H.264 encoder", advice="Install PyAV's own wheel")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.time_base = Fraction(1, self._frames_per_second)
        encoder.framerate = Fraction(self._frames_per_second)
        encoder.gop_size = self._frames_per_second
        encoder.thread_count = 1
        encoder.flags |= int(av.codec.context.Flags.global_header)
        encoder.options = _ENCODER
        encoder.open()
        self._encoder = encoder
        return VideoFormat("h264", width, height, bytes(encoder.extradata or b""))

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
            picture.pts = number
            for packet in encoder.encode(picture):
                yield Packet(
                    data=bytes(packet),
                    keyframe=packet.is_keyframe,
                    seconds=start + at,
                    duration_seconds=1 / self._frames_per_second,
                )
            if rate.due(at):
                yield Frame(shrink(planes[: self._size[1]]), start + at)
            number += 1

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`."""
        self._encoder = None

    @property
    def _end(self) -> int:
        return round((self._duration_seconds or 0) * self._frames_per_second)

    def _planes(self, number: int, at: float) -> NDArray[np.uint8]:
        """Frame ``number`` as planar YUV 4:2:0 with its grain."""
        street = self._street.picture(at)
        planes = np.asarray(cv2.cvtColor(street, cv2.COLOR_BGR2YUV_I420), np.uint8)
        luma = planes[: self._size[1]]
        cv2.add(luma, self._grain.field(number), luma, None, cv2.CV_8U)
        return planes


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
