"""Seams: pictures encoded again so that they fit before or after pictures that are copied.

Encoded pictures have parameter sets of their own, under an id that the recording does not use. Both
kinds of sets lie in the header of the file: ``avc1`` and ``hvc1`` allow none among the pictures,
and Apple's players insist on that. Profile, level, format, size and colours are those of the
recording, so a decoder need not be set up again. The encoder makes no B-pictures, so all its
pictures are shown before the copied ones go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import av.error
from av.codec import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.media.editing.encoding import USUAL_RATE, copy_colours
from agent.media.editing.span import VideoPacket, decoded
from agent.media.entry_points import SLICES
from agent.media.h265_numbers import MOST_NUMBER, Renumbered
from agent.media.nal_units import Cleaner
from agent.media.parameter_sets import (
    Codec,
    Key,
    MalformedSet,
    ParameterSet,
    is_set,
    kind_of,
    read_set,
)

LENGTH_BYTES: Final = 4  # of the length before each unit
_NUMBER: Final[dict[Codec, int]] = {"h264": 31, "hevc": MOST_NUMBER}  # cameras begin at 0
_ENCODERS: Final[dict[Codec, str]] = {"h264": "libx264", "hevc": "libx265"}
_PROFILES: Final[dict[Codec, dict[str, str]]] = {
    "h264": {
        "Constrained Baseline": "baseline",
        "Baseline": "baseline",
        "Main": "main",
        "High": "high",
        "High 10": "high10",
        "High 4:2:2": "high422",
    },
    "hevc": {"Main": "main", "Main 10": "main10"},
}
_X265: Final = (
    "log-level=none:info=0:keyint=-1:scenecut=0:bframes=0:ref=1:weightp=0:open-gop=0"
    ":wpp=0:pools=none:rc-lookahead=1:lookahead-slices=0"
)
_START_CODE: Final = b"\0\0\1"


class NoSeam(ValueError):
    """Pictures of this stream cannot be encoded so that others can be copied beside them."""


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """A picture as it stands in the file, and its time in units of the stream."""

    content: bytes
    shown: int
    is_keyframe: bool


class SeamEncoder:
    """Encodes runs of pictures of ``stream``, beside copies that ``cleaner`` cleans.

    ``sets`` are the parameter sets of all runs. Raises :class:`NoSeam`, as :meth:`run` does.
    """

    def __init__(self, stream: VideoStream, codec: Codec, cleaner: Cleaner) -> None:
        self._recorded = stream.codec_context
        self._rate = stream.average_rate or USUAL_RATE
        assert stream.time_base is not None
        self._unit = stream.time_base
        self._codec: Codec = codec
        self._renumbered: Renumbered | None = None
        self.sets = self._checked(self._opened(), cleaner)
        self.check_numbers(cleaner)

    def check_numbers(self, cleaner: Cleaner) -> None:
        """Check that no set of the recording has our number; it may bring more sets at any time."""
        if any(key in cleaner.known for key, _ in self.sets):
            raise NoSeam("the recording uses all numbers")

    def run(self, frames: Iterable[VideoFrame]) -> list[CodedPicture]:
        """The pictures, the first of which needs no other; their times grow."""
        encoder, coded = self._opened(), []
        origin: int | None = None
        try:
            for frame in chain(frames, [None]):
                if frame is not None:
                    self._check(frame)
                    assert frame.pts is not None
                    origin = frame.pts if origin is None else origin
                    frame.pts -= origin
                    frame.pict_type = 0  # the encoder decides, not the recording
                for packet in encoder.encode(frame):
                    coded.append(self._coded(packet, origin or 0))
        except av.error.FFmpegError as error:
            raise NoSeam(f"the encoder says {error.strerror}") from error
        except MalformedSet as error:
            raise NoSeam(f"a slice of the encoder {error}") from error
        return coded

    def verify(self, record: bytes, pictures: Sequence[CodedPicture]) -> None:
        """Check that a new decoder shows exactly these, in their order and undamaged."""
        decoder = CodecContext.create(self._codec, "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.extradata = record
        try:
            frames = decoded(decoder, map(_packet, pictures))
            shown = [None if frame.is_corrupt else frame.pts for frame in frames]
        except av.error.FFmpegError as error:
            raise NoSeam(f"a decoder says {error.strerror}") from error
        if shown != [one.shown for one in pictures]:
            raise NoSeam(f"a decoder shows {len(shown)} pictures of {len(pictures)}")

    def _opened(self) -> VideoCodecContext:
        recorded = self._recorded
        if recorded.pix_fmt is None or recorded.level <= 0:
            raise NoSeam("the recording does not tell its format")
        try:
            encoder = CodecContext.create(_ENCODERS[self._codec], "w")
        except av.codec.codec.UnknownCodecError as error:
            raise NoSeam(f"this FFmpeg has no {_ENCODERS[self._codec]}") from error
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height = recorded.width, recorded.height
        encoder.pix_fmt = recorded.pix_fmt
        encoder.time_base = self._unit
        encoder.framerate = self._rate
        copy_colours(recorded, encoder)
        encoder.options = self._options()
        try:
            encoder.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise NoSeam(f"no encoder for {recorded.profile} {recorded.pix_fmt}") from error
        return encoder

    def _options(self) -> dict[str, str]:
        recorded = self._recorded
        profile = _PROFILES[self._codec].get(recorded.profile or "")
        if profile is None:
            raise NoSeam(f"profile {recorded.profile}")
        common = {"flags": "+global_header", "bf": "0", "crf": "18", "profile": profile}
        # A number of threads that follows the processors would make the result depend on the
        # machine; x265 is the same everywhere with one thread only.
        if self._codec == "h264":
            own = f"sps-id={_NUMBER[self._codec]}:keyint=infinite:scenecut=0:cpu-independent=1"
            more = {"threads": "2", "preset": "superfast", "x264-params": own}
            return common | more | {"level": str(recorded.level)}
        own = f"{_X265}:level-idc={recorded.level / 30:g}"
        return common | {"threads": "1", "preset": "ultrafast", "x265-params": own}

    def _numbered(self, encoder: VideoCodecContext) -> tuple[bytes, ...]:
        """The encoder's sets under our number; x264 has an option for it."""
        sets = tuple(one for one in _split(encoder.extradata or b"") if is_set(one, self._codec))
        if self._codec == "h264":
            return sets
        self._renumbered = Renumbered(sets, _NUMBER["hevc"])
        return self._renumbered.sets

    def _checked(self, encoder: VideoCodecContext, cleaner: Cleaner) -> list[tuple[Key, bytes]]:
        """The encoder's sets; they must describe the same pictures as the recording's."""
        try:
            read = [(read_set(unit, self._codec), unit) for unit in self._numbered(encoder)]
        except MalformedSet as error:
            raise NoSeam(f"a set of the encoder {error}") from error
        known = cleaner.known
        recorded = {_format(one) for one in known.values() if one.key[0] == "sequence"}
        made = {_format(one) for one, _ in read if one.key[0] == "sequence"}
        if cleaner.length_bytes != LENGTH_BYTES or made != recorded or len(made) != 1:
            raise NoSeam("the encoder writes another format than the recording has")
        return [(one.key, unit) for one, unit in read]

    def _check(self, frame: VideoFrame) -> None:
        recorded = self._recorded
        expected = (recorded.width, recorded.height, recorded.pix_fmt, False)
        found = (frame.width, frame.height, frame.format.name, frame.interlaced_frame)
        if found != expected:
            raise NoSeam(f"a picture is {found}, not {expected}")

    def _coded(self, packet: Packet[VideoStream], origin: int) -> CodedPicture:
        assert packet.pts is not None
        content = b""
        for unit in _split(bytes(packet)):
            if kind_of(unit, self._codec) in SLICES[self._codec]:
                kept = unit if self._renumbered is None else self._renumbered.slice(unit)
                content += len(kept).to_bytes(LENGTH_BYTES, "big") + kept
        return CodedPicture(content, packet.pts + origin, packet.is_keyframe)


def _packet(picture: CodedPicture) -> VideoPacket:
    packet: VideoPacket = Packet(picture.content)  # type: ignore[assignment]
    packet.pts = packet.dts = picture.shown
    return packet


def _format(one: ParameterSet) -> tuple[object, ...]:
    return one.format, one.hides


def _split(data: bytes) -> Iterator[bytes]:
    """Units behind start codes (Annex B)."""
    return (unit for part in data.split(_START_CODE)[1:] if (unit := part.rstrip(b"\0")))
