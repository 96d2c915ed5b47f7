"""The units of a coded video that leave; ``test_editing.py`` uses real encoders."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.media.nal_units import Cleaner, MalformedRecord
from tests.support.footage import packet_of, units

IDR, SLICE, SPS, PPS = b"\x65idr", b"\x41slice", b"\x67sps", b"\x68pps"
POINT = b"\x06\x06\x01\xc4\x80"  # recovery_frame_cnt 0, exact_match_flag 1
NOTE = b"\x05\x04note"  # a message of user data
VPS_5, SPS_5, PPS_5 = b"\x40\x01vps", b"\x42\x01sps", b"\x44\x01pps"
IDR_5, SEI_5, LATE_SEI_5 = b"\x26\x01idr", b"\x4e\x01note", b"\x50\x01note"


def listed(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def avcc(
    sps: Iterable[bytes] = (SPS,), pps: Iterable[bytes] = (PPS,), tail: bytes = b"", size: int = 4
) -> bytes:
    """An ``avcC`` record whose lengths have ``size`` bytes."""
    sps, pps = tuple(sps), tuple(pps)
    head = b"\x01\x64\x00\x1f" + bytes([0xFC | size - 1])
    return head + bytes([0xE0 | len(sps)]) + listed(*sps) + bytes([len(pps)]) + listed(*pps) + tail


def hvcc(*arrays: tuple[int, tuple[bytes, ...]]) -> bytes:
    """An ``hvcC`` record with arrays of a type."""
    head = b"\x01" + bytes(20) + b"\xff" + bytes([len(arrays)])
    return head + b"".join(
        bytes([0x80 | kind]) + len(units).to_bytes(2, "big") + listed(*units)
        for kind, units in arrays
    )


PLAIN = hvcc((32, (VPS_5,)), (33, (SPS_5,)), (34, (PPS_5,)))
H264, H265 = Cleaner.of("h264", avcc()), Cleaner.of("hevc", PLAIN)


def cleaned(*given: bytes, by: Cleaner = H264) -> list[bytes]:
    return units(by.clean(packet_of(given)))


def test_pictures_and_what_decoders_need_for_them_stay() -> None:
    needed = (SPS, PPS, IDR, SLICE, b"\x0a", b"\x0b")
    assert cleaned(*needed) == list(needed)


@pytest.mark.parametrize("kind", [2, 3, 4, 9, 10, 11])
def test_units_that_no_decoder_needs_carry_no_bytes_of_ours(kind: int) -> None:
    assert cleaned(IDR, bytes([kind]) + b"smuggled", SLICE) == [IDR, SLICE]


@pytest.mark.parametrize("head", [b"\x46\x01", b"\x48\x01", b"\x4a\x01"])
def test_delimiters_and_ends_of_h265_carry_no_bytes_of_ours(head: bytes) -> None:
    assert cleaned(IDR_5, head + b"smuggled", by=H265) == [IDR_5]
    ends = (b"\x48\x01", b"\x4a\x01")
    needed = (b"\x46\x01\x50", VPS_5, SPS_5, PPS_5, IDR_5, b"\x02\x01trail", *ends)
    assert cleaned(*needed, by=H265) == list(needed)


@pytest.mark.parametrize("kind", [0, 6, 12, 14, 15, 16, 18, 19, 20, 23, 24, 31])
def test_units_without_pictures_of_h264_do_not_leave(kind: int) -> None:
    assert cleaned(bytes([0x60 | kind]) + NOTE, SLICE) == [SLICE]


@pytest.mark.parametrize("kind", [10, 15, 22, 31, 38, 39, 40, 41, 47, 48, 63])
def test_units_without_pictures_of_h265_do_not_leave(kind: int) -> None:
    assert cleaned(bytes([kind << 1, 1]) + NOTE, IDR_5, by=H265) == [IDR_5]


@pytest.mark.parametrize("unit", [b"\x27\x01idr", b"\x26\x09idr", b"\x26"])
def test_a_layer_that_no_player_shows_stays_behind(unit: bytes) -> None:
    assert cleaned(unit, IDR_5, by=H265) == [IDR_5]


def test_a_packet_of_notes_alone_is_no_packet() -> None:
    assert H264.clean(packet_of([b"\x06" + NOTE + b"\x80"])) == b""


@pytest.mark.parametrize(
    "sei",
    [
        POINT,
        b"\x06" + NOTE + POINT[1:],
        POINT[:-1] + NOTE + b"\x80",
        b"\x06\xff\x20\x01x" + POINT[1:],
        b"\x06\x05\xff\x01" + b"n" * 256 + POINT[1:],
        b"\x06\x05\x04\0\0\x03\x01x" + POINT[1:],
    ],
    ids=["alone", "last", "first", "after type 287", "after a long one", "after an escaped one"],
)
def test_of_sei_the_recovery_point_alone_stays(sei: bytes) -> None:
    assert cleaned(sei, SLICE) == [POINT, SLICE]


@pytest.mark.parametrize(
    "sei",
    [
        b"\x06\x06\x04note\x80",
        b"\x06\x06\x00\x80",
        b"\x06\x06\x02\0\0\x80",
        b"\x06\x06\x03\xc4\x80",
        b"\x06\x06",
        b"\x06",
    ],
    ids=["too long to be one", "empty", "of zeros", "shorter than it says", "cut off", "nothing"],
)
def test_a_false_recovery_point_does_not_leave(sei: bytes) -> None:
    assert cleaned(sei, SLICE) == [SLICE]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_lengths_are_as_long_as_the_record_says(size: int) -> None:
    def packet(*given: bytes) -> bytes:
        return b"".join(len(unit).to_bytes(size, "big") + unit for unit in given)

    cleaner = Cleaner.of("h264", avcc(size=size))
    assert cleaner.clean(packet(SLICE, b"\x06" + NOTE, IDR)) == packet(SLICE, IDR)


def test_behind_a_length_that_cannot_be_nothing_leaves() -> None:
    whole = packet_of([SLICE])
    assert H264.clean(whole + b"\0\0\0\x09" + IDR) == whole
    assert H264.clean(whole + b"\0\0\0\0" + whole) == whole + whole
    assert H264.clean(whole + b"\0\0") == whole


def test_a_record_of_parameter_sets_stays_as_it_is() -> None:
    assert H264.record == avcc()
    assert H265.record == PLAIN
    high = avcc(tail=b"\xfd\xf8\xf8\0")
    assert Cleaner.of("h264", high).record == high


def test_other_content_of_a_record_does_not_leave() -> None:
    sei = b"\x06" + NOTE + b"\x80"
    talking = avcc((SPS, sei), (sei, PPS), b"\xfd\xf8\xf8\1" + listed(sei))
    assert Cleaner.of("h264", talking).record == avcc(tail=b"\xfd\xf8\xf8\0")
    talking = hvcc(
        (32, (VPS_5,)), (39, (SEI_5, SEI_5)), (33, (SPS_5, LATE_SEI_5)), (34, (PPS_5, b""))
    )
    assert Cleaner.of("hevc", talking).record == PLAIN


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_record_that_is_none_is_named(codec: str) -> None:
    whole = {"h264": avcc(), "hevc": PLAIN}[codec]
    for bad in (b"", b"\0" + whole[1:], *(whole[:size] for size in range(1, len(whole)))):
        with pytest.raises(MalformedRecord):
            Cleaner.of(codec, bad)


@given(st.sampled_from(["h264", "hevc"]), st.binary(max_size=60), st.binary(max_size=60))
def test_no_noise_gets_a_unit_through_that_is_not_listed(
    codec: str, record: bytes, packet: bytes
) -> None:
    with contextlib.suppress(MalformedRecord):
        Cleaner.of(codec, record)
    cleaner = H264 if codec == "h264" else H265
    for unit in units(cleaner.clean(packet)):
        if codec == "h264":
            assert unit[0] & 0x1F in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11) or unit[:2] == b"\6\6"
        else:
            assert unit[0] >> 1 & 0x3F not in (39, 40)
