"""H.264 for pictures that come unencoded, by the best encoder of this machine.

With every encoder, no picture waits for a later one, none is reordered, and a keyframe
comes each second of time. A board's own encoder is tried with a grey picture before it is
trusted, since it may open and then refuse. Its parameter sets come with its first packet,
so they are taken from there.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import av.codec.context
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from agent.camera.source import KEYFRAME_SECONDS, KeyframeClock, Packet, VideoFormat
from agent.camera.sources.annexb import h264_extradata, h264_kinds
from agent.camera.sources.luma import rows_of
from agent.camera.zones import NO_COLOUR
from agent.errors import CameraFault

HARDWARE, SOFTWARE = "h264_v4l2m2m", "libx264"

_TICKS_PER_SECOND = 90_000
_LONGEST_SECONDS = 1.0  # that a picture may claim to be shown
_TRIAL_PICTURES = 30  # a board's encoder holds a few back, never so many
# FFmpeg hands over rows as they are, without asking which length the board expects. A
# Raspberry Pi's driver (bcm2835-codec) aligns them to 64 bytes where it encodes.
_HARDWARE_WIDTH_STEP = 64
_GREY_LUMA = 126
_IDR, _SLICES = 5, frozenset(range(1, 6))  # nal_unit_type

# FFmpeg's errors, and PyAV's for a codec that it was built without.
_ERRORS = (av.error.FFmpegError, ValueError)

_log = logging.getLogger(__name__)

Create = Callable[[str], VideoCodecContext]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The pictures to encode, and the quality to encode them with.

    ``crf`` and ``preset`` are x264's. ``bits_per_second`` is the most that software
    uses over a second, and the aim of a board's encoder. None: no limit, and no board's
    encoder.
    """

    width: int
    height: int
    frames_per_second: float
    crf: int
    preset: str
    bits_per_second: int | None = None

    def format(self, extradata: bytes) -> VideoFormat:
        """The format of the packets."""
        return VideoFormat("h264", self.width, self.height, extradata)


def open_encoder(settings: Settings, *, create: Create | None = None) -> Encoder:
    """The best encoder that works; logs its name, and why a better one does not.

    ``create`` makes a codec context by its name, for tests. Raises
    :class:`CameraFault` if there is none.
    """
    create = create or _create
    rate = settings.frames_per_second
    if settings.bits_per_second is not None:
        try:
            video = _by_trial(create, settings)
            context = _opened(create, HARDWARE, settings)
            return Encoder(context, video, f"{HARDWARE} (hardware)", 1 / rate)
        except _ERRORS as error:
            _log.info("no %s here (%s)", HARDWARE, _reason(error))
    try:
        context = _opened(create, SOFTWARE, settings)
    except _ERRORS as error:
        raise CameraFault(
            f"there is no H.264 encoder here ({_reason(error)})",
            advice="Install PyAV's own wheel: pip install --force-reinstall av",
        ) from error
    video = settings.format(bytes(context.extradata or b""))
    return Encoder(context, video, f"{SOFTWARE} (software)", 1 / rate)


class Encoder:
    """Pictures in, packets out, in the order of time; from :func:`open_encoder`.

    ``description`` names the encoder to a person, ``format`` is that of the packets.
    """

    def __init__(
        self, context: VideoCodecContext, video: VideoFormat, description: str, frame_seconds: float
    ) -> None:
        self.format = video
        self.description = description
        self._context = context
        self._frame_seconds = frame_seconds
        self._first: float | None = None
        self._waiting: deque[tuple[int, float]] = deque()  # ticks and seconds of pictures inside
        self._last_ticks = -1
        self._last_seconds: float | None = None  # of the last packet
        self._keyframes = KeyframeClock(frame_seconds)
        _log.info("encoding with %s", description)

    def encode(self, picture: VideoFrame, seconds: float) -> list[Packet]:
        """Take ``picture``, yuv420p in video range; give the packets that are ready.

        ``seconds`` must grow. Raises :class:`CameraFault` when the encoder fails.
        """
        if self._first is None:
            self._first = seconds
        ticks = round((seconds - self._first) * _TICKS_PER_SECOND)
        self._last_ticks = picture.pts = max(ticks, self._last_ticks + 1)
        picture.time_base = Fraction(1, _TICKS_PER_SECOND)
        is_due = self._keyframes.due(seconds)
        picture.pict_type = PictureType.I if is_due else PictureType.NONE
        self._waiting.append((self._last_ticks, seconds))
        try:
            coded = [(bytes(packet), packet.pts) for packet in self._context.encode(picture)]
        except _ERRORS as error:
            raise CameraFault(
                f"the encoder {self.description} failed ({_reason(error)})",
                advice="If it happens again, set a smaller width and height in camera.source",
            ) from error
        packets = (self._packet(data, pts) for data, pts in coded)
        return [packet for packet in packets if packet is not None]

    def _packet(self, data: bytes, ticks: int | None) -> Packet | None:
        """``data`` as a packet with its own picture's time; None if no picture is in it."""
        kinds = h264_kinds(data)
        if not kinds & _SLICES:
            return None  # parameter sets in a packet of their own: the format has them
        seconds = self._time_of(ticks)
        duration = self._frame_seconds
        if self._last_seconds is not None:  # the best guess at how long the next will take
            duration = min(seconds - self._last_seconds, _LONGEST_SECONDS)
        self._last_seconds = seconds
        return Packet(data=data, keyframe=_IDR in kinds, seconds=seconds, duration_seconds=duration)

    def _time_of(self, ticks: int | None) -> float:
        """The time of the picture of ``ticks``; the encoder may have dropped earlier ones."""
        stamp, seconds = self._waiting.popleft()
        while ticks is not None and stamp < ticks and self._waiting:
            stamp, seconds = self._waiting.popleft()
        return seconds


def _by_trial(create: Create, settings: Settings) -> VideoFormat:
    """The format that the board's encoder makes of grey pictures; raises if it makes nothing."""
    if settings.width % _HARDWARE_WIDTH_STEP:
        raise ValueError(f"the width is no multiple of {_HARDWARE_WIDTH_STEP}")
    trial = _opened(create, HARDWARE, settings)
    grey = VideoFrame(settings.width, settings.height, "yuv420p")
    for plane, level in zip(grey.planes, (_GREY_LUMA, NO_COLOUR, NO_COLOUR), strict=True):
        rows_of(plane)[:] = level
    data = b""
    for number in range(_TRIAL_PICTURES):
        grey.pts = round(number * _TICKS_PER_SECOND / settings.frames_per_second)
        data += b"".join(bytes(packet) for packet in trial.encode(grey))
        if sets := h264_extradata(data):
            return settings.format(sets)
    raise ValueError("it gave nothing that can be played")


def _opened(create: Create, name: str, settings: Settings) -> VideoCodecContext:
    """The encoder ``name``, ready for pictures."""
    context = create(name)
    context.width, context.height, context.pix_fmt = settings.width, settings.height, "yuv420p"
    context.time_base = Fraction(1, _TICKS_PER_SECOND)
    context.framerate = Fraction(settings.frames_per_second).limit_denominator(1001)
    # Twice the distance of the keyframes that we ask for, which come first.
    context.gop_size = 2 * round(settings.frames_per_second * KEYFRAME_SECONDS)
    most = settings.bits_per_second
    if most is not None:
        context.bit_rate = most
    if name == SOFTWARE:
        context.thread_count = 1
        context.flags |= int(av.codec.context.Flags.global_header)
        context.options = {
            "preset": settings.preset,
            "tune": "zerolatency",
            "bf": "0",
            "forced-idr": "1",
            "crf": str(settings.crf),
            # A limit, not an aim: a still picture gets less.
            **({} if most is None else {"maxrate": str(most), "bufsize": str(most)}),
        }
    context.open()
    return context


def _create(name: str) -> VideoCodecContext:
    context = av.CodecContext.create(name, "w")
    if not isinstance(context, VideoCodecContext):
        raise TypeError(f"{name} is no video codec")
    return context


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
