"""Entry points: packets at which a player can begin, told by their units.

An MP4 marks all of them as sync samples. There are three kinds:

- **independent**: no later packet depends on an earlier one, except for pictures that are shown
  before this one: H.264's IDR, H.265's IDR, CRA and BLA;
- **whole**: this picture depends on nothing before it, but later ones may: an I-picture of H.264;
- neither: H.264's periodic intra refresh, where a whole picture comes some time later.
"""

from __future__ import annotations

from typing import Final

from agent.media.nal_units import recovery_frames, units_of
from agent.media.parameter_sets import Codec, kind_of

_H264_IDR: Final = 5
_H264_SEI: Final = 6
SLICES: Final[dict[Codec, frozenset[int]]] = {
    "h264": frozenset({1, 5}),
    "hevc": frozenset(range(32)),
}
_H265_IDR: Final = frozenset({19, 20})
_H265_OPEN: Final = frozenset({16, 17, 18, 21})  # BLA and CRA
_H265_BROKEN_LINK: Final = 18  # BLA_N_LP: nothing behind it is shown before it


def is_independent(packet: bytes, codec: Codec, length_bytes: int) -> bool:
    """True if no later packet depends on one before this."""
    kinds = (kind_of(unit, codec) for unit in units_of(packet, length_bytes))
    first = next((kind for kind in kinds if kind in SLICES[codec]), -1)
    return first == _H264_IDR if codec == "h264" else first in _H265_IDR | _H265_OPEN


def is_whole(packet: bytes, codec: Codec, length_bytes: int) -> bool:
    """True if the picture of this sync sample decodes by itself."""
    return codec != "h264" or not any(
        recovery_frames(unit)
        for unit in units_of(packet, length_bytes)
        if kind_of(unit, codec) == _H264_SEI
    )


def as_broken_link(packet: bytes, length_bytes: int) -> bytes:
    """An open entry point of H.265 as a broken link, which may follow any other pictures.

    A decoder counts pictures anew from it (ITU-T H.265, section 3.11). Later packets whose pictures
    are shown before it must be left out.
    """
    changed = b""
    for unit in units_of(packet, length_bytes):
        if kind_of(unit, "hevc") in _H265_OPEN:
            unit = bytes([_H265_BROKEN_LINK << 1 | unit[0] & 1]) + unit[1:]
        changed += len(unit).to_bytes(length_bytes, "big") + unit
    return changed
