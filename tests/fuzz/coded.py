"""Fuzzing targets: records of parameter sets and packets of coded video, as a camera wrote them."""

from __future__ import annotations

from collections.abc import Sequence

from agent.media.nal_units import Cleaner, HiddenPicture
from agent.media.parameter_sets import Codec, MalformedSet, is_set
from agent.media.set_records import MalformedRecord, record_sets
from tests.fuzz.target import Target
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


def run_copy(data: bytes) -> None:
    """The codec, the record behind its length, and a packet: what leaves is wanted, and whole."""
    codec: Codec = "hevc" if data[:1] == b"\1" else "h264"
    size = int.from_bytes(data[1:3], "big")
    record, packet = data[3 : 3 + size], data[3 + size :]
    try:
        cleaner = Cleaner(codec, record, packet)
        length_bytes, sets = record_sets(codec, cleaner.record)
        assert all(is_set(unit, codec) for unit in sets), "the record holds something else"
        for _ in range(2):
            left = cleaner.clean(packet)
            assert left, "the first packet has pictures"
            assert length_bytes != 4 or units(left), "a length does not fit"
    except (MalformedRecord, MalformedSet, HiddenPicture):
        return


def _case(codec: int, record: bytes, packet: Sequence[bytes]) -> bytes:
    return bytes([codec]) + len(record).to_bytes(2, "big") + record + packet_of(packet)


def _list(units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def seeds_copy() -> Sequence[bytes]:
    """Whole streams; sets in the packet, two of a number, a crop, layers."""
    sequence, picture = h264_sequence_set(profile=100), h264_picture_set()
    avcc = b"\1" + sequence[1:4] + b"\xff\xe1" + _list([sequence]) + b"\1" + _list([picture])
    sets = [h265_video_set(), h265_sequence_set(layers=3), h265_picture_set()]
    arrays = b"".join(
        bytes([kind, 0, 1]) + _list([unit]) for kind, unit in zip((32, 33, 34), sets, strict=True)
    )
    hvcc = b"\1" + bytes(20) + b"\x0f\3" + arrays
    cropped = h264_sequence_set(fields=True, crop=(0, 9, 0, 3))
    return [
        _case(0, avcc, [h264_slice(5), h264_slice(1)]),
        _case(0, avcc, [cropped, h264_picture_set(number=7), picture, h264_slice(5)]),
        _case(0, avcc, [b"\x06\x06\x01\xc4\x80", h264_slice(1)]),
        _case(1, hvcc, [h265_slice(19), h265_slice(1)]),
        _case(1, hvcc, [*sets, h265_slice(21), b"\x48\1"]),
        b"",
    ]


TARGETS = [Target("copy", run_copy, seeds_copy, max_bytes=4_000)]
