"""New ids for the parameter sets of an H.265 stream that x265 made.

x265 numbers its sets 0, as cameras do, and has no option to change that. The sets of both can share
a file only under different numbers. So the sets are written again with another number, and so is
the header of each slice, which refers to it. The data of a slice begins at a whole byte and stays
as it is.

ITU-T H.265, sections 7.3.2.1 to 7.3.2.3 and 7.3.6.1. Only streams of P- and I-pictures of one slice
are read, without tiles, long-term references, weights and extensions; others are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.media.parameter_sets import Bits, MalformedSet, kind_of

MOST_NUMBER: Final = 15  # that all three kinds of sets can have
_VIDEO, _SEQUENCE, _PICTURE = 32, 33, 34
_IDR: Final = frozenset({19, 20})
_ENTRIES: Final = range(16, 24)
_PROFILE_BITS: Final = 96  # general profile, tier and level
_P, _I = 1, 2  # slice_type
_HEADER_BYTES: Final = 1_000  # more than a slice's header has
_ESCAPED: Final = re.compile(rb"\0\0(?=[\0-\3])")


class Renumbered:
    """The video, sequence and picture set ``sets`` under ``number``, and slices that need them.

    Raises :class:`MalformedSet` for streams that it cannot handle.
    """

    def __init__(self, sets: Sequence[bytes], number: int) -> None:
        kinds = [kind_of(unit, "hevc") for unit in sets]
        if kinds != [_VIDEO, _SEQUENCE, _PICTURE]:
            raise MalformedSet("is not one set of each kind")
        video, sequence, picture = sets
        self._number = _code(number)
        self._sequence = _Sequence.read(sequence)
        self._picture = _Picture.read(picture)
        four = f"{number:04b}"
        self.sets = (
            _replaced(video, [(0, 4, four)]),
            _replaced(sequence, [(0, 4, four), (*self._sequence.number_at, self._number)]),
            _replaced(picture, [(0, self._picture.numbers_end, self._number * 2)]),
        )

    def slice(self, unit: bytes) -> bytes:
        """The slice ``unit``, whose header refers to the new picture set."""
        bits = Bits(unit[:_HEADER_BYTES], header_bytes=2)
        kind = kind_of(unit, "hevc")
        if not bits.u(1):
            raise MalformedSet("is not the first slice of its picture")
        if kind in _ENTRIES:
            bits.u(1)  # no_output_of_prior_pics_flag
        begin = bits.position
        bits.unsigned()  # slice_pic_parameter_set_id
        end = bits.position
        self._read_rest(bits, kind)
        header = _text(unit[:_HEADER_BYTES])[: bits.position]
        if not bits.u(1) or bits.u(-bits.position % 8):
            raise MalformedSet("has a header of another form")
        renumbered = header[:begin] + self._number + header[end:] + "1"
        plain = _plain(unit)
        return unit[:2] + _escaped(_bytes(renumbered) + plain[bits.position // 8 :])

    def _read_rest(self, bits: Bits, kind: int) -> None:
        """The slice's header behind the number of its picture set, to its alignment."""
        sequence, picture = self._sequence, self._picture
        slice_type = bits.unsigned()
        if slice_type not in (_P, _I):
            raise MalformedSet("is neither P nor I")
        follows_time = False
        if kind not in _IDR:
            bits.u(sequence.order_bits)
            self._read_references(bits)
            follows_time = sequence.has_motion_over_time and bool(bits.u(1))
        filters = sequence.has_offsets and bool(bits.u(1) | bits.u(1))  # both are read
        if slice_type == _P:
            active = picture.active
            if bits.u(1):  # num_ref_idx_active_override_flag
                active = bits.unsigned() + 1
            if picture.has_cabac_flag:
                bits.u(1)
            if follows_time and active > 1:
                bits.unsigned()  # collocated_ref_idx
            bits.unsigned()  # five_minus_max_num_merge_cand
        bits.signed()  # slice_qp_delta
        if picture.has_chroma_offsets:
            bits.signed(), bits.signed()
        deblocks = picture.deblocks
        if picture.may_override and bits.u(1):
            deblocks = not bits.u(1)
            if deblocks:
                bits.signed(), bits.signed()
        if picture.filters_across and (filters or deblocks):
            bits.u(1)
        if picture.has_rows and (count := bits.unsigned()):
            bits.u(count * (bits.unsigned() + 1))  # where rows begin: in the data, which stays

    def _read_references(self, bits: Bits) -> None:
        """The short-term references, section 7.3.7; the sequence set lists none."""
        if bits.u(1):
            raise MalformedSet("refers to a list of references")
        for _ in range(bits.unsigned() + bits.unsigned()):
            bits.unsigned(), bits.u(1)


@dataclass(frozen=True, slots=True)
class _Sequence:
    """Fields of a sequence set; ``number_at``: the bits of its number."""

    number_at: tuple[int, int]
    order_bits: int
    has_offsets: bool
    has_motion_over_time: bool

    @classmethod
    def read(cls, unit: bytes) -> _Sequence:
        """Section 7.3.2.2.1."""
        bits = Bits(unit, header_bytes=2)
        bits.u(4)
        if bits.u(3):
            raise MalformedSet("has several layers")
        bits.u(1 + _PROFILE_BITS)
        begin = bits.position
        bits.unsigned()
        number_at = begin, bits.position
        if bits.unsigned() not in (1, 2):  # chroma_format_idc
            raise MalformedSet("has other colours than are read here")
        bits.unsigned(), bits.unsigned()  # the size
        if bits.u(1):  # conformance_window_flag
            for _ in range(4):
                bits.unsigned()
        bits.unsigned(), bits.unsigned()  # the depths
        order_bits = bits.at_most(12) + 4
        bits.u(1)  # sps_sub_layer_ordering_info_present_flag
        for _ in range(9):  # buffers, sizes of blocks and transforms
            bits.unsigned()
        if bits.u(1):  # scaling_list_enabled_flag
            raise MalformedSet("has lists of scales")
        bits.u(1)  # amp_enabled_flag
        has_offsets = bool(bits.u(1))
        if bits.u(1) or bits.unsigned() or bits.u(1):  # PCM, reference lists, long-term ones
            raise MalformedSet("has more than is read here")
        return cls(number_at, order_bits, has_offsets, bool(bits.u(1)))


@dataclass(frozen=True, slots=True)
class _Picture:
    """Fields of a picture set; its two numbers come first, and end at ``numbers_end``."""

    numbers_end: int
    active: int
    has_cabac_flag: bool
    has_chroma_offsets: bool
    has_rows: bool
    filters_across: bool
    may_override: bool
    deblocks: bool

    @classmethod
    def read(cls, unit: bytes) -> _Picture:
        """Section 7.3.2.3.1."""
        bits = Bits(unit, header_bytes=2)
        bits.unsigned(), bits.unsigned()
        numbers_end = bits.position
        if bits.u(5):  # dependent slices, output flag, more bits in slices
            raise MalformedSet("has more in its slices than is read here")
        bits.u(1)  # sign_data_hiding_enabled_flag
        has_cabac_flag = bool(bits.u(1))
        active = bits.unsigned() + 1
        bits.unsigned(), bits.signed(), bits.u(2)
        if bits.u(1):  # cu_qp_delta_enabled_flag
            bits.unsigned()
        bits.signed(), bits.signed()
        has_chroma_offsets = bool(bits.u(1))
        if bits.u(1):  # weighted_pred_flag
            raise MalformedSet("has weights")
        bits.u(2)  # weighted_bipred_flag, transquant_bypass_enabled_flag
        if bits.u(1):  # tiles_enabled_flag
            raise MalformedSet("has tiles")
        has_rows, filters_across = bool(bits.u(1)), bool(bits.u(1))
        may_override, deblocks = False, True
        if bits.u(1):  # deblocking_filter_control_present_flag
            may_override, deblocks = bool(bits.u(1)), not bits.u(1)
            if deblocks:
                bits.signed(), bits.signed()
        if bits.u(2):  # lists of scales, changed lists of references
            raise MalformedSet("has lists")
        bits.unsigned()  # log2_parallel_merge_level_minus2
        if bits.u(1):
            raise MalformedSet("has more in its slices than is read here")
        return cls(
            numbers_end,
            active,
            has_cabac_flag,
            has_chroma_offsets,
            has_rows,
            filters_across,
            may_override,
            deblocks,
        )


def _code(number: int) -> str:
    """The bits of an unsigned Exp-Golomb code (section 9.2)."""
    binary = f"{number + 1:b}"
    return "0" * (len(binary) - 1) + binary


def _replaced(unit: bytes, places: Sequence[tuple[int, int, str]]) -> bytes:
    """A set with other bits at these places, from front to back."""
    bits, text, at = _text(unit).rstrip("0"), "", 0  # up to the bit that ends it
    for begin, end, new in places:
        text, at = text + bits[at:begin] + new, end
    return unit[:2] + _escaped(_bytes(text + bits[at:]))


def _plain(unit: bytes) -> bytes:
    """The payload of a unit, without the bytes that prevent start codes (section 7.3.1.1)."""
    return unit[2:].replace(b"\0\0\3", b"\0\0")


def _text(unit: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in _plain(unit))


def _bytes(bits: str) -> bytes:
    """``bits``, filled with zeros to whole bytes."""
    padded = bits + "0" * (-len(bits) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, "big")


def _escaped(plain: bytes) -> bytes:
    return _ESCAPED.sub(b"\0\0\3", plain)
