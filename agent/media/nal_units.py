"""The units of a coded video that may leave: pictures, and what a decoder needs for them.

H.264 and H.265 are sequences of units. Beside pictures, encoders add notes (SEI): serial
numbers, hardware ids, banners with settings, the time of day. No owner has seen these, so
none leaves. A list names the types that stay, in the base layer alone, since another layer
is another picture; types that are reserved or left to applications are not on it. Whole
units are left out and none is changed, so the pictures are the same to the bit.

One SEI message is written anew: H.264's **recovery point**. A stream may begin at a picture
that is no IDR, by this message alone, and a decoder without it shows nothing at all.

Units come as ISO/IEC 14496-15 has them in MP4: behind their length, parameter sets in
the ``avcC`` or ``hvcC`` record of the header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

# ITU-T H.264, table 7-1: slices, parameter sets, ends. No delimiters, no data partitions.
_H264: Final = frozenset({1, 5, 7, 8, 10, 11})
_H264_ENDS: Final = frozenset({10, 11})  # of one byte; anything behind it is no part of a video
_H264_PARAMETERS: Final = frozenset({7, 8})
_H264_SEI: Final = 6
# ITU-T H.265, table 7-1: slices, IRAP pictures, parameter sets, delimiters, ends.
_H265: Final = frozenset({*range(10), *range(16, 22), *range(32, 38)})
_H265_LENGTHS: Final = {35: 3, 36: 2, 37: 2}  # of delimiters and ends
_H265_PARAMETERS: Final = frozenset({32, 33, 34})

_AVCC_BYTES: Final = 5  # before the first count of an avcC record
_HVCC_BYTES: Final = 22  # before the count of arrays of an hvcC record
_RECOVERY_POINT: Final = 6  # ITU-T H.264, table D.1
_MAX_RECOVERY_BYTES: Final = 3  # enough for a thousand frames; more would be another message


class MalformedRecord(ValueError):
    """A record of parameter sets that is not consistent."""


@dataclass(frozen=True)
class Cleaner:
    """Cleans the packets of one stream; ``record`` holds the parameter sets for the result."""

    record: bytes
    length_bytes: int
    _kept: Callable[[bytes], bytes]

    @classmethod
    def of(cls, codec: str, record: bytes) -> Cleaner:
        """For a stream of ``h264`` or ``hevc`` with this avcC or hvcC record."""
        try:
            if record[0] != 1:
                raise MalformedRecord("is of another version")
            if codec == "h264":
                return cls(_avcc(record), (record[4] & 3) + 1, _kept_h264)
            return cls(_hvcc(record), (record[21] & 3) + 1, _kept_h265)
        except IndexError as error:
            raise MalformedRecord("ends too early") from error

    def clean(self, packet: bytes) -> bytes:
        """The part of ``packet`` that may leave; nothing if it holds no part of a picture.

        A length beyond the packet ends it.
        """
        return b"".join(
            len(kept).to_bytes(self.length_bytes, "big") + kept
            for unit in self._units(packet)
            if (kept := self._kept(unit))
        )

    def _units(self, packet: bytes) -> Iterator[bytes]:
        position = 0
        while position + self.length_bytes < len(packet):
            begin = position + self.length_bytes
            position = begin + int.from_bytes(packet[begin - self.length_bytes : begin], "big")
            if begin < position <= len(packet):
                yield packet[begin:position]


def _kept_h264(unit: bytes) -> bytes:
    kind = unit[0] & 0x1F
    if kind == _H264_SEI:
        return _recovery_point(unit)
    if kind in _H264_ENDS and len(unit) != 1:
        return b""
    return unit if kind in _H264 else b""


def _kept_h265(unit: bytes, kinds: frozenset[int] = _H265) -> bytes:
    layer = (unit[0] & 1) << 5 | unit[1] >> 3 if len(unit) > 1 else 1
    kind = unit[0] >> 1 & 0x3F
    whole = len(unit) == _H265_LENGTHS.get(kind, len(unit))
    return unit if layer == 0 and kind in kinds and whole else b""


def _recovery_point(sei: bytes) -> bytes:
    """A unit with the recovery point in ``sei`` and nothing else; empty without one.

    ITU-T H.264, section 7.3.2.3.1: each message follows its type and size.
    """
    text = sei[1:].replace(b"\0\0\3", b"\0\0")
    position = 0
    while position < len(text) - 1:  # the last byte ends the unit
        kind, position = _number(text, position)
        size, position = _number(text, position)
        payload = text[position : position + size]
        position += size
        whole = position < len(text) and b"\0\0" not in payload
        if whole and kind == _RECOVERY_POINT and 1 <= size <= _MAX_RECOVERY_BYTES:
            return bytes([_H264_SEI, _RECOVERY_POINT, size]) + payload + b"\x80"
    return b""


def recovery_frames(sei: bytes) -> int:
    """The pictures from H.264's recovery point in ``sei`` to a whole one; 0 without one."""
    point = _recovery_point(sei)
    return unsigned(point[3:]) if point else 0


def unsigned(bits: bytes) -> int:
    """The Exp-Golomb code ue(v) at the beginning of ``bits`` (ITU-T H.264, section 9.1)."""
    text = "".join(f"{byte:08b}" for byte in bits[:9])
    zeros = text.find("1")
    return int(text[zeros : 2 * zeros + 1], 2) - 1 if zeros >= 0 else 0


def _number(text: bytes, position: int) -> tuple[int, int]:
    """The number at ``position``, some 255s and a last byte, and the place after it."""
    number = 0
    while text[position : position + 1] == b"\xff":
        number += 255
        position += 1
    return number + int.from_bytes(text[position : position + 1], "big"), position + 1


def record_sets(codec: str, record: bytes) -> tuple[int, list[bytes]]:
    """The parameter sets in an avcC or hvcC record, behind the bytes of a length in its packets.

    Raises :class:`MalformedRecord`.
    """
    cleaner = Cleaner.of(codec, record)
    record, sets = cleaner.record, []
    if codec == "h264":
        position = _AVCC_BYTES
        for mask in (0x1F, 0xFF):
            units, position = _listed(record, position + 1, record[position] & mask)
            sets += units
        return cleaner.length_bytes, sets
    position = _HVCC_BYTES + 1
    for _ in range(record[_HVCC_BYTES]):
        count = record[position + 1] << 8 | record[position + 2]
        units, position = _listed(record, position + 3, count)
        sets += units
    return cleaner.length_bytes, sets


def _avcc(record: bytes) -> bytes:
    """ISO/IEC 14496-15, section 5.3.3.1, without what is no parameter set."""
    made, position = record[:_AVCC_BYTES], _AVCC_BYTES
    for mask in (0x1F, 0xFF):  # sequence parameter sets, then picture parameter sets
        units, end = _listed(record, position + 1, record[position] & mask)
        kept = [unit for unit in units if unit and unit[0] & 0x1F in _H264_PARAMETERS]
        made += bytes([record[position] & ~mask & 0xFF | len(kept)]) + _list(kept)
        position = end
    # High profiles: three bytes of the picture's format, then more sets, of use to no player.
    format_bytes = record[position : position + 3]
    return made + (format_bytes + b"\0" if len(format_bytes) == 3 else b"")


def _hvcc(record: bytes) -> bytes:
    """ISO/IEC 14496-15, section 8.3.3.1, without arrays of what is no parameter set."""
    arrays, position = [], _HVCC_BYTES + 1
    for _ in range(record[_HVCC_BYTES]):
        count = record[position + 1] << 8 | record[position + 2]
        units, end = _listed(record, position + 3, count)
        if kept := [unit for unit in units if unit and _kept_h265(unit, _H265_PARAMETERS)]:
            head = record[position : position + 1] + len(kept).to_bytes(2, "big")
            arrays.append(head + _list(kept))
        position = end
    return record[:_HVCC_BYTES] + bytes([len(arrays)]) + b"".join(arrays)


def _listed(record: bytes, position: int, count: int) -> tuple[list[bytes], int]:
    """``count`` units from ``position`` on, each behind its length, and where they end."""
    units = []
    for _ in range(count):
        begin = position + 2
        position = begin + int.from_bytes(record[begin - 2 : begin], "big")
        if position > len(record):
            raise MalformedRecord("ends too early")
        units.append(record[begin:position])
    return units, position


def _list(units: list[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
