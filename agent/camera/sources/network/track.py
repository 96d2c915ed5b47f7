"""One video track of a file or network camera, opened with PyAV for copying.

Each fault between us and a camera has advice for the owner. Audio is never asked for where
the protocol allows to choose (RTSP), and never read. A name and password in a URL appear
in no message; FFmpeg's own log, which would show them, is heard and never printed.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Literal, NamedTuple

import av
import av.error
import av.logging
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.camera.source import Codec, VideoFormat
from agent.camera.sources.ffmpeg_log import hear_ffmpeg, tells_of_error, tells_of_gap
from agent.camera.sources.network.backlog import Backlog
from agent.camera.sources.network.format_watch import MOST_PIXELS, FormatWatch
from agent.camera.sources.network.rtsp.conversation import Declined
from agent.camera.sources.network.rtsp.login import UnknownDigest, opened
from agent.camera.sources.network.trust import Trust
from agent.config.location import redacted, split
from agent.errors import CameraFault

_CODECS: dict[str, Codec] = {"h264": "h264", "hevc": "hevc"}
_REORDERED = "8"  # packets
_MOST_STRANGE = 50  # packets of a stream that appeared later, with none of ours between


def _is_rtsp(location: str) -> bool:
    return location.startswith(("rtsp:", "rtsps:"))


class TurnedAway(CameraFault):
    """The camera refuses the login; it will refuse it again, and counts."""


class Decoded(NamedTuple):
    """The output of the decoder for one packet."""

    pictures: list[VideoFrame]
    error: bool


class Track:
    """The first video track of ``location``, positioned at its first packet.

    ``setting`` is the key of ``camera.source`` that holds ``location``; ``timeout_seconds`` bounds
    each wait. Raises :class:`CameraFault`.
    """

    def __init__(
        self,
        location: str,
        *,
        setting: Literal["record", "detect"],
        trust: Trust,
        transport: Literal["tcp", "udp"],
        timeout_seconds: float,
    ) -> None:
        hear_ffmpeg()
        self.name = f"{redacted(location)} ({setting})"
        self.timeout_seconds = timeout_seconds
        fault = None
        self.backlog = Backlog()
        try:
            options = _options(location, trust, transport, timeout_seconds)
            with av.logging.Capture() as log:
                self._container, self._session = opened(
                    location, options, trust=trust, timeout_seconds=timeout_seconds
                )
        except UnknownDigest as error:
            fault = CameraFault(
                f"{self.name} takes a login by {error} alone",
                advice="Set the camera's authentication to digest, with SHA-256 or MD5",
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            fault = (self._untrusted(error) if trust.verify else None) or self._explain(error)
        if fault:
            raise fault  # outside: the error's own text may hold the password
        self.backlog.opened()
        self._gap_at_first = tells_of_gap(log)
        try:
            self._stream = self._choose()
            if setting == "record":
                self.watch = FormatWatch(self._describe())
        except CameraFault:
            self.close()
            raise
        self._decodes_all = True
        self._prepare_decoder()

    @property
    def format(self) -> VideoFormat:
        """The present format of the packets, which :attr:`watch` follows."""
        return self.watch.format

    @property
    def codec_name(self) -> str:
        """FFmpeg's name of the encoding."""
        return self._stream.codec_context.name

    @property
    def extradata(self) -> bytes:
        """The parameter sets that the stream began with, in the form of its packets."""
        return bytes(self._stream.codec_context.extradata or b"")

    @property
    def length_seconds(self) -> float | None:
        """The length; None when it is not known (a live camera)."""
        duration = self._container.duration
        return None if duration is None else duration / av.time_base

    def packets(self) -> Iterator[av.Packet[VideoStream]]:
        """The packets of the track, without audio, until it ends.

        Damaged ones come as they are. Errors of the protocol are skipped, as long as packets
        come between.
        """
        strange = 0
        while True:
            count = 0
            try:
                for packet in self._demuxed():
                    count += 1
                    yield packet
            except IndexError:  # PyAV's error for a stream that was not there at first
                strange = 0 if count else strange + 1
                if strange < _MOST_STRANGE:
                    continue
                fault = CameraFault(
                    f"{self.name} changed what it sends", advice="Check the camera's settings"
                )
            except (av.error.FFmpegError, OSError, ValueError) as error:
                if count and isinstance(error, av.error.InvalidDataError):
                    continue
                fault = self._explain(error)
            else:
                return
            raise fault  # outside: the error's own text may hold the password

    def _demuxed(self) -> Iterator[av.Packet[VideoStream]]:
        """The packets as they come; of a marked one a part may be missing.

        FFmpeg's parser gives out a picture when the next one begins: the packet that is missing
        is of the picture that comes now, or of the next.
        """
        demuxed = self._container.demux(self._stream)
        marks = 2 if self._gap_at_first else 0
        while True:
            with av.logging.Capture() as log:
                packet = next(demuxed, None)
            if packet is None:
                return
            lost = self._session is not None and self._session.lost()
            if lost or tells_of_gap(log) or packet.is_corrupt:
                marks = 2
            if packet.size:
                if marks:
                    packet.opaque = True
                    marks -= 1
                yield packet

    def decode(self, packet: av.Packet[VideoStream], *, wanted: bool) -> Decoded:
        """The pictures that come out when ``packet`` goes in, and if the decoder found an error.

        Unless ``wanted``, a picture is left out where no other builds on it.
        """
        if wanted != self._decodes_all:
            self._decodes_all = wanted
            self._stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
        with av.logging.Capture() as log:
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                return Decoded([], error=True)
        return Decoded(pictures, tells_of_error(log) or any(each.is_corrupt for each in pictures))

    def silence(self) -> CameraFault:
        """The fault of a camera that sends nothing more."""
        return self._explain(TimeoutError())

    def close(self) -> None:
        """Close the file or connection."""
        self._container.close()
        self.backlog.close()
        if self._session is not None:
            self._session.close()

    def _choose(self) -> VideoStream:
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:
            raise CameraFault(
                f"{self.name} carries no video", advice="Choose a stream or file with a picture"
            )
        discard = getattr(av.stream, "Discard", None)  # since PyAV 17; saves some work, no more
        for other in self._container.streams:
            if discard is not None and other.index != streams[0].index:
                other.discard = discard.all
        return streams[0]

    def _prepare_decoder(self) -> None:
        """One thread, and no picture held back where the camera does not reorder them."""
        context = self._stream.codec_context
        context.thread_count = 1
        # A third less work, and the same pictures to the bit (docs/decisions/detection.md).
        context.flags2 |= int(av.codec.context.Flags2.fast)
        if not context.has_b_frames:
            context.flags |= int(av.codec.context.Flags.low_delay)

    def _describe(self) -> VideoFormat:
        """The format of what is copied; of a camera joined between keyframes without a size."""
        context = self._stream.codec_context
        codec = _CODECS.get(self.codec_name)
        if codec is None:
            raise CameraFault(
                f"{self.name} is encoded as {self.codec_name}, and is only ever copied",
                advice="Set the camera to H.264 or H.265, or convert the file",
            )
        width, height = context.width, context.height
        if context.extradata and width and height and max(width, height) <= MOST_PIXELS:
            return VideoFormat(codec, width, height, bytes(context.extradata))
        if self.length_seconds is not None:
            raise CameraFault(f"{self.name} holds no {codec} parameters", advice="Convert the file")
        return VideoFormat(codec, 0, 0, b"")

    def _explain(self, error: Exception) -> CameraFault:
        """``error`` as a fault for the author of the configuration."""
        if self.name.startswith("rtsp") and isinstance(error, av.error.InvalidDataError):
            # FFmpeg's error for silence, and for the answers of another kind of server.
            error = TimeoutError()
        if isinstance(error, Declined):
            error = _AS_FFMPEGS.get(error.status, av.error.HTTPClientError)(error.status, "")
        for kind, message, advice in _EXPLANATIONS:
            if isinstance(error, kind):
                seconds = f"{self.timeout_seconds:g}"
                fault = TurnedAway if kind is _LOGIN_REFUSED else CameraFault
                return fault(message.format(name=self.name, seconds=seconds), advice=advice)
        reason = getattr(error, "strerror", None) or type(error).__name__
        return CameraFault(
            f"{self.name} cannot be read ({reason})", advice="Check camera.source in agent.yaml"
        )

    def _untrusted(self, error: Exception) -> CameraFault | None:
        """The fault where certificates are checked; None: the same as elsewhere."""
        number = getattr(error, "errno", None)
        if number == errno.EIO and self.name.startswith(("rtsps:", "https:")):
            # FFmpeg's error for a bad certificate, an unknown host, and a silent one.
            return CameraFault(
                f"{self.name} is not reached, or shows no certificate that is trusted here",
                advice="Check the address; put the camera's certificate into"
                " camera.source.ca_file, and the name in it into certificate_name",
            )
        if number == errno.EINVAL and self.name.startswith("https:"):
            return CameraFault(
                f"{self.name} is no stream by itself: the pieces of a playlist (HLS) would be"
                " fetched unchecked",
                advice="Use the camera's rtsps:// stream, or one in MPEG-TS or FLV",
            )
        return None


def _options(
    location: str, trust: Trust, transport: Literal["tcp", "udp"], timeout_seconds: float
) -> dict[str, str]:
    """FFmpeg's options for ``location``."""
    url = split(location)
    if url is None:
        return {}
    # Counting frames to guess at their rate would take more than a second.
    options = {"fpsprobesize": "0", **trust.options(url.scheme)}
    if _is_rtsp(location):
        # The time limit for each wait, and for the first keyframe, which may bring the
        # parameters. PyAV's own limit calls Python at every system call, which costs as much
        # as all other work on a packet, and RTSP makes six calls for each of RTP's.
        if transport == "tcp":
            # Without a queue FFmpeg does not tell of missing packets; it waits for so many more.
            options["reorder_queue_size"] = _REORDERED
        limit = f"{timeout_seconds * 1e6:.0f}"
        options |= {"rtsp_transport": transport, "allowed_media_types": "video"}
        options |= {"timeout": limit, "analyzeduration": limit, "probesize": "20000000"}
    return options


_AS_FFMPEGS: dict[int, type[av.error.FFmpegError]] = {
    401: av.error.HTTPUnauthorizedError,
    403: av.error.HTTPForbiddenError,
    404: av.error.HTTPNotFoundError,
}
_Kinds = type[Exception] | tuple[type[Exception], ...]
# Only these two answers are about the login. All others may pass by themselves: a restreamer knows
# its streams some time after its start, and a viewer too many is one less later.
_LOGIN_REFUSED = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)
_EXPLANATIONS: tuple[tuple[_Kinds, str, str], ...] = (
    (FileNotFoundError, "{name}: there is no such file", "Check camera.source in agent.yaml"),
    (
        PermissionError,
        "{name}: this user may not read it",
        "Give the camera's user access to the file",
    ),
    (
        _LOGIN_REFUSED,
        "{name} refuses the name or password",
        "Write name:password into the file that camera.source.credentials_file names",
    ),
    (
        av.error.HTTPNotFoundError,
        "{name} answers, but has no such stream now",
        "If it does not start just now, look up the stream's path in its manual",
    ),
    (
        (av.error.HTTPClientError, av.error.HTTPServerError),
        "{name} answers, but gives no stream now",
        "If it does not start just now, look at the number of its viewers, and at the stream's"
        " path in its manual",
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
