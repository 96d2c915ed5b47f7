"""A camera on a Raspberry Pi's own connector, by picamera2: the time limits around it.

picamera2 waits for ever where a camera is stuck, when it is opened as when it is closed.
So these calls run on a thread that is left alone once its time is up: the process ends
with a clear fault instead, and systemd starts it again. :mod:`agent.camera.sources.pi.camera`
drives the camera; it is imported only when one is opened.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agent.camera.source import Frame, Packet, VideoFormat
from agent.camera.sources.pi.faults import explain, not_installed
from agent.camera.sources.pi.handover import Handover
from agent.camera.zones import PrivacyMask
from agent.clock import Clock
from agent.config import PiSource
from agent.errors import CameraFault

if TYPE_CHECKING:
    from agent.camera.sources.pi.camera import PiCamera

_POLL_SECONDS = 0.2
_CLOSE_SECONDS = 5.0
_MOST_WAITING_SECONDS = 10.0  # of packets, for a reader that is held up

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(eq=False)
class Pi:
    """The camera that ``settings`` name; a :class:`agent.camera.source.Source`.

    ``timeout_seconds`` bounds each wait for the camera, ``loading_seconds`` the import of
    picamera2, which is slow from a cold SD card. ``codec_device`` is the board's own
    encoder, where there is one.
    """

    settings: PiSource
    _: KW_ONLY
    privacy: PrivacyMask
    motion_frames_per_second: float
    timeout_seconds: float
    loading_seconds: float
    clock: Clock
    codec_device: Path = Path("/dev/video11")  # picamera2 knows this one only

    def __post_init__(self) -> None:
        self._camera: PiCamera | None = None
        self._handover: Handover | None = None

    @property
    def encoder(self) -> str:
        """The encoder's name; empty while it is not open."""
        return "" if self._camera is None else self._camera.encoder

    @property
    def description(self) -> str:
        """The camera and the library that drives it; empty while it is not open."""
        return "" if self._camera is None else f"{self._camera.model}, {self._camera.library}"

    def open(self) -> VideoFormat:
        """See :class:`agent.camera.source.Source`.

        Takes until the first keyframe, which holds the parameter sets.
        """
        settings = self.settings
        handover = self._handover = Handover(
            clock=self.clock,
            frame_seconds=1 / settings.frames_per_second,
            most_packets=round(_MOST_WAITING_SECONDS * settings.frames_per_second),
        )
        try:
            make = self._loaded()
            camera = self._camera = self._within(
                "open", lambda: make(settings, codec_device=self.codec_device)
            )
            self._within(
                "start",
                lambda: camera.start(
                    handover,
                    privacy=self.privacy,
                    motion_frames_per_second=self.motion_frames_per_second,
                ),
            )
            parameter_sets = self._first_parameter_sets(handover)
        except BaseException:
            self.close()
            raise
        _log.info("%s: H.264 by %s", self.description, self.encoder)
        return VideoFormat("h264", settings.width, settings.height, parameter_sets)

    def read(self) -> Iterator[Packet | Frame]:
        """See :class:`agent.camera.source.Source`."""
        handover = self._handover
        if handover is None:
            return
        last = self.clock.monotonic()
        while True:
            items = handover.take(_POLL_SECONDS)
            now = self.clock.monotonic()
            if any(isinstance(item, Packet) for item in items):
                last = now
            elif now - last > self.timeout_seconds:
                raise self._silence()
            yield from items

    def close(self) -> None:
        """See :class:`agent.camera.source.Source`; a camera that is stuck is left alone."""
        camera, self._camera = self._camera, None
        if self._handover is not None:
            self._handover.end()
            self._handover = None
        if camera is not None and wait([_started(camera.close)], _CLOSE_SECONDS).not_done:
            _log.warning("the camera does not stop; it is left to the end of the process")

    def _loaded(self) -> type[PiCamera]:
        """The class that drives the camera. Its import looks for devices on the way."""
        late = CameraFault(
            f"picamera2 was not loaded within {self.loading_seconds:g} s",
            advice="Restart the board; if it happens again, try another SD card",
        )
        # Not ImportError alone: numpy and libcamera of other versions raise what they like.
        return _result(_load, self.loading_seconds, late=late, explain=not_installed)

    def _within(self, what: str, act: Callable[[], _T]) -> _T:
        """The result of ``act``. Raises :class:`CameraFault` if it fails, or is too late."""
        late = CameraFault(
            f"the camera did not {what} within {self.timeout_seconds:g} s",
            advice="Restart the board; then check both ends of the camera's cable",
        )
        return _result(act, self.timeout_seconds, late=late, explain=explain)

    def _first_parameter_sets(self, handover: Handover) -> bytes:
        if parameter_sets := handover.wait_for_parameter_sets(self.timeout_seconds):
            return parameter_sets
        raise self._silence()

    def _silence(self) -> CameraFault:
        """The fault of a camera, or of its encoder alone, that gave nothing for too long."""
        if self._handover is not None and self._handover.encoder_is_behind:
            return CameraFault(
                f"the encoder ({self.encoder}) gave nothing for {self.timeout_seconds:g} s,"
                " while the camera gives pictures",
                advice="Restart the board; if it happens again, lower camera.source.width"
                " and height",
            )
        name = "camera" if self._camera is None else self._camera.model
        return CameraFault(
            f"the camera {name} gave no picture for {self.timeout_seconds:g} s",
            advice="With the power off, check both ends of its cable; journalctl -k says more",
        )


def _load() -> type[PiCamera]:
    from agent.camera.sources.pi.camera import PiCamera

    return PiCamera


def _result(
    act: Callable[[], _T],
    seconds: float,
    *,
    late: CameraFault,
    explain: Callable[[BaseException], CameraFault],
) -> _T:
    """The result of ``act``; raises ``late`` after so many seconds."""
    task = _started(act)
    if wait([task], seconds).not_done:
        raise late
    if (error := task.exception()) is not None:
        raise explain(error) from error
    return task.result()


def _started(act: Callable[[], _T]) -> Future[_T]:
    """Run ``act`` on a daemon thread, which does not keep the process from ending."""
    task: Future[_T] = Future()

    def run() -> None:
        try:
            task.set_result(act())
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            task.set_exception(error)

    threading.Thread(target=run, name="pi", daemon=True).start()
    return task
