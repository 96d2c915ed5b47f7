"""H.264 and H.265 as units behind start codes (ITU-T H.264 and H.265, Annex B).

Finds parameter sets, which a decoder must know before the first picture. They stand
before the first slice, so the search ends there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.camera.source import Codec

_START_CODE = b"\0\0\1"
_SEQUENCE, _PICTURE = 7, 8  # nal_unit_type of the two parameter sets of H.264
_SETS = {"h264": (_SEQUENCE, _PICTURE), "hevc": (32, 33, 34)}


def parameter_sets(data: bytes, codec: Codec) -> tuple[bytes, ...]:
    """The parameter sets at the beginning of ``data``, without their start codes."""
    return tuple(unit for unit, kind in _head(data, codec) if kind in _SETS[codec])


def joined(sets: Iterable[bytes]) -> bytes:
    """``sets``, each behind a start code."""
    return b"".join(b"\0" + _START_CODE + unit for unit in sets)


def h264_extradata(data: bytes) -> bytes:
    """The two parameter sets in the packet ``data``; empty unless both are there."""
    sets = parameter_sets(data, "h264")
    kinds = {unit[0] & 0x1F for unit in sets}
    return joined(sets) if kinds == {_SEQUENCE, _PICTURE} else b""


def h264_kinds(data: bytes) -> set[int]:
    """The types (nal_unit_type) of all units in the packet ``data``."""
    return {unit[0] & 0x1F for unit in data.split(_START_CODE)[1:] if unit}


def _head(data: bytes, codec: Codec) -> Iterator[tuple[bytes, int]]:
    """The units before the first slice, each with its type."""
    at = data.find(_START_CODE)
    while 0 <= at < len(data) - 3:
        header = data[at + 3]
        kind = header & 0x1F if codec == "h264" else header >> 1 & 0x3F
        if 1 <= kind <= 5 if codec == "h264" else kind < 32:  # a slice
            return
        end = data.find(_START_CODE, at + 3)
        yield data[at + 3 : end if end >= 0 else len(data)].rstrip(b"\0"), kind
        at = end
