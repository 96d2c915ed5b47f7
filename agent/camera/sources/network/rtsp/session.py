"""A stream that we asked for by ourselves, as a file that FFmpeg reads.

FFmpeg's RTSP cannot log in by SHA-256. So we log in, and hand over the pictures in Matroska: each
a cluster of its own with the time that RTP gave it. All else is FFmpeg's work, as for any camera.
Python is called once a picture, not once a packet.
"""

from __future__ import annotations

import base64
import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer

from agent.camera.source import Codec
from agent.camera.sources.network.rtsp.conversation import Conversation, Reply
from agent.camera.sources.network.rtsp.depacketizer import Depacketizer, Picture

_ENCODINGS: dict[str, Codec] = {"H264": "h264", "H265": "hevc"}
_NAMES: dict[Codec, bytes] = {"h264": b"V_MPEG4/ISO/AVC", "hevc": b"V_MPEGH/ISO/HEVC"}
_SETS = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")
_TICK_NANOSECONDS = 11_111  # of RTP's 90 kHz
_USUAL_TIMEOUT_SECONDS = 60
_OPTIONS = ("fpsprobesize", "analyzeduration", "probesize")


@dataclass(frozen=True, slots=True)
class Media:
    """The first video of a description (SDP, RFC 4566): its place, encoding, parameter sets."""

    control: str
    encoding: str
    sets: tuple[bytes, ...]


def describe(text: str) -> Media | None:
    """The video that ``text`` describes; None if there is none."""
    found = re.search(r"^m=video (?:.|\n)*?(?=^m=|\Z)", text.replace("\r", ""), re.M)
    if found is None:
        return None
    part = found[0]
    encoding = re.search(r"^a=rtpmap:\d+ +([^/\s]+)", part, re.M)
    control = re.search(r"^a=control: *(\S+)", part, re.M)
    sets = []
    for key in _SETS:
        for match in re.finditer(rf"{key}= *([^;\s]+)", part):
            for each in match[1].split(","):
                with contextlib.suppress(ValueError):
                    sets.append(base64.b64decode(each + "=" * (-len(each) % 4)))
    return Media(
        control[1] if control else "*", encoding[1].upper() if encoding else "", tuple(sets)
    )


class Session:
    """The video of ``uri``, from its login to its end; a file for FFmpeg to :meth:`read`.

    Raises :class:`OSError`, and :class:`ValueError` for a video that is not H.264 or H.265.
    """

    def __init__(self, conversation: Conversation, uri: str) -> None:
        self._conversation = conversation
        try:
            self._begin(uri)
        except BaseException:
            conversation.close()
            raise

    def _begin(self, uri: str) -> None:
        """Log in, choose the video, and let it play."""
        conversation = self._conversation
        described = conversation.ask("DESCRIBE", uri, {"Accept": "application/sdp"})
        media = describe(described.body.decode("latin-1"))
        if media is None or media.encoding not in _ENCODINGS:
            raise ValueError("no video in H.264 or H.265")
        self._base = described.header("content-base") or uri
        setup = conversation.ask(
            "SETUP",
            _joined(self._base, media.control),
            {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"},
        )
        channel = re.search(r"interleaved=(\d+)", setup.header("transport"))
        self._channel = int(channel[1]) if channel else 0
        identity, _, rest = setup.header("session").partition(";")
        limit = re.search(r"timeout=(\d+)", rest)
        self._session = {"Session": identity.strip(), "Range": "npt=0.000-"}
        self._alive_seconds = (int(limit[1]) if limit else _USUAL_TIMEOUT_SECONDS) / 2
        self._alive_again = time.monotonic() + self._alive_seconds
        conversation.ask("PLAY", self._base, self._session)
        del self._session["Range"]
        codec = _ENCODINGS[media.encoding]
        self._depacketizer = Depacketizer(codec)
        self._pictures = self._received()
        self._unread = memoryview(_head(_NAMES[codec], media.sets))

    def opened(self, options: dict[str, str]) -> InputContainer:
        """FFmpeg's view of it, with those of its ``options`` that are not of a protocol."""
        kept = {key: options[key] for key in _OPTIONS}
        return av.open(self, "r", format="matroska", options=kept)

    def read(self, size: int) -> bytes:
        """The next bytes, ``size`` at most; waits for a picture. None are left at the end."""
        if not self._unread:
            picture = next(self._pictures, None)
            if picture is None:
                return b""
            self._unread = memoryview(_cluster(picture))
        part, self._unread = self._unread[:size], self._unread[size:]
        return bytes(part)

    def lost(self) -> bool:
        """True if a picture was lost since the last call."""
        lost, self._depacketizer.lost = self._depacketizer.lost, False
        return lost

    def close(self) -> None:
        """End the session, and hang up."""
        with contextlib.suppress(OSError):
            self._conversation.send("TEARDOWN", self._base, self._session)
        self._conversation.close()

    def _received(self) -> Iterator[Picture]:
        """The pictures until the camera hangs up."""
        while (message := self._conversation.next()) is not None:
            if isinstance(message, Reply):  # to a sign of life
                if message.status == 401 and self._conversation.challenged(message):
                    self._say_alive()
            elif message[0] == self._channel:
                yield from self._depacketizer.feed(message[1])
            if time.monotonic() >= self._alive_again:
                self._say_alive()

    def _say_alive(self) -> None:
        self._alive_again = time.monotonic() + self._alive_seconds
        self._conversation.send("GET_PARAMETER", self._base, self._session)


def _joined(base: str, control: str) -> str:
    """The address of a part of the stream at ``base``."""
    if "://" in control:
        return control
    return base if control == "*" else f"{base.rstrip('/')}/{control.lstrip('/')}"


# Matroska (RFC 9559), as much as FFmpeg needs to read a stream.


def _element(identity: int, content: bytes) -> bytes:
    name = identity.to_bytes((identity.bit_length() + 7) // 8, "big")
    return name + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _number(identity: int, value: int) -> bytes:
    return _element(identity, value.to_bytes(8, "big"))


def _head(codec: bytes, sets: tuple[bytes, ...]) -> bytes:
    """All that stands before the first picture."""
    private = b"".join(b"\0\0\0\1" + each for each in sets)
    track = _number(0xD7, 1) + _number(0x73C5, 1) + _number(0x83, 1) + _element(0x86, codec)
    track += _element(0x63A2, private) if private else b""
    segment = bytes.fromhex("18538067 01FFFFFFFFFFFFFF")  # of a length that nobody knows
    info = _element(0x1549A966, _number(0x2AD7B1, _TICK_NANOSECONDS))
    return (
        _element(0x1A45DFA3, _element(0x4282, b"matroska"))
        + segment
        + info
        + _element(0x1654AE6B, _element(0xAE, track))
    )


def _cluster(picture: Picture) -> bytes:
    block = b"\x81\0\0" + bytes([picture.keyframe << 7]) + picture.data
    return _element(0x1F43B675, _number(0xE7, max(picture.ticks, 0)) + _element(0xA3, block))
