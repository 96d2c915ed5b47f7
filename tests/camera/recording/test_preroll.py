from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.recording.preroll import PreRoll
from agent.camera.source import Packet


def packet(seconds: float, *, keyframe: bool = False, size: int = 10) -> Packet:
    return Packet(bytes(size), keyframe, seconds, 0.1)


def filled(ring: PreRoll, seconds: int, *, gop: int = 2) -> PreRoll:
    """``seconds`` of ten packets each, a keyframe every ``gop`` seconds."""
    for number in range(seconds * 10):
        ring.look(number / 10)
        ring.add(packet(number / 10, keyframe=number % (gop * 10) == 0))
    return ring


def test_reaches_back_to_the_keyframe_at_or_before_the_moment() -> None:
    ring = filled(PreRoll(seconds=5), 31)
    kept = ring.since(30.9 - 5)
    assert kept[0].keyframe
    assert kept[0].seconds == 24.0
    assert kept[-1].seconds == 30.9


def test_keeps_no_more_than_it_needs_for_that() -> None:
    ring = filled(PreRoll(seconds=5), 31)
    assert ring.since(0)[0].seconds == 24.0
    assert ring.bytes == 70 * 10


@pytest.mark.parametrize("behind", [0.3, 1.5, 3.0])
def test_pictures_that_are_behind_their_packets_shorten_nothing(behind: float) -> None:
    ring = PreRoll(seconds=5)
    for number in range(400):
        ring.look(number / 10 - behind)
        ring.add(packet(number / 10, keyframe=number % 20 == 0))
        wanted = number / 10 - behind - 5
        assert wanted < 0 or ring.since(wanted)[0].seconds <= wanted


def test_a_camera_without_pictures_keeps_little_more() -> None:
    ring = PreRoll(seconds=5)
    for number in range(400):
        ring.add(packet(number / 10, keyframe=number % 20 == 0))
    assert ring.bytes <= (5 + 3 + 2) * 10 * 10


def test_gives_less_where_less_is_wanted() -> None:
    ring = filled(PreRoll(seconds=5), 31)
    assert ring.since(28.0)[0].seconds == 28.0
    assert ring.since(99.0)[0].seconds == 30.0


def test_packets_before_the_first_keyframe_are_dropped() -> None:
    ring = PreRoll(seconds=5)
    ring.add(packet(0))
    assert ring.since(0) == []
    ring.add(packet(1, keyframe=True))
    assert [kept.seconds for kept in ring.since(0)] == [1]


def test_a_camera_without_further_keyframes_cannot_fill_the_memory() -> None:
    ring = PreRoll(seconds=5, max_bytes=1000)
    ring.add(packet(0, keyframe=True))
    for number in range(1, 500):
        ring.add(packet(number / 10))
    assert ring.bytes <= 1000
    ring.add(packet(60, keyframe=True))
    assert [kept.seconds for kept in ring.since(60)] == [60]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 400), st.floats(0.01, 3)), max_size=80),
    st.floats(0, 10),
)
def test_always_begins_at_a_keyframe_in_order_and_in_bounds(
    packets: list[tuple[bool, int, float]], seconds: float
) -> None:
    ring, now = PreRoll(seconds=seconds, max_bytes=2000), 0.0
    for keyframe, size, step in packets:
        now += step
        ring.add(packet(now, keyframe=keyframe, size=size))
        kept = ring.since(now - seconds)
        assert not kept or kept[0].keyframe
        assert [one.seconds for one in kept] == sorted(one.seconds for one in kept)
        assert ring.bytes <= 2000
        everything = ring.since(float("-inf"))
        assert ring.bytes == sum(len(one.data) for one in everything)
