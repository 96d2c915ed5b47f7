"""USB cameras (V4L2), their pictures encoded here.

OpenCV drives the device and hands over its pictures unconverted: JPEG, which FFmpeg's
decoder turns into YUV without a detour over RGB, or YUYV. Both become yuv420p in video
range; what is private is painted over before anybody else has the picture.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import av
import av.error
import av.logging
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from agent.camera.source import Frame, FrameRate, Interruption, Item, Packet, VideoFormat
from agent.camera.sources.encoder import Encoder, Settings, open_encoder
from agent.camera.sources.ffmpeg_log import hear_ffmpeg, tells_of_error
from agent.camera.sources.luma import frame_of, rows_of, to_video_range
from agent.camera.sources.webcam import v4l2
from agent.camera.zones import PrivacyMask
from agent.clock import Clock
from agent.config import WebcamSource
from agent.errors import CameraFault

_FOURCC = {"mjpeg": "MJPG", "yuyv": "YUYV"}
_CRF, _PRESET = 23, "superfast"
_MOST_MISSED = 3  # grabs in a row
_MOST_UNREADABLE = 30  # pictures in a row
# A picture sooner than this after the last, in wanted distances, comes from a camera that
# does not run as slowly as it was asked to, and is left out.
_TOO_SOON = 0.7
_OLDEST_SECONDS = 2.0  # that a picture may have waited in the driver's four buffers
_SMALLEST_STEP = 0.001  # seconds between two pictures at least
_RETRY_SECONDS = 2.0  # until a camera that was unplugged is looked for again

_log = logging.getLogger(__name__)


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used."""

    def isOpened(self) -> bool: ...  # noqa: N802, D102 - OpenCV's name
    def get(self, propId: int, /) -> float: ...  # noqa: N803, D102
    def set(self, propId: int, value: float, /) -> bool: ...  # noqa: N803, D102
    def grab(self) -> bool: ...  # noqa: D102
    def retrieve(self) -> tuple[bool, Any]: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


class Webcam:
    """The USB camera that ``settings`` name; a :class:`agent.camera.source.Source`.

    ``timeout_seconds`` bounds the wait for a picture. For tests, ``open_capture`` replaces
    OpenCV, and ``explain`` the questions to the device.
    """

    def __init__(
        self,
        settings: WebcamSource,
        *,
        privacy: PrivacyMask,
        motion_frames_per_second: float,
        timeout_seconds: float,
        clock: Clock,
        open_capture: Callable[[str, int], Capture] | None = None,
        explain: Callable[[str], CameraFault] = v4l2.explain,
    ) -> None:
        self._settings = settings
        self._device = settings.device
        self._size = settings.width, settings.height
        self._other_format = "yuyv" if settings.pixel_format == "mjpeg" else "mjpeg"
        self._privacy = privacy
        self._motion_frames_per_second = motion_frames_per_second
        self._timeout_seconds = max(1, math.floor(timeout_seconds))  # OpenCV counts whole ones
        self._clock = clock
        self._open_capture = open_capture or _open_capture
        self._explain = explain
        self._capture: Capture | None = None
        self._encoder: Encoder | None = None
        self._last_seconds = float("-inf")  # of the last grabbed picture
        self.description = settings.device
        self.encoder = ""  # its name, once opened

    def open(self) -> VideoFormat:
        """See :class:`agent.camera.source.Source`."""
        self._capture = self._open_capture(self._device, self._timeout_seconds)
        if not self._capture.isOpened():
            raise self._explain(self._device)
        self.description = v4l2.name_of(self._device)
        width, height = self._size
        self._encoder = open_encoder(
            Settings(
                width=width,
                height=height,
                frames_per_second=self._configure(self._capture),
                crf=_CRF,
                preset=_PRESET,
                bits_per_second=self._settings.bits_per_second,
            )
        )
        self.encoder = self._encoder.description
        return self._encoder.format

    def read(self) -> Iterator[Item]:
        """See :class:`agent.camera.source.Source`; a camera that was there is looked for again."""
        while True:
            try:
                if self._capture is None:
                    yield self.open()
                yield from self._pictures()
            except CameraFault as fault:
                self.close()
                yield Interruption(fault, _RETRY_SECONDS)
                self._clock.sleep(_RETRY_SECONDS)

    def _pictures(self) -> Iterator[Packet | Frame]:
        """All pictures until the camera is lost, which is a :class:`CameraFault`."""
        capture, encoder = self._capture, self._encoder
        if capture is None or encoder is None:
            return
        decode = _jpeg_decoder() if self._settings.pixel_format == "mjpeg" else _from_yuyv
        rate = FrameRate(self._motion_frames_per_second)
        shortest = _TOO_SOON / self._settings.frames_per_second
        taken, unreadable = float("-inf"), 0
        while True:
            seconds = self._grabbed(capture)
            if seconds - taken < shortest:
                continue
            picture = self._picture(capture, decode)
            if picture is None:
                unreadable += 1
                if unreadable == _MOST_UNREADABLE:
                    raise CameraFault(
                        f"{self._device} sends pictures that cannot be read",
                        advice="Use another cable or USB port, or set "
                        f"camera.source.pixel_format to {self._other_format}",
                    )
                continue
            taken, unreadable = seconds, 0
            yield from encoder.encode(picture, seconds)
            if rate.due(seconds):
                yield frame_of(picture, seconds)

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`."""
        if self._capture is not None:
            self._capture.release()
        self._capture = self._encoder = None

    def _configure(self, capture: Capture) -> float:
        """Ask for pictures as configured; gives the frames a second to expect."""
        width, height = self._size
        name = _FOURCC[self._settings.pixel_format]
        fourcc = cv2.VideoWriter.fourcc(*name)
        # The settings are read back: set() says yes to more than it does.
        for what, value in (
            (cv2.CAP_PROP_FOURCC, fourcc),
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, self._settings.frames_per_second),
            (cv2.CAP_PROP_CONVERT_RGB, 0),
        ):
            capture.set(what, value)
        if (given := round(capture.get(cv2.CAP_PROP_FOURCC))) != fourcc:
            raise CameraFault(
                f"{self._device} gives {_name(given)} pictures when asked for {name}",
                advice=f"Set camera.source.pixel_format to {self._other_format}",
            )
        size = tuple(
            round(capture.get(what))
            for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if size != self._size:
            raise CameraFault(
                f"{self._device} gives {size[0]}x{size[1]} when asked for {width}x{height}",
                advice=f"Set camera.source.width to {size[0]} and height to {size[1]}, or to"
                f" another size that it has: v4l2-ctl -d {self._device} --list-formats-ext",
            )
        return self._rate(capture.get(cv2.CAP_PROP_FPS))

    def _rate(self, given: float) -> float:
        """The frames a second to expect of a camera that reports ``given``."""
        wanted = float(self._settings.frames_per_second)
        if not (math.isfinite(given) and given >= 1) or abs(given - wanted) < 0.5:
            return wanted
        _log.info("%s gives %.3g frames a second instead of %g", self._device, given, wanted)
        return min(given, wanted)

    def _grabbed(self, capture: Capture) -> float:
        """Wait for the next picture; gives the clock seconds at which it was taken."""
        asked = self._clock.monotonic()
        for _ in range(_MOST_MISSED):
            if capture.grab():
                return self._time_of(capture)
            if self._clock.monotonic() - asked >= self._timeout_seconds:
                break
        raise CameraFault(
            f"{self._device} was unplugged, or stopped giving pictures",
            advice="Check its cable, and that the USB port gives it enough power",
        )

    def _time_of(self, capture: Capture) -> float:
        """The driver's own time of the picture if that is plausible, else now."""
        now = self._clock.monotonic()
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        seconds = stamp if 0 <= now - stamp <= _OLDEST_SECONDS else now
        self._last_seconds = max(seconds, self._last_seconds + _SMALLEST_STEP)
        return self._last_seconds

    def _picture(
        self, capture: Capture, decode: Callable[[NDArray[np.uint8]], VideoFrame | None]
    ) -> VideoFrame | None:
        """The grabbed picture, without what is private; None if it is damaged."""
        is_there, data = capture.retrieve()
        picture = decode(np.asarray(data, np.uint8)) if is_there and data is not None else None
        if picture is None:
            return None
        if (picture.width, picture.height) != self._size:
            raise CameraFault(
                f"{self._device} sends {picture.width}x{picture.height} instead of the"
                f" {self._size[0]}x{self._size[1]} it had agreed to",
                advice="Set another camera.source.width and height, or pixel_format to "
                f"{self._other_format}",
            )
        if self._privacy:
            self._privacy.blacken(rows_of(plane) for plane in picture.planes)
        return picture


def _jpeg_decoder() -> Callable[[NDArray[np.uint8]], VideoFrame | None]:
    """JPEG, uint8 with ``bytes`` elements, to yuv420p in video range; None if damaged."""
    hear_ffmpeg()
    context = av.CodecContext.create("mjpeg", "r")
    if not isinstance(context, VideoCodecContext):
        raise CameraFault("this PyAV has no JPEG decoder", advice="Install PyAV's own wheel")
    context.thread_count = 1  # more would each hold a picture back

    def decode(data: NDArray[np.uint8]) -> VideoFrame | None:
        with av.logging.Capture() as log:
            try:
                pictures = context.decode(av.Packet(data.tobytes()))
            except av.error.FFmpegError:
                return None
        # One that is cut off is filled up, and only the log tells. A missing end is no error:
        # some cameras never send it.
        if not pictures or tells_of_error(log):
            return None
        # A JPEG's levels are 0..255; players assume video range of what does not say so.
        return to_video_range(pictures[0])

    return decode


def _from_yuyv(data: NDArray[np.uint8]) -> VideoFrame | None:
    """YUYV, uint8 [height, width, 2], which is in video range, to yuv420p."""
    if data.ndim != 3 or data.shape[2] != 2:
        return None
    return VideoFrame.from_ndarray(data, format="yuyv422").reformat(format="yuv420p")


def _open_capture(device: str, timeout_seconds: int) -> Capture:
    """OpenCV's capture of ``device``; it may not be open."""
    # OpenCV takes no time limit for V4L2 but this one, which it reads at its first wait.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(timeout_seconds))
    return cv2.VideoCapture(device, cv2.CAP_V4L2)


def _name(fourcc: int) -> str:
    """The four letters of ``fourcc``."""
    letters = (fourcc & 0xFFFF_FFFF).to_bytes(4, "little").decode("latin-1")
    return "".join(letter for letter in letters if letter.isprintable()).strip() or "unknown"
