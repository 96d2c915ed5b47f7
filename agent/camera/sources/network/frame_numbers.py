"""Pictures of H.264 that are missing in a stream, by the numbers in those that came.

Cameras drop pictures when they are busy, before they are cut into packets, so no packet is
missing; and FFmpeg's decoder goes on without a word, with smear. Numbers count reference
pictures (ITU-T H.264, section 7.4.3, frame_num). H.265's decoder tells by itself.
"""

from __future__ import annotations

from contextlib import suppress

from agent.camera.sources.annexb import first_slice, parameter_sets
from agent.media.parameter_sets import (
    Key,
    MalformedSet,
    ParameterSet,
    frame_number_of,
    kind_of,
    picture_set_of,
    read_set,
)

_IDR = 5
_REFERENCE = 0x60  # nal_ref_idc


class FrameNumbers:
    """Follows the packets of a stream, in Annex B, that begins with ``extradata``."""

    def __init__(self, extradata: bytes) -> None:
        self._sets: dict[Key, ParameterSet] = {}
        self._last: int | None = None  # of the last reference picture
        self._learn(extradata)

    def missing(self, data: bytes) -> bool:
        """True if a reference picture is missing before the packet ``data``."""
        self._learn(data)
        unit = first_slice(data, "h264")
        if not unit:
            return False
        try:
            bits = self._bits_of(unit)
            number = frame_number_of(unit, bits)
        except (KeyError, MalformedSet):
            return False
        last = self._last
        if unit[0] & _REFERENCE:
            self._last = number
        if not bits or last is None or kind_of(unit, "h264") == _IDR:
            return False
        return number not in (last, (last + 1) % (1 << bits))

    def forget(self) -> None:
        """Go on behind packets that were left out."""
        self._last = None

    def _bits_of(self, unit: bytes) -> int:
        needs = self._sets[picture_set_of(unit, "h264")].needs
        return 0 if needs is None else self._sets[needs].frame_number_bits

    def _learn(self, data: bytes) -> None:
        for unit in parameter_sets(data, "h264"):
            with suppress(MalformedSet):
                found = read_set(unit, "h264")
                self._sets[found.key] = found
