"""The units of a coded video that may leave: pictures, and what a decoder needs for them.

H.264 and H.265 are sequences of units. Beside pictures, encoders add notes (SEI): serial
numbers, hardware ids, banners with settings, the time of day. No owner has seen these, so
none leaves. A list names the types that stay, in the base layer alone, since another layer
is another picture; types that are reserved or left to applications are not on it. Whole
units are left out and none is changed, so the pictures are the same to the bit.

A **parameter set** leaves with the first picture that refers to it, and again where the camera
repeats it before one; a set that no picture uses does not, nor does a slice without its sets.

One SEI message is written anew: H.264's **recovery point**. A stream may begin at a picture
that is no IDR, by this message alone, and a decoder without it shows nothing at all.

Units come as ISO/IEC 14496-15 has them in MP4: behind their length, parameter sets in
the record of the header (:mod:`.set_records`) or before the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from agent.media.parameter_sets import (
    Bits,
    Codec,
    Key,
    Kind,
    MalformedSet,
    ParameterSet,
    is_set,
    kind_of,
    layer_of,
    picture_set_of,
    read_set,
)
from agent.media.set_records import MOST_SET_BYTES, record_sets, write_record

# ITU-T H.264, table 7-1: slices, parameter sets, ends. No delimiters, no data partitions.
_H264_SLICES: Final = frozenset({1, 5})
_H264_ENDS: Final = frozenset({10, 11})  # of one byte; anything behind it is no part of a video
_H264_SEI: Final = 6
# ITU-T H.265, table 7-1: slices, parameter sets, ends. No delimiters.
_H265_SLICES: Final = frozenset({*range(10), *range(16, 22)})
_H265_ENDS: Final = frozenset({36, 37})
_H265_HEAD_BYTES: Final = 2

_ORDER: Final[dict[Kind, int]] = {"video": 0, "sequence": 1, "picture": 2}
_RECOVERY_POINT: Final = 6  # ITU-T H.264, table D.1
_MAX_RECOVERY_BYTES: Final = 3  # enough for a thousand frames; more would be another message


class HiddenPicture(ValueError):
    """A parameter set crops away more of the picture than its padding."""


class Cleaner:
    """Cleans the packets of one stream, in their order.

    ``record`` is the header's record for the result: the sets of the first packet's pictures.
    ``length_bytes`` is the size of the length before each unit, ``known`` are the sets seen so far.
    """

    def __init__(self, codec: Codec, record: bytes, first: bytes) -> None:
        """Begin with the source's ``record``, and its packet ``first``, to be cleaned like all.

        Raises :class:`.set_records.MalformedRecord`, :class:`.parameter_sets.MalformedSet` if
        ``first`` holds no picture that can be shown, and :class:`HiddenPicture`.
        """
        self._codec: Codec = codec
        self._kept: Callable[[bytes], bytes] = _kept_h264 if codec == "h264" else _kept_h265
        self._sets: dict[Key, tuple[ParameterSet, bytes]] = {}  # the newest of each number
        self._held: set[Key] = set()  # those that have not left
        self.length_bytes, units = record_sets(codec, record)
        self._learn(units)
        units = list(self._units(first))
        self._learn(units)
        used = self._used(self._chains(units))
        if not used:
            raise MalformedSet("no picture in the first packet has its parameter sets")
        self._first = [(key, self._sets[key][1]) for key in used]
        self.record = self.record_with(())
        self._held -= set(used)

    def record_with(self, more: Sequence[tuple[Key, bytes]]) -> bytes:
        """``record`` with more sets; raises :class:`.set_records.MalformedRecord`."""
        return write_record(self._codec, [*self._first, *more], self.length_bytes)

    @property
    def known(self) -> Mapping[Key, ParameterSet]:
        """The sets seen so far, the newest of each number."""
        return {key: known for key, (known, _) in self._sets.items()}

    def clean(self, packet: bytes) -> bytes:
        """The part of ``packet`` that may leave; nothing if it holds no part of a picture.

        A length beyond the packet ends it. Raises :class:`HiddenPicture`.
        """
        units = list(self._units(packet))
        self._learn(units)
        chains = self._chains(units)
        used = self._used(chains)
        if not used:
            return b""
        sets = [self._sets[key][1] for key in used if key in self._held]
        self._held -= set(used)
        rest = [
            unit
            for unit, chain in zip(units, chains, strict=True)
            if chain != [] and not is_set(unit, self._codec)
        ]
        return b"".join(len(unit).to_bytes(self.length_bytes, "big") + unit for unit in sets + rest)

    def _learn(self, units: Iterable[bytes]) -> None:
        """Remember the parameter sets among ``units``."""
        for unit in units:
            if is_set(unit, self._codec) and len(unit) <= MOST_SET_BYTES:
                with suppress(MalformedSet):
                    known = read_set(unit, self._codec)
                    self._sets[known.key] = known, unit
                    self._held.add(known.key)

    def _chains(self, units: list[bytes]) -> list[list[Key] | None]:
        """For each unit the sets that it needs; None for one that is no slice."""
        return [self._chain(unit) if self._is_slice(unit) else None for unit in units]

    def _used(self, chains: list[list[Key] | None]) -> list[Key]:
        """The sets in ``chains``, each before those that need it."""
        used = dict.fromkeys(key for chain in chains for key in chain or ())
        if any(self._sets[key][0].hides for key in used):
            raise HiddenPicture
        return sorted(used, key=lambda key: _ORDER[key[0]])

    def _chain(self, slice_unit: bytes) -> list[Key]:
        """The sets that a slice needs; none if one is not there."""
        chain: list[Key] = []
        try:
            needed: Key | None = picture_set_of(slice_unit, self._codec)
        except MalformedSet:
            return []
        while needed is not None:
            if needed not in self._sets:
                return []
            chain.append(needed)
            needed = self._sets[needed][0].needs
        return chain

    def _is_slice(self, unit: bytes) -> bool:
        slices = _H264_SLICES if self._codec == "h264" else _H265_SLICES
        return kind_of(unit, self._codec) in slices

    def _units(self, packet: bytes) -> Iterator[bytes]:
        """The units of ``packet`` that may leave."""
        for unit in units_of(packet, self.length_bytes):
            if kept := self._kept(unit):
                yield kept


def units_of(packet: bytes, length_bytes: int) -> Iterator[bytes]:
    """The units of ``packet``, each behind a length of this size; one beyond its end is none."""
    position = 0
    while position + length_bytes < len(packet):
        begin = position + length_bytes
        position = begin + int.from_bytes(packet[begin - length_bytes : begin], "big")
        if begin < position <= len(packet):
            yield packet[begin:position]


def _kept_h264(unit: bytes) -> bytes:
    kind = kind_of(unit, "h264")
    if kind == _H264_SEI:
        return _recovery_point(unit)
    is_end = kind in _H264_ENDS and len(unit) == 1
    return unit if is_end or kind in _H264_SLICES or is_set(unit, "h264") else b""


def _kept_h265(unit: bytes) -> bytes:
    if len(unit) < _H265_HEAD_BYTES or layer_of(unit):
        return b""
    kind = kind_of(unit, "hevc")
    is_end = kind in _H265_ENDS and len(unit) == _H265_HEAD_BYTES
    return unit if is_end or kind in _H265_SLICES or is_set(unit, "hevc") else b""


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
    """recovery_frame_cnt of the recovery point in ``sei``: pictures until one is whole; else 0."""
    point = _recovery_point(sei)
    # The padding completes a number that is cut off, which cannot be 0 then.
    return Bits(point + bytes(_MAX_RECOVERY_BYTES), header_bytes=3).unsigned() if point else 0


def _number(text: bytes, position: int) -> tuple[int, int]:
    """The number at ``position``, some 255s and a last byte, and the place after it."""
    number = 0
    while text[position : position + 1] == b"\xff":
        number += 255
        position += 1
    return number + int.from_bytes(text[position : position + 1], "big"), position + 1
