"""A camera on the board's own connector, driven with picamera2.

Each picture goes this way, on picamera2's event loop: the private part of the large and
the small picture is painted over; the picture is announced to the :class:`Handover`; only
then is it encoded, once a second as a keyframe. If any of this raises, the picture does
not reach the encoder, and the fault ends the source.

Sensor modes are never listed and nothing is configured twice: both cost memory that small
boards do not have. :mod:`agent.camera.sources.pi.source` puts time limits around all of this.
"""

from __future__ import annotations

import atexit
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from libcamera import ColorSpace
from picamera2 import MappedArray, Picamera2
from picamera2.encoders import Encoder, H264Encoder, LibavH264Encoder
from picamera2.encoders.v4l2_encoder import V4L2Encoder

from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, FrameRate, KeyframeClock
from agent.camera.sources.luma import frame_of_planes
from agent.camera.sources.pi.controls import controls_for, transform
from agent.camera.sources.pi.handover import Handover
from agent.camera.sources.pi.keyframes import Ask, can_be_asked, counted_distance, how_to_ask
from agent.camera.sources.pi.planes import FORMATS, Planes, planes_of
from agent.camera.sources.pi.threads import EventLoop, Packets, watched
from agent.camera.zones import PrivacyMask
from agent.config import PiSource
from agent.errors import CameraFault

# Of each stream: one being encoded, the others at the camera. Fast ones need more of them.
_BUFFERS, _BUFFERS_WHEN_FAST, _FAST_FRAMES_PER_SECOND = 4, 6, 15
_HAS_SENSOR_HDR = re.compile(r"imx708(_wide)?(_noir)?")
_SENSOR_HDR_WIDTH = 2304  # of the whole picture; twice that without HDR

_log = logging.getLogger(__name__)


class PiCamera:
    """One camera, opened. Everything here may raise what picamera2 raises.

    ``codec_device`` is the node of the board's own encoder, where there is one.
    """

    def __init__(self, settings: PiSource, *, codec_device: Path) -> None:
        self._settings = settings
        self._codec_device = codec_device
        info = _find(settings.camera)
        self.model = _model(info)
        self._sensor_hdr = _set_sensor_hdr(info, wanted=settings.hdr)
        self._camera = Picamera2(settings.camera)
        # At exit it would close the camera without a time limit.
        atexit.unregister(self._camera.close)
        self.encoder = ""
        self._loop: EventLoop | None = None

    @property
    def library(self) -> str:
        """The libcamera that drives it."""
        return f"libcamera {self._camera.camera_manager.version}"

    def start(
        self, handover: Handover, *, privacy: PrivacyMask, motion_frames_per_second: float
    ) -> None:
        """Configure and start; ``handover`` gets pictures and packets from now on."""
        camera = self._camera
        if self._sensor_hdr and camera.sensor_resolution[0] > _SENSOR_HDR_WIDTH:
            raise CameraFault(
                "the camera did not switch to high dynamic range",
                advice="Let the service's user write to /dev/v4l-subdev*, or set"
                " camera.source.hdr to false",
            )
        self._configure()
        painter = _Painter(
            handover=handover,
            full_range=_is_full_range(camera.camera_configuration()),
            privacy=privacy,
            rate=FrameRate(motion_frames_per_second),
            keyframes=KeyframeClock(1 / self._settings.frames_per_second),
        )
        camera.pre_callback = painter.prepare
        encoder = self._choose_encoder(handover)
        camera.start_encoder(encoder, Packets(encoder, handover), name="main")
        hardware = isinstance(encoder, V4L2Encoder)
        painter.ask_for_keyframe = how_to_ask(encoder, hardware=hardware)
        self._loop = EventLoop(handover)
        camera.start_preview(self._loop)
        camera.start()

    def close(self) -> None:
        """Stop all threads and release the camera; goes on when a step fails."""
        steps = [self._camera.stop_encoder, self._camera.close]
        if self._loop is not None:
            steps.insert(0, self._camera.stop_preview)  # first: the other steps may wait for it
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever picamera2 raises
                _log.warning("%s of the camera failed: %r", step.__name__, error)

    def _configure(self) -> None:
        camera, settings = self._camera, self._settings
        size = settings.width, settings.height
        wanted = transform(settings)
        fast = settings.frames_per_second > _FAST_FRAMES_PER_SECOND
        camera.configure(
            camera.create_video_configuration(
                main={"size": size, "format": "YUV420"},
                lores={"size": (LUMA_WIDTH, LUMA_HEIGHT), "format": "YUV420"},
                raw=None,
                transform=wanted,
                buffer_count=_BUFFERS_WHEN_FAST if fast else _BUFFERS,
                queue=False,  # nobody asks for single pictures: keep none back for them
                display=None,
            )
        )
        given = camera.camera_configuration()
        for name, expected in (("main", size), ("lores", (LUMA_WIDTH, LUMA_HEIGHT))):
            width, height = given[name]["size"]
            if (width, height) != expected:
                raise CameraFault(
                    f"the camera {self.model} gives pictures of {width}x{height} where"
                    f" {expected[0]}x{expected[1]} are wanted",
                    advice="Choose another camera.source.width and height",
                )
            if given[name]["format"] not in FORMATS:
                raise CameraFault(
                    f"the camera {self.model} gives pictures as {given[name]['format']}, and"
                    " YUV 4:2:0 is wanted",
                    advice="For a USB camera set camera.source.type to webcam",
                )
        if (settings.rotation or settings.flip != "none") and given["transform"] != wanted:
            raise CameraFault(
                f"the camera {self.model} cannot turn or mirror its picture so",
                advice="Set camera.source.rotation to 0 and flip to none, and turn the camera",
            )
        camera.set_controls(
            controls_for(settings, camera.camera_controls, sensor_hdr=self._sensor_hdr)
        )

    def _choose_encoder(self, handover: Handover) -> Encoder:
        """The board's own encoder where it has one, as picamera2 knows, else libx264."""
        settings = self._settings
        rate = settings.frames_per_second
        options = {
            "bitrate": settings.bits_per_second,
            "repeat": True,  # parameter sets before each keyframe
            "iperiod": rate,  # x264 begins to count anew at each keyframe that was asked for
            "framerate": rate,
        }
        if issubclass(H264Encoder, V4L2Encoder) and self._codec_device.exists():
            self.encoder = "v4l2 h264 (hardware)"
            options["iperiod"] = 2 * rate  # those that we ask for come first
            if not can_be_asked(H264Encoder):
                slowest = settings.night_frames_per_second or rate
                options["iperiod"] = counted_distance(rate, slowest)
            encoder = H264Encoder(**options)
            # Its thread would end without a word.
            encoder.thread_poll = partial(watched, encoder.thread_poll, handover)
        else:
            self.encoder = "libx264 (software)"
            encoder = LibavH264Encoder(**options)
            encoder.threads = 1  # more would each hold a picture back
        _log.info("H.264 by %s", self.encoder)
        return encoder


@dataclass(kw_only=True)
class _Painter:
    """Paints, announces and copies each picture before it is encoded."""

    handover: Handover
    full_range: bool
    privacy: PrivacyMask
    rate: FrameRate
    keyframes: KeyframeClock
    ask_for_keyframe: Ask = lambda: None

    def prepare(self, request: Any) -> None:
        """Serve as picamera2's ``pre_callback``; if it raises, the picture is not encoded."""
        metadata = request.get_metadata()
        if "SensorTimestamp" not in metadata:
            raise CameraFault(
                "the camera does not say when a picture was taken",
                advice="Use a camera that the board's libcamera supports",
            )
        if self.privacy:
            self._with_planes(request, "main", self._paint)
        # FrameDuration is in microseconds: from this picture to the next.
        duration = metadata.get("FrameDuration", 0) / 1e6 or None
        seconds = self.handover.picture(metadata["SensorTimestamp"], duration)
        if self.keyframes.due(seconds):
            self.ask_for_keyframe()
        if self.rate.due(seconds):
            self._with_planes(request, "lores", partial(self._hand_over, seconds))

    def _hand_over(self, seconds: float, planes: Planes) -> None:
        if self.privacy:
            self._paint(planes)
        self.handover.frame(frame_of_planes(seconds, *planes, full_range=self.full_range))

    def _paint(self, planes: Planes) -> None:
        try:
            self.privacy.blacken(planes)
        except Exception as error:
            raise CameraFault(
                f"a privacy zone could not be painted over, so nothing is recorded ({error})",
                advice="Restart the camera's service; if it happens again, report it",
            ) from error

    @staticmethod
    def _with_planes(request: Any, name: str, act: Callable[[Planes], None]) -> None:
        """Let ``act`` have the planes of a stream, while its buffer is mapped."""
        with MappedArray(request, name, reshape=False) as mapped:
            act(planes_of(mapped.array, request.config[name]))


def _model(info: Mapping[str, Any]) -> str:
    return str(info.get("Model", "without a name"))


def _find(number: int) -> dict[str, Any]:
    """The information of libcamera on camera ``number``."""
    cameras = Picamera2.global_camera_info()
    if not cameras:
        raise CameraFault(
            "no camera is connected to this board, or none that this user may see",
            advice="With the power off, check both ends of its cable; then look at"
            " rpicam-hello --list-cameras, and that the user is in the group video",
        )
    if number >= len(cameras):
        there = ", ".join(f"{n} ({_model(camera)})" for n, camera in enumerate(cameras))
        raise CameraFault(
            f"there is no camera number {number}, only {there}",
            advice="Set camera.source.camera to one of these",
        )
    return dict(cameras[number])


def _set_sensor_hdr(info: dict[str, Any], *, wanted: bool) -> bool:
    """Switch the sensor's own HDR before it is opened; gives True if it is on now.

    The sensor keeps its last state, so it is switched off too.
    """
    if not _HAS_SENSOR_HDR.fullmatch(_model(info)):
        return False
    from picamera2.devices.imx708 import IMX708

    try:
        with IMX708(info["Num"]) as sensor:
            sensor.set_sensor_hdr_mode(wanted)
    except (RuntimeError, OSError) as error:
        if wanted:
            raise CameraFault(
                f"the camera cannot be switched to high dynamic range ({error})",
                advice="Let the service's user write to /dev/v4l-subdev*, or set"
                " camera.source.hdr to false",
            ) from error
        _log.warning("the camera's HDR could not be switched off: %s", error)
    return wanted


def _is_full_range(configuration: dict[str, Any]) -> bool:
    """Tell if luma goes from 0 to 255, as a webcam's may; a Pi's is video range."""
    space = configuration["colour_space"]
    return space is not None and bool(space.range == ColorSpace.Range.Full)
