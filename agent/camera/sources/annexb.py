"""H.264 and H.265 as units behind start codes (ITU-T H.264 and H.265, Annex B).

All packets of our sources have this form; files and FLV, which put a length before each unit
(ISO/IEC 14496-15), are brought into it. Parameter sets, which a decoder must know before the
first picture, stand before the first slice, so the search for them ends there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from agent.camera.source import Codec, VideoFormat
from agent.media.nal_units import recovery_frames
from agent.media.parameter_sets import kind_of

_START_CODE: Final = b"\0\0\1"
_SEQUENCE, _PICTURE = 7, 8  # nal_unit_type of the two parameter sets of H.264
SETS: Final = {"h264": (_SEQUENCE, _PICTURE), "hevc": (32, 33, 34)}
_DELIMITER: Final = {"h264": 9, "hevc": 35}
_SEI: Final = 6  # of H.264
_IDR: Final = 5
_SLICE_BYTES: Final = 40  # more than a slice's header needs
_MOST_SET_BYTES: Final = 0xFFFF  # more fits into no record of an MP4


def parameter_sets(data: bytes, codec: Codec) -> tuple[bytes, ...]:
    """The parameter sets at the beginning of ``data``, without their start codes."""
    head = _head(data, codec)
    if not head:  # as for most packets
        return ()
    kinds = SETS[codec]
    return tuple(unit for unit, kind in head if kind in kinds and len(unit) <= _MOST_SET_BYTES)


def complete(sets: Iterable[bytes], codec: Codec) -> bool:
    """True if there is a set of each kind."""
    return {kind_of(unit, codec) for unit in sets} >= set(SETS[codec])


def joined(sets: Iterable[bytes]) -> bytes:
    """``sets``, each behind a start code."""
    return b"".join(b"\0" + _START_CODE + unit for unit in sets)


def with_sets(data: bytes, sets: Iterable[bytes], codec: Codec) -> bytes:
    """The packet ``data`` with ``sets`` at its beginning, behind a delimiter if there is one."""
    head = _head(data, codec)
    at = 0
    if head and head[0][1] == _DELIMITER[codec]:
        at = max(data.find(_START_CODE, data.index(head[0][0]) + len(head[0][0])), 0)
    return data[:at] + joined(sets) + data[at:]


def with_own_sets(video: VideoFormat, keyframe: bytes) -> VideoFormat:
    """``video`` with the parameter sets in its packet ``keyframe``, if it has all."""
    if video.extradata[:1] == b"\1":
        return video  # an MP4's form, in which packets have lengths
    sets = parameter_sets(keyframe, video.codec)
    return replace(video, extradata=joined(sets)) if complete(sets, video.codec) else video


def with_start_codes(data: bytes, length_bytes: int) -> bytes:
    """``data``, units behind lengths of this size; a length beyond the packet ends it."""
    units, at = [], 0
    while at + length_bytes < len(data):
        begin = at + length_bytes
        at = begin + int.from_bytes(data[begin - length_bytes : begin], "big")
        units.append(data[begin:at])
    return joined(unit for unit in units if unit)


def first_slice(data: bytes, codec: Codec) -> bytes:
    """The beginning of the first slice of a picture; empty where there is none."""
    at = data.find(_START_CODE)
    while 0 <= at < len(data) - 3:
        if _is_slice(kind_of(data[at + 3 : at + 4], codec), codec):
            return data[at + 3 : at + 3 + _SLICE_BYTES]
        at = data.find(_START_CODE, at + 3)
    return b""


def pictures_until_shown(data: bytes, codec: Codec) -> int:
    """The pictures after the keyframe ``data`` until a decoder that begins here shows one.

    0, but for H.264's periodic intra refresh: there a "keyframe" only begins to renew the
    picture, and a recovery point (ITU-T H.264, D.2.8) says when it is whole.
    """
    if codec != "h264":
        return 0
    return max(
        (recovery_frames(unit) for unit, kind in _head(data, codec) if kind == _SEI), default=0
    )


def h264_extradata(data: bytes) -> bytes:
    """The two parameter sets in the packet ``data``; empty unless both are there."""
    sets = parameter_sets(data, "h264")
    return joined(sets) if complete(sets, "h264") else b""


def h264_kinds(data: bytes) -> set[int]:
    """The types (nal_unit_type) of all units in the packet ``data``."""
    return {unit[0] & 0x1F for unit in data.split(_START_CODE)[1:] if unit}


def _is_slice(kind: int, codec: Codec) -> bool:
    return 1 <= kind <= 5 if codec == "h264" else kind < 32


def _head(data: bytes, codec: Codec) -> list[tuple[bytes, int]]:
    """The units before the first slice, each with its type."""
    units = []
    at = data.find(_START_CODE)
    while 0 <= at < len(data) - 3:
        kind = kind_of(data[at + 3 : at + 4], codec)
        if _is_slice(kind, codec):
            break
        end = data.find(_START_CODE, at + 3)
        units.append((data[at + 3 : end if end >= 0 else len(data)].rstrip(b"\0"), kind))
        at = end
    return units
