"""Fragmented MP4 (ISO/IEC 14496-12) from packets, which are never encoded again.

A fragment holds about half a second, and reaches the sink as soon as it is complete:
a power cut costs what it holds, and what is not synced yet. Nothing in the file counts
bytes from its beginning (``default_base_moof``, no trailer), so a caller may put ``free``
boxes between fragments, and a file that just stops still plays.

Parameter sets in the packets stay there: they may differ from those in the sample entry.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Protocol

import av
import av.error

from agent.camera.source import Codec, Packet, VideoFormat
from agent.media.coded_stream import add_coded_stream

TICKS_PER_SECOND = 90_000  # what RTP counts video in
_TIME_BASE = Fraction(1, TICKS_PER_SECOND)

_OPTIONS = {
    "movflags": "empty_moov+default_base_moof+skip_trailer",
    "frag_duration": "500000",  # microseconds
    "flush_packets": "1",  # a fragment must not wait in FFmpeg's buffer
}
# The sample entries of ISO/IEC 14496-15. FFmpeg drops the parameter sets of packets from hvc1,
# and Apple's players do not take hev1: it is written, and renamed on its way.
_TAGS: dict[Codec, str] = {"h264": "avc1", "hevc": "hev1"}
_WRITTEN, _RENAMED = b"hev1", b"hvc1"


class Sink(Protocol):
    """The destination of the file; written from front to end."""

    def write(self, data: bytes) -> int:
        """Take all of ``data``."""


class _CountingSink:
    """Counts the bytes written, can be cut off from its file, and renames a sample entry."""

    def __init__(self, sink: Sink, *, to_rename: bool) -> None:
        self._sink: Sink | None = sink
        self._to_rename = to_rename
        self.position = 0

    def write(self, data: bytes) -> int:
        if self._to_rename and _WRITTEN in data:  # the header, before any picture
            data, self._to_rename = bytes(data).replace(_WRITTEN, _RENAMED, 1), False
        if self._sink is not None:
            self._sink.write(data)
        self.position += len(data)
        return len(data)

    def cut_off(self) -> None:
        self._sink = None


class FragmentedMp4:
    """One clip being written to ``sink``."""

    def __init__(self, sink: Sink, video: VideoFormat) -> None:
        self._sink = _CountingSink(sink, to_rename=video.codec == "hevc")
        self._container = av.open(self._sink, "w", format="mp4", container_options=_OPTIONS)
        self._stream = add_coded_stream(
            self._container, video.codec, video.width, video.height, video.extradata
        )
        self._stream.time_base = _TIME_BASE
        self._stream.codec_context.codec_tag = _TAGS[video.codec]
        self._first_seconds: float | None = None
        self._last_ticks = -1

    def add(self, packet: Packet) -> bool:
        """Write ``packet``; True when the sink now stands between two fragments.

        What ``sink.write`` raises comes out here.
        """
        if self._first_seconds is None:
            self._first_seconds = packet.seconds
        ticks = round((packet.seconds - self._first_seconds) * TICKS_PER_SECOND)
        self._last_ticks = max(ticks, self._last_ticks + 1)
        copy = av.Packet(packet.data)
        copy.stream = self._stream
        copy.time_base = _TIME_BASE
        copy.dts = self._last_ticks
        copy.pts = self._last_ticks + round(packet.delay_seconds * TICKS_PER_SECOND)
        copy.duration = round(packet.duration_seconds * TICKS_PER_SECOND)
        copy.is_keyframe = packet.keyframe
        position = self._sink.position
        self._container.mux_one(copy)
        return self._sink.position > position

    def close(self) -> None:
        """Write the last fragment."""
        self._container.close()

    def abandon(self) -> None:
        """Free the muxer; its sink gets nothing more."""
        self._sink.cut_off()
        with suppress(av.error.FFmpegError):  # it says once more why the file is given up
            self._container.close()
