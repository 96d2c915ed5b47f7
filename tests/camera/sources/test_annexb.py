"""Parameter sets, found in a packet with start codes."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.camera.sources.annexb import h264_extradata

SLICES = range(1, 6)

# A unit never ends in zero, and start codes within are escaped: as the standard demands.
BODIES = st.binary(max_size=20).map(lambda body: body.replace(b"\0", b"\3") + b"\x80")
UNITS = st.lists(st.tuples(st.sampled_from([1, 5, 6, 7, 8, 9]), BODIES), max_size=8)


@given(UNITS, st.sampled_from([b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\0\1"]))
def test_both_kinds_come_out_in_their_order_and_nothing_else(
    units: list[tuple[int, bytes]], start_code: bytes
) -> None:
    packet = b"".join(start_code + bytes([0x60 | kind]) + body for kind, body in units)
    head = itertools.takewhile(lambda unit: unit[0] not in SLICES, units)
    wanted = [(kind, body) for kind, body in head if kind in (7, 8)]
    if {kind for kind, _ in wanted} != {7, 8}:
        wanted = []
    assert h264_extradata(packet) == b"".join(
        b"\0\0\0\1" + bytes([0x60 | kind]) + body for kind, body in wanted
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_borne(data: bytes) -> None:
    assert h264_extradata(h264_extradata(data)) == h264_extradata(data)
