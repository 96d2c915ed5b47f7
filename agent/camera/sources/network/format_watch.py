"""The format of a stream as it goes on, and the parameter sets that belong to each keyframe.

Cameras change parameter sets by themselves: at night, when a smart codec adapts, behind a
restreamer with two encoders. As long as the size stays it is the same picture. The sample
entry of a clip holds one set of each number, so after such a change each keyframe carries
its sets: wherever a clip begins or is cut, it plays. A change of size is a new format.

Sets come in the packets, or beside them (MP4 and FLV: ``new_extradata``).
"""

from __future__ import annotations

from typing import Final

import av
import av.error
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from agent.camera.source import VideoFormat
from agent.camera.sources.annexb import (
    complete,
    joined,
    parameter_sets,
    with_sets,
    with_start_codes,
)
from agent.media.parameter_sets import Codec, Key, Kind, MalformedSet, kind_of, read_set
from agent.media.set_records import MalformedRecord, record_sets

_MOST_SIZES: Final = 32  # that are remembered, by their sequence set
_MOST_SET_BYTES: Final = 32_768  # of all sets together; cameras have some hundred
MOST_PIXELS: Final = 16_384  # of width and height: more is no size, and fits into no sidecar

_KINDS: Final[dict[int, Kind]] = {
    7: "sequence",
    8: "picture",  # of H.264
    32: "video",
    33: "sequence",
    34: "picture",  # of H.265
}

_Sets = dict[Key, bytes]


class FormatWatch:
    """Follows the packets of a stream. ``format`` is the present one, in Annex B."""

    def __init__(self, begun: VideoFormat) -> None:
        self._codec = begun.codec
        self._length_bytes: int | None = None  # of the packets' units; None: start codes
        self._record = b""  # the last one beside the packets
        self._sets: _Sets = {}
        self._sizes: dict[frozenset[bytes], tuple[int, int]] = {}
        self._has_changed = False
        self._learn(self._announced(begun.extradata))
        self.format = VideoFormat(begun.codec, begun.width, begun.height, self._extradata())
        if begun.width:
            self._sizes[self._sequences(self._sets)] = begun.width, begun.height

    def take(self, packet: Packet[VideoStream]) -> tuple[VideoFormat | None, bytes]:
        """The format that ``packet`` begins, if it is a new one; and its data in Annex B."""
        found: _Sets = {}
        if packet.has_sidedata("new_extradata"):
            record = bytes(packet.get_sidedata("new_extradata"))
            if record != self._record:
                found, self._record = self._announced(record), record
        data = bytes(packet)
        if self._length_bytes is not None:
            data = with_start_codes(data, self._length_bytes)
        own = self._numbered(parameter_sets(data, self._codec))
        found |= own
        begun = None
        if not found and not packet.is_keyframe:
            return None, data
        is_new = any(self._sets.get(number) != unit for number, unit in found.items())
        if is_new or (packet.is_keyframe and not self.format.width):
            begun = self._change(packet, data, found)
        if packet.is_keyframe and self._has_changed:
            missing = [unit for number, unit in self._sets.items() if number not in own]
            if missing:
                data = with_sets(data, missing, self._codec)
        return begun, data

    def _change(self, packet: Packet[VideoStream], data: bytes, found: _Sets) -> VideoFormat | None:
        """Learn the sets ``found``; gives a new format if the keyframe has another size.

        Sets with which nothing decodes are not learned: they may be damaged.
        """
        sets = found if complete(found.values(), self._codec) else self._sets | found
        sequences = self._sequences(sets)
        size = self._sizes.get(sequences)
        if size is None and packet.is_keyframe:
            size = _decoded_size(self._codec, with_sets(data, sets.values(), self._codec))
            if size is None:
                return None
            if len(self._sizes) >= _MOST_SIZES:
                self._sizes.clear()
            self._sizes[sequences] = size
        if size is None or size == (self.format.width, self.format.height):
            self._has_changed |= bool(self._sets)
            self._learn(found)
            return None
        self._sets, self._has_changed = sets, False
        self.format = VideoFormat(self._codec, *size, self._extradata())
        return self.format

    def _announced(self, extradata: bytes) -> _Sets:
        """The sets in a record as MP4 has it, whose lengths the packets have; or in Annex B."""
        if extradata[:1] != b"\1":
            return self._numbered(parameter_sets(extradata, self._codec))
        try:
            self._length_bytes, sets = record_sets(self._codec, extradata)
        except MalformedRecord:
            return {}
        return self._numbered(sets)

    def _numbered(self, sets: tuple[bytes, ...] | list[bytes]) -> _Sets:
        return {_key(unit, self._codec): unit for unit in sets}

    def _learn(self, sets: _Sets) -> None:
        for known in (self._sets | sets, sets):
            if sum(map(len, known.values())) <= _MOST_SET_BYTES:
                self._sets = known
                return

    def _extradata(self) -> bytes:
        return joined(unit for _, unit in sorted(self._sets.items(), reverse=True))

    def _sequences(self, sets: _Sets) -> frozenset[bytes]:
        return frozenset(unit for (kind, _), unit in sets.items() if kind == "sequence")


def _key(unit: bytes, codec: Codec) -> Key:
    """The kind and number of a set: another with the same replaces it. One that we cannot read,
    which a decoder may be able to, gets the number -1.
    """
    try:
        return read_set(unit, codec).key
    except MalformedSet:
        return _KINDS[kind_of(unit, codec)], -1


def _decoded_size(codec: str, keyframe: bytes) -> tuple[int, int] | None:
    """Width and height of ``keyframe`` with its parameter sets; None if it is no picture."""
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoder.flags |= int(Flags.output_corrupt)  # a picture of an intra refresh is not whole yet
    try:
        pictures = [*decoder.decode(Packet(keyframe)), *decoder.decode(None)]
    except av.error.FFmpegError:
        return None
    size = (pictures[0].width, pictures[0].height) if pictures else (0, 0)
    return size if 0 < max(size) <= MOST_PIXELS else None
