"""A USB camera as OpenCV shows it: no kernel module here gives a V4L2 device.

>>> camera = FakeCapture(clock, pixel_format="MJPG", sizes=[(640, 360)], rate=30)
>>> Webcam(open_capture=camera.opened, ...)
>>> camera.asked        # what it was set to
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.clock import SimulatedClock

Picture = Callable[[int, int, int], NDArray[np.uint8]]  # number, width, height -> BGR


def grey(number: int, width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 128, np.uint8)


def greys(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Three stripes: nearly black, the middle, nearly white."""
    picture = grey(number, width, height)
    picture[: height // 3], picture[-(height // 3) :] = 10, 245
    return picture


def walker(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A bright figure that walks through a grey room."""
    picture = grey(number, width, height)
    left = number * 8 % (width - 60)
    picture[height // 3 : height - 20, left : left + 50] = (230, 220, 40)
    return picture


def jpeg(
    picture: NDArray[np.uint8], *, layout: int = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422
) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, layout]
    return cv2.imencode(".jpg", picture, options)[1].tobytes()


def yuyv(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[height, width, 2] in video range, as a camera's own converter makes it."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_YUY2), np.uint8)


class FakeCapture:
    """``cv2.VideoCapture`` on a camera that knows ``sizes`` and one ``pixel_format``.

    It gives a picture each 1/``rate`` s of the clock, which reads them ``late`` seconds
    after they were taken. ``stamps``: what the driver's times count from. ``grabs`` may say,
    by number, that one fails ("miss", "stall" for ``stall_seconds``, "cut", "junk");
    after ``pictures`` of them the camera is unplugged.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        *,
        pixel_format: str = "MJPG",
        sizes: Sequence[tuple[int, int]] = ((640, 360),),
        rate: float = 15,
        says_rate: float | None = None,
        picture: Picture = walker,
        pictures: int = 60,
        grabs: dict[int, str] | None = None,
        stamps: str = "monotonic",
        late: float = 0.02,
        stall_seconds: float = 10.0,
        is_open: bool = True,
    ) -> None:
        self.asked: dict[int, float] = {}
        self.released = False
        self.rate = rate
        self.taken: list[float] = []  # when each picture was taken, by the clock
        self.timeout_seconds: float | None = None
        self.layout = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422
        self.change: Callable[[bytes], bytes] = bytes
        self._clock = clock
        self._pixel_format = pixel_format
        self._sizes = sizes
        self._says_rate = says_rate
        self._picture = picture
        self._pictures = pictures
        self._grabs = grabs or {}
        self._stamps = stamps
        self._late = late
        self._stall_seconds = stall_seconds
        self._is_open = is_open
        self._number = -1
        self._next = clock.monotonic()

    def opened(self, device: str, timeout_seconds: float) -> FakeCapture:
        self.timeout_seconds = timeout_seconds
        return self

    @property
    def size(self) -> tuple[int, int]:
        wanted = tuple(
            int(self.asked.get(what, 0))
            for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        return next((size for size in self._sizes if size == wanted), self._sizes[0])

    def isOpened(self) -> bool:  # noqa: N802
        return self._is_open

    def set(self, what: int, value: float, /) -> bool:
        self.asked[what] = value
        return True  # as drivers do, whatever they make of it

    def get(self, what: int, /) -> float:
        match what:
            case cv2.CAP_PROP_FOURCC:
                return cv2.VideoWriter.fourcc(*self._pixel_format)
            case cv2.CAP_PROP_FRAME_WIDTH:
                return self.size[0]
            case cv2.CAP_PROP_FRAME_HEIGHT:
                return self.size[1]
            case cv2.CAP_PROP_FPS:
                return self.rate if self._says_rate is None else self._says_rate
            case cv2.CAP_PROP_POS_MSEC:
                origins = {"monotonic": 0.0, "wall": 1.7e9, "none": -self.taken[-1], "future": 0.5}
                return (self.taken[-1] + origins[self._stamps]) * 1000
        raise AssertionError(f"nobody should ask for {what}")

    def grab(self) -> bool:
        self._number += 1
        if self._number >= self._pictures:
            return False
        what = self._grabs.get(self._number)
        if what == "stall":
            self._clock.advance(self._stall_seconds)
        if what in ("stall", "miss"):
            return False
        self._next = max(self._next + 1 / self.rate, self._clock.monotonic() - self._late)
        self.taken.append(self._next)
        self._clock.advance(max(self._next + self._late - self._clock.monotonic(), 0))
        return True

    def retrieve(self) -> tuple[bool, Any]:
        assert self.asked[cv2.CAP_PROP_CONVERT_RGB] == 0
        picture = self._picture(self._number, *self.size)
        if self._pixel_format != "MJPG":
            return True, yuyv(picture)
        data = self.change(jpeg(picture, layout=self.layout))
        match self._grabs.get(self._number):
            case "cut":
                data = data[: len(data) // 2]
            case "junk":
                data = bytes(len(data)) + b"\xff\xd9"
        return True, np.frombuffer(data, np.uint8)[None]  # one row, as OpenCV gives it

    def release(self) -> None:
        self.released = True
