"""Records of parameter sets in the header of an MP4: avcC and hvcC (ISO/IEC 14496-15).

A record is read for its sets alone, and written from the sets: nothing else of it is passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.media.parameter_sets import Codec, Key, is_set, kind_of, read_set

_AVCC_BYTES: Final = 5  # before the first count of an avcC record
_HVCC_BYTES: Final = 22  # before the count of arrays of an hvcC record
_NO_EXTENSION: Final = frozenset({66, 77, 88})  # profiles whose avcC ends with its sets
_PROFILE: Final = slice(3, 15)  # general profile, tier and level in an H.265 sequence set
_H265_KINDS: Final = (32, 33, 34)
_MOST_SETS: Final = 31  # as many sequence sets as an avcC record can count
MOST_SET_BYTES: Final = 0xFFFF


class MalformedRecord(ValueError):
    """A record of parameter sets that is not consistent."""


def record_sets(codec: Codec, record: bytes) -> tuple[int, list[bytes]]:
    """The parameter sets in an avcC or hvcC record, behind the bytes of a length in its packets.

    Raises :class:`MalformedRecord`.
    """
    try:
        if record[0] != 1:
            raise MalformedRecord("is of another version")
        size = record[4 if codec == "h264" else 21] & 3
        units = _avcc_units(record) if codec == "h264" else _hvcc_units(record)
    except IndexError as error:
        raise MalformedRecord("ends too early") from error
    return size + 1, [unit for unit in units if is_set(unit, codec)]


def write_record(codec: Codec, sets: Sequence[tuple[Key, bytes]], length_bytes: int) -> bytes:
    """The record that holds ``sets``, of which one is a sequence set; all are well-formed.

    Raises :class:`MalformedRecord` if they are too many.
    """
    if len(sets) > _MOST_SETS:
        raise MalformedRecord("would hold too many sets")
    sequence = next(unit for (kind, _), unit in sets if kind == "sequence")
    write = _avcc if codec == "h264" else _hvcc
    return write([unit for _, unit in sets], sequence, length_bytes)


def _avcc(sets: list[bytes], sequence: bytes, length_bytes: int) -> bytes:
    """Section 5.3.3.1."""
    groups = [[unit for unit in sets if kind_of(unit, "h264") == kind] for kind in (7, 8)]
    made = b"\1" + sequence[1:4] + bytes([0xFC | length_bytes - 1])
    for mark, units in zip((0xE0, 0), groups, strict=True):
        made += bytes([mark | len(units)]) + _list(units)
    if sequence[1] in _NO_EXTENSION:
        return made
    chroma, luma, depth = read_set(sequence, "h264").format
    return made + bytes([0xFC | chroma, 0xF8 | luma, 0xF8 | depth, 0])


def _hvcc(sets: list[bytes], sequence: bytes, length_bytes: int) -> bytes:
    """Section 8.3.3.1."""
    read = read_set(sequence, "hevc")
    chroma, luma, depth = read.format
    layers, nested = read.layers
    plain = sequence.replace(b"\0\0\3", b"\0\0")
    made = b"\1" + plain[_PROFILE] + b"\xf0\0\xfc"  # nothing said of segments and parallelism
    made += bytes([0xFC | chroma, 0xF8 | luma, 0xF8 | depth, 0, 0])  # nor of the frame rate
    made += bytes([layers << 3 | nested << 2 | length_bytes - 1])
    arrays = [
        (kind, [unit for unit in sets if kind_of(unit, "hevc") == kind]) for kind in _H265_KINDS
    ]
    made += bytes([sum(1 for _, units in arrays if units)])
    return made + b"".join(
        bytes([kind]) + len(units).to_bytes(2, "big") + _list(units)
        for kind, units in arrays
        if units
    )


def _avcc_units(record: bytes) -> list[bytes]:
    found, position = [], _AVCC_BYTES
    for mask in (0x1F, 0xFF):  # sequence parameter sets, then picture parameter sets
        units, position = _listed(record, position + 1, record[position] & mask)
        found += units
    return found


def _hvcc_units(record: bytes) -> list[bytes]:
    found, position = [], _HVCC_BYTES + 1
    for _ in range(record[_HVCC_BYTES]):
        count = record[position + 1] << 8 | record[position + 2]
        units, position = _listed(record, position + 3, count)
        found += units
    return found


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
