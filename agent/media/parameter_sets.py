"""Parameter sets of H.264 and H.265: their numbers, the sets they need, the picture they show.

Only the fields up to the ones that count here are read, in the order of ITU-T H.264 (section
7.3.2) and H.265 (section 7.3.2); slices up to the number of their picture parameter set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Codec = Literal["h264", "hevc"]
Kind = Literal["video", "sequence", "picture"]
Key = tuple[Kind, int]  # a later set with the same key replaces the earlier one

ROUNDING: Final = 16  # pixels: sizes are padded to whole macroblocks, and cropped again
_MOST_BYTES: Final = 2_000  # of a set, and of a slice's beginning, that are looked at
_MOST_FRAME_NUMBER_BITS: Final = 16
_MOST_CHROMA, _MOST_DEPTH = 3, 6  # chroma_format_idc, and bits beyond 8
_MOST_PICTURE_SETS, _MOST_SEQUENCE_SETS = 255, 31  # the highest numbers, of H.264
_MOST_ZEROS: Final = 32  # of an Exp-Golomb code
_H264_HIGH: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_H264_PICTURE: Final = 8
_H264_KINDS: Final = frozenset({7, _H264_PICTURE})
_H265_KINDS: Final[dict[int, Kind]] = {32: "video", 33: "sequence", 34: "picture"}
_H265_IRAP: Final = range(16, 24)


class MalformedSet(ValueError):
    """A parameter set or slice that ends too early, or holds a number that cannot be."""


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """A set; ``needs`` is the one that it refers to.

    ``hides``: it crops more of the coded picture than padding to macroblocks explains. ``format``
    is the format of the pictures by a sequence set: chroma_format_idc and the bit depths of luma
    and chroma beyond 8. ``layers`` are H.265's sub-layers, and 1 if they are nested.
    ``frame_number_bits``: the size of frame_num in slices of H.264; 0 where it may have gaps.
    """

    key: Key
    needs: Key | None = None
    hides: bool = False
    format: tuple[int, int, int] = (1, 0, 0)
    layers: tuple[int, int] = (1, 1)
    frame_number_bits: int = 0


class Bits:
    """The fields of a unit, one after the other."""

    def __init__(self, unit: bytes, *, header_bytes: int) -> None:
        text = unit[header_bytes:_MOST_BYTES].replace(b"\0\0\3", b"\0\0")
        self._number = int.from_bytes(text, "big")  # all bits
        self._count = self._left = 8 * len(text)  # of them, and of the unread ones

    @property
    def position(self) -> int:
        """The number of bits that were read."""
        return self._count - self._left

    def u(self, count: int) -> int:
        """u(n): an unsigned number of ``count`` bits."""
        if count > self._left:
            raise MalformedSet("ends too early")
        self._left -= count
        return self._number >> self._left & ((1 << count) - 1)

    def unsigned(self) -> int:
        """An unsigned Exp-Golomb code (ITU-T H.264, section 9.1)."""
        unread = self._number & ((1 << self._left) - 1)
        zeros = self._left - unread.bit_length()
        if not unread or zeros > _MOST_ZEROS:
            raise MalformedSet("holds no such number")
        self._left -= zeros
        return self.u(zeros + 1) - 1

    def at_most(self, most: int) -> int:
        """An unsigned one that the standard limits to ``most``."""
        if (number := self.unsigned()) > most:
            raise MalformedSet("holds a number that is too large")
        return number

    def signed(self) -> int:
        """A signed one."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def kind_of(unit: bytes, codec: Codec) -> int:
    """The nal_unit_type of a unit that is not empty."""
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def is_set(unit: bytes, codec: Codec) -> bool:
    """True for a parameter set of the base layer."""
    if codec == "h264":
        return unit[:1] != b"" and kind_of(unit, codec) in _H264_KINDS
    return len(unit) > 1 and layer_of(unit) == 0 and kind_of(unit, codec) in _H265_KINDS


def layer_of(unit: bytes) -> int:
    """The nuh_layer_id of a unit of H.265."""
    return (unit[0] & 1) << 5 | unit[1] >> 3


def read_set(unit: bytes, codec: Codec) -> ParameterSet:
    """The parameter set in ``unit``, which is one; raises :class:`MalformedSet`."""
    if codec == "h264":
        if kind_of(unit, codec) == _H264_PICTURE:
            return _picture_set(Bits(unit, header_bytes=1))
        return _h264_sequence(unit)
    kind = _H265_KINDS[kind_of(unit, codec)]
    bits = Bits(unit, header_bytes=2)
    if kind == "video":
        return ParameterSet(("video", bits.u(4)))
    if kind == "picture":
        return _picture_set(bits)
    return _h265_sequence(bits)


def picture_set_of(slice_unit: bytes, codec: Codec) -> Key:
    """The picture parameter set that a slice refers to; raises :class:`MalformedSet`."""
    if codec == "h264":
        bits = Bits(slice_unit[:40], header_bytes=1)
        bits.unsigned(), bits.unsigned()  # first_mb_in_slice, slice_type
        return "picture", bits.unsigned()
    bits = Bits(slice_unit[:40], header_bytes=2)
    bits.u(1)  # first_slice_segment_in_pic_flag
    if kind_of(slice_unit, codec) in _H265_IRAP:
        bits.u(1)  # no_output_of_prior_pics_flag
    return "picture", bits.unsigned()


def frame_number_of(slice_unit: bytes, bits_in_it: int) -> int:
    """frame_num of a slice of H.264; raises :class:`MalformedSet`."""
    bits = Bits(slice_unit[:40], header_bytes=1)
    # first_mb_in_slice, slice_type, pic_parameter_set_id
    bits.unsigned(), bits.unsigned(), bits.unsigned()
    return bits.u(bits_in_it)


def _picture_set(bits: Bits) -> ParameterSet:
    """Section 7.3.2.2 of H.264, 7.3.2.3.1 of H.265: both begin with these."""
    key: Key = ("picture", bits.at_most(_MOST_PICTURE_SETS))
    return ParameterSet(key, ("sequence", bits.at_most(_MOST_SEQUENCE_SETS)))


def _h264_sequence(unit: bytes) -> ParameterSet:
    """Section 7.3.2.1.1."""
    bits = Bits(unit, header_bytes=1)
    profile = bits.u(8)
    bits.u(16)  # constraints, level
    number = bits.at_most(_MOST_SEQUENCE_SETS)
    chroma, luma_depth, chroma_depth, is_separate = 1, 0, 0, 0
    if profile in _H264_HIGH:
        chroma = bits.at_most(_MOST_CHROMA)
        is_separate = bits.u(1) if chroma == 3 else 0
        luma_depth, chroma_depth = bits.at_most(_MOST_DEPTH), bits.at_most(_MOST_DEPTH)
        bits.u(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.u(1):
            _skip_scaling_lists(bits, 8 if chroma != 3 else 12)
    frame_number_bits = bits.at_most(_MOST_FRAME_NUMBER_BITS - 4) + 4  # log2_max_frame_num_minus4
    _skip_order_of_pictures(bits)
    bits.unsigned()  # max_num_ref_frames
    if bits.u(1) or is_separate:  # gaps_in_frame_num_value_allowed_flag
        frame_number_bits = 0
    bits.unsigned(), bits.unsigned()  # the size in macroblocks
    fields = 2 - bits.u(1)  # frame_mbs_only_flag
    if fields == 2:
        bits.u(1)  # mb_adaptive_frame_field_flag
    bits.u(1)  # direct_8x8_inference_flag
    wide, high = _chroma_samples(0 if is_separate else chroma)
    hides = _hides(bits, wide, high * fields)
    picture_format = (chroma, luma_depth, chroma_depth)
    return ParameterSet(
        ("sequence", number),
        hides=hides,
        format=picture_format,
        frame_number_bits=frame_number_bits,
    )


def _skip_scaling_lists(bits: Bits, count: int) -> None:
    """Section 7.3.2.1.1.1."""
    for number in range(count):
        last = following = 8
        for _ in range(0 if not bits.u(1) else 16 if number < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


def _skip_order_of_pictures(bits: Bits) -> None:
    kind = bits.unsigned()  # pic_order_cnt_type
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.u(1), bits.signed(), bits.signed()
        for _ in range(bits.unsigned()):
            bits.signed()


def _h265_sequence(bits: Bits) -> ParameterSet:
    """Section 7.3.2.2.1."""
    needs: Key = ("video", bits.u(4))
    more_layers, nested = bits.u(3), bits.u(1)
    bits.u(96)  # general profile, tier and level
    flags = [(bits.u(1), bits.u(1)) for _ in range(more_layers)]
    if flags:
        bits.u(2 * (8 - more_layers))
    for has_profile, has_level in flags:
        bits.u(88 * has_profile + 8 * has_level)
    number, chroma = bits.at_most(_MOST_SEQUENCE_SETS), bits.at_most(_MOST_CHROMA)
    is_separate = bits.u(1) if chroma == 3 else 0
    bits.unsigned(), bits.unsigned()  # the size
    wide, high = _chroma_samples(0 if is_separate else chroma)
    hides = _hides(bits, wide, high)
    picture_format = (chroma, bits.at_most(_MOST_DEPTH), bits.at_most(_MOST_DEPTH))
    return ParameterSet(
        ("sequence", number), needs, hides, picture_format, (more_layers + 1, nested)
    )


def _chroma_samples(chroma: int) -> tuple[int, int]:
    """Pixels for each sample of chroma, across and down (H.264 and H.265, table 6-1)."""
    return {1: (2, 2), 2: (2, 1)}.get(chroma, (1, 1))


def _hides(bits: Bits, wide: int, high: int) -> bool:
    """True if the crop that follows hides more than padding."""
    if not bits.u(1):
        return False
    left, right, top, bottom = bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()
    return left > 0 or top > 0 or right * wide >= ROUNDING or bottom * high >= ROUNDING
