"""The units of a coded video that leave; ``editing/test_prepare.py`` uses real encoders."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.media.nal_units import Cleaner, HiddenPicture
from agent.media.parameter_sets import MalformedSet
from agent.media.set_records import MalformedRecord
from tests.support.coded import (
    h264_picture_set,
    h264_sequence_set,
    h264_slice,
    h265_picture_set,
    h265_sequence_set,
    h265_slice,
    h265_video_set,
)
from tests.support.footage import packet_of, units

IDR, SLICE, SPS, PPS = h264_slice(5), h264_slice(1), h264_sequence_set(), h264_picture_set()
POINT = b"\x06\x06\x01\xc4\x80"  # recovery_frame_cnt 0, exact_match_flag 1
NOTE = b"\x05\x04note"  # a message of user data
VPS_5, SPS_5, PPS_5 = h265_video_set(), h265_sequence_set(), h265_picture_set()
IDR_5, TRAIL_5 = h265_slice(19), h265_slice(1)
SEI_5, LATE_SEI_5 = b"\x4e\x01note", b"\x50\x01note"


def listed(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def avcc(
    sps: Iterable[bytes] = (SPS,), pps: Iterable[bytes] = (PPS,), tail: bytes = b"", size: int = 4
) -> bytes:
    """An ``avcC`` record whose lengths have ``size`` bytes."""
    sps, pps = tuple(sps), tuple(pps)
    head = b"\x01" + SPS[1:4] + bytes([0xFC | size - 1])
    return head + bytes([0xE0 | len(sps)]) + listed(*sps) + bytes([len(pps)]) + listed(*pps) + tail


def hvcc(*arrays: tuple[int, tuple[bytes, ...]]) -> bytes:
    """An ``hvcC`` record with arrays of a type."""
    fixed = b"\xf0\0\xfc\xfd\xf8\xf8\0\0\x0f"
    head = b"\x01" + SPS_5[3:15] + fixed + bytes([len(arrays)])
    return head + b"".join(
        bytes([kind]) + len(units).to_bytes(2, "big") + listed(*units) for kind, units in arrays
    )


PLAIN = hvcc((32, (VPS_5,)), (33, (SPS_5,)), (34, (PPS_5,)))


def h264(record: bytes | None = None, first: bytes = IDR) -> Cleaner:
    return Cleaner("h264", avcc() if record is None else record, packet_of([first]))


def h265(record: bytes = PLAIN, first: bytes = IDR_5) -> Cleaner:
    return Cleaner("hevc", record, packet_of([first]))


def cleaned(*given: bytes, by: Cleaner | None = None) -> list[bytes]:
    return units((by or h264()).clean(packet_of(given)))


def test_pictures_and_what_decoders_need_for_them_stay() -> None:
    needed = (SPS, PPS, IDR, SLICE, b"\x0a", b"\x0b")
    assert cleaned(*needed) == list(needed)


@pytest.mark.parametrize("kind", [2, 3, 4, 9, 10, 11])
def test_units_that_no_decoder_needs_carry_no_bytes_of_ours(kind: int) -> None:
    assert cleaned(IDR, bytes([kind]) + b"smuggled", SLICE) == [IDR, SLICE]


@pytest.mark.parametrize("head", [b"\x46\x01", b"\x48\x01", b"\x4a\x01"])
def test_delimiters_and_ends_of_h265_carry_no_bytes_of_ours(head: bytes) -> None:
    assert cleaned(IDR_5, head + b"smuggled", by=h265()) == [IDR_5]
    ends = (b"\x48\x01", b"\x4a\x01")
    needed = (VPS_5, SPS_5, PPS_5, IDR_5, TRAIL_5, *ends)
    assert cleaned(*needed, by=h265()) == list(needed)


@pytest.mark.parametrize("kind", [0, 6, 12, 14, 15, 16, 18, 19, 20, 23, 24, 31])
def test_units_without_pictures_of_h264_do_not_leave(kind: int) -> None:
    assert cleaned(bytes([0x60 | kind]) + NOTE, SLICE) == [SLICE]


@pytest.mark.parametrize("kind", [10, 15, 22, 31, 38, 39, 40, 41, 47, 48, 63])
def test_units_without_pictures_of_h265_do_not_leave(kind: int) -> None:
    assert cleaned(bytes([kind << 1, 1]) + NOTE, IDR_5, by=h265()) == [IDR_5]


@pytest.mark.parametrize("unit", [b"\x27\x01" + IDR_5[2:], b"\x26\x09" + IDR_5[2:], b"\x26"])
def test_a_layer_that_no_player_shows_stays_behind(unit: bytes) -> None:
    assert cleaned(unit, IDR_5, by=h265()) == [IDR_5]


def test_a_packet_of_notes_alone_is_no_packet() -> None:
    assert h264().clean(packet_of([b"\x06" + NOTE + b"\x80"])) == b""


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

    cleaner = Cleaner("h264", avcc(size=size), packet(IDR))
    assert cleaner.record == avcc(size=size)
    assert cleaner.clean(packet(SLICE, b"\x06" + NOTE, IDR)) == packet(SLICE, IDR)


def test_behind_a_length_that_cannot_be_nothing_leaves() -> None:
    whole = packet_of([SLICE])
    assert h264().clean(whole + b"\0\0\0\x99" + IDR) == whole
    assert h264().clean(whole + b"\0\0\0\0" + whole) == whole + whole
    assert h264().clean(whole + b"\0\0") == whole


# Parameter sets


def test_a_record_of_used_sets_stays_as_it_is() -> None:
    assert h264().record == avcc()
    assert h265().record == PLAIN
    high = h264_sequence_set(profile=100)
    record = avcc((high,), tail=b"\xfd\xf8\xf8\0").replace(SPS[1:4], high[1:4], 1)
    assert h264(record).record == record


def test_other_content_of_a_record_does_not_leave() -> None:
    sei = b"\x06" + NOTE + b"\x80"
    talking = avcc((SPS, sei), (sei, PPS), b"\xfd\xf8\xf8\1" + listed(sei))
    assert h264(talking).record == avcc()
    assert h264(talking[:1] + b"abc" + talking[4:]).record == avcc()
    talking = hvcc(
        (32, (VPS_5,)), (39, (SEI_5, SEI_5)), (33, (SPS_5, LATE_SEI_5)), (34, (PPS_5, b""))
    )
    talking = talking[:1] + b"general profile, half"[:19] + talking[20:]
    assert h265(talking).record == PLAIN


def test_a_set_that_no_picture_uses_does_not_leave() -> None:
    others = [h264_sequence_set(number=3), h264_picture_set(number=7, sequence=3) + b"smuggled"]
    cleaner = h264(avcc((SPS, others[0]), (PPS, others[1])))
    assert cleaner.record == avcc()
    assert cleaned(*others, IDR, by=cleaner) == [IDR]
    assert cleaned(SLICE, others[1], by=cleaner) == [SLICE]
    others = [h265_video_set(number=1), h265_sequence_set(number=3), h265_picture_set(number=7)]
    more = hvcc((32, (VPS_5, others[0])), (33, (SPS_5, others[1])), (34, (others[2], PPS_5)))
    cleaner = h265(more)
    assert cleaner.record == PLAIN
    assert cleaned(*others, IDR_5, by=cleaner) == [IDR_5]


def test_a_set_leaves_before_the_first_picture_that_uses_it_and_wherever_it_is_repeated() -> None:
    second = h264_picture_set(number=7)
    cleaner = h264(avcc(pps=(PPS, second)))
    assert cleaned(SLICE, by=cleaner) == [SLICE]
    late = h264_slice(1, picture_set=7)
    assert cleaned(late, by=cleaner) == [second, late]
    assert cleaned(late, by=cleaner) == [late]
    other = h264_sequence_set(frames=3)
    assert cleaned(other, PPS, IDR, by=cleaner) == [other, PPS, IDR], "the camera changed them"
    assert cleaned(PPS, other, IDR, by=cleaner) == [other, PPS, IDR], "a clip may be cut here"


def test_the_newest_of_two_sets_with_a_number_is_the_one_that_counts() -> None:
    old = h264_picture_set() + b"old"
    cleaner = Cleaner("h264", avcc(pps=(old,)), packet_of([PPS, IDR]))
    assert cleaner.record == avcc()


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_slice_without_its_sets_does_not_leave(codec: str) -> None:
    lost, cleaner, good = h264_slice(1, picture_set=9), h264(), SLICE
    if codec == "hevc":
        lost, cleaner, good = h265_slice(1, picture_set=9), h265(), TRAIL_5
    assert cleaned(lost, good, by=cleaner) == [good]
    assert cleaner.clean(packet_of([lost])) == b""
    with pytest.raises(MalformedSet):
        Cleaner("h264", avcc(pps=()), packet_of([IDR]))


def test_more_sets_than_a_record_holds_and_larger_ones_are_refused() -> None:
    many = [h264_picture_set(number=number) for number in range(40)]
    slices = [h264_slice(1, picture_set=number) for number in range(40)]
    with pytest.raises(MalformedRecord):
        Cleaner("h264", avcc(), packet_of([*many, *slices]))
    large = PPS + bytes(70_000)
    assert cleaned(large, SLICE) == [SLICE]


CROPS = [(0, 0, 0, 4), (0, 7, 0, 7), (0, 0, 0, 0)]  # in samples of chroma: 8, 14 pixels
HIDING = [(0, 8, 0, 0), (0, 0, 0, 8), (1, 0, 0, 0), (0, 0, 1, 0), (0, 400, 0, 0)]


@pytest.mark.parametrize(
    ("crop", "hides"), [(c, False) for c in CROPS] + [(c, True) for c in HIDING]
)
def test_a_crop_of_more_than_padding_is_named(crop: tuple[int, int, int, int], hides: bool) -> None:
    sets = (h264_sequence_set(crop=crop), h265_sequence_set(crop=crop))
    records = (avcc((sets[0],)), hvcc((32, (VPS_5,)), (33, (sets[1],)), (34, (PPS_5,))))
    for made, record, one, picture in zip((h264, h265), records, sets, (IDR, IDR_5), strict=True):
        if not hides:
            assert one in made(record).record
            continue
        with pytest.raises(HiddenPicture):
            made(record)
        with pytest.raises(HiddenPicture):
            cleaned(one, picture, by=made())
        assert cleaned(one, b"\x06" + NOTE, by=made()) == [], "nobody uses it yet"


def test_pictures_of_two_fields_may_be_padded_twice_as_far() -> None:
    for samples, hides in ((3, False), (4, True)):
        record = avcc((h264_sequence_set(fields=True, crop=(0, 0, 0, samples)),))
        if hides:
            with pytest.raises(HiddenPicture):
                h264(record)
        else:
            h264(record)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_record_that_is_none_is_named(codec: str) -> None:
    whole, picture = (avcc(), IDR) if codec == "h264" else (PLAIN, IDR_5)
    for bad in (b"", b"\0" + whole[1:], *(whole[:size] for size in range(1, len(whole)))):
        with pytest.raises((MalformedRecord, MalformedSet)):
            Cleaner("h264" if codec == "h264" else "hevc", bad, packet_of([picture]))


@given(st.sampled_from(["h264", "hevc"]), st.binary(max_size=60), st.binary(max_size=60))
def test_no_noise_gets_a_unit_through_that_is_not_listed(
    codec: str, record: bytes, packet: bytes
) -> None:
    with contextlib.suppress(MalformedRecord, MalformedSet, HiddenPicture):
        Cleaner("h264" if codec == "h264" else "hevc", record, packet)
    with contextlib.suppress(HiddenPicture):
        for unit in units((h264() if codec == "h264" else h265()).clean(packet)):
            if codec == "h264":
                assert unit[0] & 0x1F in (1, 5, 7, 8, 10, 11) or unit[:2] == b"\6\6"
            else:
                assert unit[0] >> 1 & 0x3F not in (35, 39, 40)


@given(st.data())
def test_a_set_that_was_damaged_causes_no_other_exception(data: st.DataObject) -> None:
    whole = data.draw(
        st.sampled_from([SPS, PPS, VPS_5, SPS_5, PPS_5, h264_sequence_set(profile=100)])
    )
    at = data.draw(st.integers(1, len(whole) - 1))
    noise = data.draw(st.binary(max_size=8))
    damaged = whole[:at] + noise + whole[at + data.draw(st.integers(0, 3)) :]
    cleaner, picture = (
        (h264(), SLICE) if whole[0] & 0x80 == 0 and whole[0] > 0x60 else (h265(), IDR_5)
    )
    with contextlib.suppress(HiddenPicture):
        cleaned(damaged, picture, by=cleaner)
