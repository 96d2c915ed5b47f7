from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.recording.preroll import PreRoll
from agent.camera.source import Packet, VideoFormat

VIDEO = VideoFormat("h264", 640, 360, b"")
OTHER = VideoFormat("h264", 1280, 720, b"")


def packet(
    seconds: float, *, keyframe: bool = False, size: int = 10, until_shown: int = 0
) -> Packet:
    return Packet(bytes(size), keyframe, seconds, 0.1, until_shown=until_shown)


def since(ring: PreRoll, seconds: float) -> list[Packet]:
    """All packets of :meth:`PreRoll.since`, those that show nothing first."""
    return [
        packet for stretch in ring.since(seconds) for packet in [*stretch.lead, *stretch.packets]
    ]


def filled(ring: PreRoll, seconds: int, *, gop: int = 2) -> PreRoll:
    """``seconds`` of ten packets each, a keyframe every ``gop`` seconds."""
    for number in range(seconds * 10):
        ring.look(number / 10)
        ring.add(packet(number / 10, keyframe=number % (gop * 10) == 0))
    return ring


def test_reaches_back_to_the_keyframe_at_or_before_the_moment() -> None:
    ring = filled(PreRoll(VIDEO, seconds=5), 31)
    kept = since(ring, 30.9 - 5)
    assert kept[0].keyframe
    assert kept[0].seconds == 24.0
    assert kept[-1].seconds == 30.9


def test_keeps_no_more_than_it_needs_for_that() -> None:
    ring = filled(PreRoll(VIDEO, seconds=5), 31)
    assert since(ring, 0)[0].seconds == 24.0
    assert ring.bytes == 70 * 10


@pytest.mark.parametrize("behind", [0.3, 1.5, 3.0])
def test_pictures_that_are_behind_their_packets_shorten_nothing(behind: float) -> None:
    ring = PreRoll(VIDEO, seconds=5)
    for number in range(400):
        ring.look(number / 10 - behind)
        ring.add(packet(number / 10, keyframe=number % 20 == 0))
        wanted = number / 10 - behind - 5
        assert wanted < 0 or since(ring, wanted)[0].seconds <= wanted


def test_a_camera_without_pictures_keeps_little_more() -> None:
    ring = PreRoll(VIDEO, seconds=5)
    for number in range(400):
        ring.add(packet(number / 10, keyframe=number % 20 == 0))
    assert ring.bytes <= (5 + 3 + 2) * 10 * 10


def test_gives_less_where_less_is_wanted() -> None:
    ring = filled(PreRoll(VIDEO, seconds=5), 31)
    assert since(ring, 28.0)[0].seconds == 28.0
    assert since(ring, 99.0)[0].seconds == 30.0


def test_packets_before_the_first_keyframe_are_dropped() -> None:
    ring = PreRoll(VIDEO, seconds=5)
    ring.add(packet(0))
    assert since(ring, 0) == []
    ring.add(packet(1, keyframe=True))
    assert [kept.seconds for kept in since(ring, 0)] == [1]


def test_a_group_larger_than_the_memory_still_begins_a_clip() -> None:
    ring = PreRoll(VIDEO, seconds=5, max_bytes=1000)
    ring.add(packet(0, keyframe=True))
    for number in range(1, 500):
        ring.add(packet(number / 10))
        assert ring.bytes <= 1000
    kept = since(ring, 45)
    assert kept[0].keyframe
    assert [one.seconds for one in kept] == pytest.approx([39.9 + n / 10 + 0.1 for n in range(100)])
    ring.add(packet(60, keyframe=True))
    assert [kept.seconds for kept in since(ring, 60)] == [60]


def refreshed(ring: PreRoll, seconds: float, *, period: int = 25, until_shown: int = 24) -> None:
    """Ten packets a second, of which each ``period`` one begins to renew the picture."""
    for number in range(round(seconds * 10)):
        key = number % period == 0
        ring.look(number / 10)
        ring.add(packet(number / 10, keyframe=key, until_shown=until_shown if key else 0))


def test_an_intra_refresh_gives_what_shows_nothing_apart() -> None:
    ring = PreRoll(VIDEO, seconds=5)
    refreshed(ring, 21)
    (stretch,) = ring.since(16.0)
    assert stretch.lead[0].keyframe
    assert stretch.lead[0].seconds == 12.5
    assert stretch.packets[0].seconds == 14.9
    assert len(stretch.lead) == 24


def test_an_intra_refresh_begins_no_clip_before_its_first_whole_picture() -> None:
    early, ready = PreRoll(VIDEO, seconds=5), PreRoll(VIDEO, seconds=5)
    refreshed(early, 2.4)
    assert early.since(0) == []
    refreshed(ready, 2.5)
    assert ready.since(0)[0].packets[0].seconds == 2.4


def test_a_clip_that_goes_on_begins_with_the_next_picture_whatever_a_decoder_needs() -> None:
    ring = PreRoll(VIDEO, seconds=5)
    refreshed(ring, 21)
    assert ring.onward(20.0) == [], "a picture that is only whole with others before it"
    (stretch,) = ring.onward(19.9)
    assert [stretch.lead[0].seconds, stretch.lead[-1].seconds] == [17.5, 19.8]
    assert stretch.packets[0].seconds == 19.9
    (stretch,) = filled(PreRoll(VIDEO, seconds=5), 31).onward(30.0)
    assert (stretch.lead, stretch.packets[0].seconds) == ([], 30.0)


def test_packets_of_another_size_are_a_stretch_of_their_own() -> None:
    ring = filled(PreRoll(VIDEO, seconds=5), 31)
    ring.video = OTHER
    ring.add(packet(31.0))
    assert len(ring.since(0)) == 1, "not before their keyframe"
    ring.add(packet(31.1, keyframe=True))
    ring.add(packet(31.2))
    before, after = ring.since(29.0)
    assert [before.video, before.packets[-1].seconds] == [VIDEO, 30.9]
    assert [after.video, after.packets[0].seconds, len(after.packets)] == [OTHER, 31.1, 2]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 400), st.floats(0.01, 3)), max_size=80),
    st.floats(0, 10),
)
def test_always_begins_at_a_keyframe_in_order_and_in_bounds(
    packets: list[tuple[bool, int, float]], seconds: float
) -> None:
    ring, now = PreRoll(VIDEO, seconds=seconds, max_bytes=2000), 0.0
    for keyframe, size, step in packets:
        now += step
        ring.add(packet(now, keyframe=keyframe, size=size))
        kept = since(ring, now - seconds)
        assert not kept or kept[0].keyframe
        assert [one.seconds for one in kept] == sorted(one.seconds for one in kept)
        assert ring.bytes <= 2000
        everything = since(ring, float("-inf"))
        assert ring.bytes == sum(len(one.data) for one in everything)
