"""Pictures cut into RTP packets by another, and put together again."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.source import Codec
from agent.camera.sources.network.rtsp.depacketizer import Depacketizer, Picture
from tests.peers.bendable_camera import rtp_payloads

STEP = 6_000
START = b"\0\0\0\1"


def unit(codec: Codec, kind: int, size: int = 20) -> bytes:
    head = bytes([kind << 1, 1]) if codec == "hevc" else bytes([0x60 | kind])
    return head + bytes(at % 251 + 1 for at in range(size))


def rtp(number: int, stamp: int, payload: bytes, *, mark: bool = True) -> bytes:
    return (
        struct.pack(">BBHII", 0x80, 96 | mark << 7, number & 0xFFFF, stamp % (1 << 32), 9) + payload
    )


def fed(codec: Codec, packets: Iterable[bytes]) -> list[Picture]:
    depacketizer = Depacketizer(codec)
    return [picture for packet in packets for picture in depacketizer.feed(packet)]


def sent(
    codec: Codec, pictures: list[list[bytes]], *, first: int = 0, began: int = 0
) -> list[bytes]:
    packets: list[bytes] = []
    for place, units in enumerate(pictures):
        for payload, last in rtp_payloads(units, "h264" if codec == "h264" else "hevc"):
            packets.append(rtp(first + len(packets), began + place * STEP, payload, mark=last))
    return packets


CODECS = pytest.mark.parametrize("codec", ["h264", "hevc"])
SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}
KEY, OTHER = {"h264": 5, "hevc": 19}, {"h264": 1, "hevc": 1}


@CODECS
@given(
    sizes=st.lists(st.lists(st.integers(1, 9_000), min_size=1, max_size=3), min_size=1, max_size=6),
    first=st.integers(0, 65_535),
    began=st.integers(0, (1 << 32) - 1),
)
def test_pictures_come_out_as_they_went_in_wherever_numbers_and_stamps_begin(
    codec: Codec, sizes: list[list[int]], first: int, began: int
) -> None:
    pictures = [[unit(codec, OTHER[codec], size) for size in each] for each in sizes]
    got = fed(codec, sent(codec, pictures, first=first, began=began))
    assert [each.data for each in got] == [START + START.join(units) for units in pictures]
    assert [each.ticks for each in got] == [place * STEP for place in range(len(pictures))]


@CODECS
def test_a_picture_with_its_parameter_sets_is_a_keyframe(codec: Codec) -> None:
    sets = [unit(codec, kind) for kind in SETS[codec]]
    pictures = [[*sets, unit(codec, KEY[codec])], [unit(codec, OTHER[codec])]]
    assert [each.keyframe for each in fed(codec, sent(codec, pictures))] == [True, False]


@CODECS
def test_parameter_sets_that_come_earlier_or_with_a_marker_go_along(codec: Codec) -> None:
    sets = [unit(codec, kind) for kind in SETS[codec]]
    packets = [rtp(at, 100, each, mark=True) for at, each in enumerate(sets)]
    packets.append(rtp(len(sets), 2_800, unit(codec, KEY[codec])))
    (picture,) = fed(codec, packets)
    assert picture.data == START + START.join([*sets, unit(codec, KEY[codec])])


@CODECS
def test_without_markers_a_picture_ends_with_the_next_time(codec: Codec) -> None:
    packets = [rtp(at, at // 2 * STEP, unit(codec, 1, 5 + at), mark=False) for at in range(6)]
    assert len(fed(codec, packets)) == 2


@CODECS
def test_units_gathered_in_one_packet_are_taken_apart(codec: Codec) -> None:
    units = [unit(codec, kind) for kind in (*SETS[codec], KEY[codec])]
    head = bytes([48 << 1, 1]) if codec == "hevc" else bytes([0x78])
    payload = head + b"".join(len(each).to_bytes(2, "big") + each for each in units)
    (picture,) = fed(codec, [rtp(0, 0, payload)])
    assert picture.data == START + START.join(units)


@CODECS
@given(st.data())
def test_a_picture_with_a_hole_is_dropped_and_no_other(codec: Codec, data: st.DataObject) -> None:
    pictures = [[unit(codec, OTHER[codec], 3_000)] for _ in range(5)]
    packets = sent(codec, pictures)
    lost = data.draw(st.integers(0, len(packets) - 1))
    got = fed(codec, packets[:lost] + packets[lost + 1 :])
    hurt = lost // 3
    whole = {each.ticks // STEP for each in got}
    assert {0, 1, 2, 3, 4} - {hurt, hurt + 1} <= whole
    assert hurt not in whole or lost == 0
    assert all(each.data == START + pictures[0][0] for each in got)


def test_extensions_sources_and_padding_are_no_picture() -> None:
    payload = unit("h264", 5)
    packet = struct.pack(">BBHII", 0xB2, 224, 1, 0, 9) + b"s" * 8
    packet += b"\xbe\xde" + (1).to_bytes(2, "big") + b"extn" + payload + b"\0\0\3"
    (picture,) = fed("h264", [packet])
    assert picture.data == START + payload


@CODECS
@given(st.lists(st.binary(max_size=80)))
def test_any_packets_are_borne(codec: Codec, packets: list[bytes]) -> None:
    fed(codec, [*packets, *(b"\x80" + packet for packet in packets)])
