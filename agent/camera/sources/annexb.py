"""H.264 as encoders of a board send it: units behind start codes (ITU-T H.264, Annex B)."""

from __future__ import annotations

_START_CODE = b"\0\0\1"
_SEQUENCE, _PICTURE = 7, 8  # nal_unit_type of the two parameter sets


def parameter_sets(data: bytes) -> bytes:
    """What a decoder must know first, taken out of the packet ``data``.

    The sequence and picture parameter sets in their order, each behind a start code;
    empty unless both kinds are there.
    """
    units = [unit.rstrip(b"\0") for unit in data.split(_START_CODE)[1:]]
    sets = [unit for unit in units if unit and unit[0] & 0x1F in (_SEQUENCE, _PICTURE)]
    if {unit[0] & 0x1F for unit in sets} != {_SEQUENCE, _PICTURE}:
        return b""
    return b"".join(b"\0" + _START_CODE + unit for unit in sets)
