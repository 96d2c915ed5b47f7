"""One video track of a file or network camera, opened with PyAV for copying.

Here is what can go wrong between us and a camera, each with a sentence that says
what to do about it. Audio is never asked for where the protocol allows to choose
(RTSP), and never read anywhere. A name and password in a URL appear in no message.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal
from urllib.parse import urlsplit

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from agent.camera.source import Codec, VideoFormat
from agent.errors import CameraFault

_CODECS: dict[str, Codec] = {"h264": "h264", "hevc": "hevc"}
_USUAL_FRAMES_PER_SECOND = 15


def is_url(location: str) -> bool:
    """Whether ``location`` is on a network rather than the path of a file."""
    return "://" in location and not location.startswith("file:")


def redacted(location: str) -> str:
    """``location`` without user, password and query, fit for a log."""
    if not is_url(location):
        return location
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


class Track:
    """The first video track of ``location``, positioned at its first packet.

    ``timeout_seconds`` bounds each wait. Raises :class:`CameraFault`.
    """

    def __init__(
        self, location: str, *, transport: Literal["tcp", "udp"], timeout_seconds: float
    ) -> None:
        self.name = redacted(location)
        self._timeout_seconds = timeout_seconds
        options = {}
        if location.startswith(("rtsp:", "rtsps:")):
            options = {"rtsp_transport": transport, "allowed_media_types": "video"}
        fault = None
        try:
            self._container: InputContainer = av.open(
                location, options=options, timeout=timeout_seconds
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            fault = self._explain(error)
        if fault:
            raise fault  # outside: the error's own text may hold the password
        try:
            self._stream = self._choose()
            self.format = self._describe()
        except CameraFault:
            self._container.close()
            raise
        self._stream.codec_context.thread_count = 1
        rate = self._stream.average_rate or Fraction(_USUAL_FRAMES_PER_SECOND)
        self.frame_seconds = float(1 / rate)

    @property
    def length_seconds(self) -> float | None:
        """How long it plays; None when that is not known (a live camera)."""
        duration = self._container.duration
        return None if duration is None else duration / av.time_base

    def packets(self) -> Iterator[av.Packet[VideoStream]]:
        """The packets of the track, without audio, until it ends."""
        fault = None
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
        except (av.error.FFmpegError, OSError, ValueError) as error:
            fault = self._explain(error)
        if fault:
            raise fault

    def close(self) -> None:
        """Hang up."""
        self._container.close()

    def _choose(self) -> VideoStream:
        streams = self._container.streams.video
        if not streams:
            raise CameraFault(
                f"{self.name} carries no video", advice="Choose a stream or file with a picture"
            )
        for other in self._container.streams:
            if other.index != streams[0].index:
                other.discard = av.stream.Discard.all
        return streams[0]

    def _describe(self) -> VideoFormat:
        context = self._stream.codec_context
        name = context.name if context is not None else "unknown"
        codec = _CODECS.get(name)
        if codec is None:
            raise CameraFault(
                f"{self.name} is encoded as {name}, and is only ever copied",
                advice="Set the camera to H.264 or H.265, or convert the file",
            )
        if not (context.extradata and context.width and context.height):
            raise CameraFault(
                f"{self.name} did not send its {codec} parameters",
                advice="Set a shorter keyframe interval in the camera",
            )
        return VideoFormat(codec, context.width, context.height, bytes(context.extradata))

    def _explain(self, error: Exception) -> CameraFault:
        """What ``error`` means to the person who wrote the configuration."""
        if self.name.startswith("rtsp") and isinstance(error, av.error.InvalidDataError):
            # What FFmpeg calls silence here, and also the answers of what is no RTSP server.
            error = TimeoutError()
        for kind, message, advice in _EXPLANATIONS:
            if isinstance(error, kind):
                seconds = f"{self._timeout_seconds:g}"
                return CameraFault(message.format(name=self.name, seconds=seconds), advice=advice)
        reason = getattr(error, "strerror", None) or type(error).__name__
        return CameraFault(
            f"{self.name} cannot be read ({reason})", advice="Check camera.source in agent.yaml"
        )


_Kinds = type[Exception] | tuple[type[Exception], ...]
_EXPLANATIONS: tuple[tuple[_Kinds, str, str], ...] = (
    (
        FileNotFoundError,
        "{name}: there is no such file",
        "Check camera.source in agent.yaml",
    ),
    (
        PermissionError,
        "{name}: this user may not read it",
        "Give the camera's user access to the file",
    ),
    (
        (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError),
        "{name} refuses the name or password",
        "Write them into the URL, rtsp://name:password@host/",
    ),
    (
        av.error.HTTPNotFoundError,
        "{name}: the camera answers, but has no such stream",
        "Look up the stream's path in the camera's manual",
    ),
    (
        av.error.HTTPClientError,
        "{name} has no picture to give",
        "Look up the stream's path in the camera's manual",
    ),
    (
        (ConnectionError, av.error.ConnectionRefusedError),
        "{name} refuses the connection",
        "Check host and port, and that the camera is on",
    ),
    (
        (TimeoutError, av.error.ExitError),
        "{name} gave no video within {seconds} s",
        "Check that the camera is on and reachable from here",
    ),
    (
        av.error.InvalidDataError,
        "{name} is not a video",
        "Give an MP4, MKV or MPEG-TS file, or a camera's stream",
    ),
)
