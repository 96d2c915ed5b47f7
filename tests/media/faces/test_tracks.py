"""Tracks: sightings joined by place, speed and size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.statements import Region
from agent.media.faces.tracks import MOST_GAP_SECONDS, Sighting, Track, Tracker


def face(
    at: float, x: float, *, y: float = 0.3, size: float = 0.04, score: float = 0.9
) -> Sighting:
    return Sighting(at, Region(x - size / 2, y - size / 2, x + size / 2, y + size / 2), score)


def tracked(*pictures: list[Sighting]) -> list[Track]:
    tracker = Tracker()
    for number, sightings in enumerate(pictures):
        tracker.add(number / 4, [one._replace(at_seconds=number / 4) for one in sightings])
    return tracker.faces()


def test_two_people_who_pass_each_other_are_two_tracks() -> None:
    rows = [[face(0, 0.3 + 0.02 * n), face(0, 0.7 - 0.02 * n, y=0.33)] for n in range(20)]
    tracks = tracked(*rows)
    assert [len(one.sightings) for one in tracks] == [20, 20]
    assert {round(one.last.region.left + 0.02, 2) for one in tracks} == {0.68, 0.32}


def test_a_face_far_away_is_another_one() -> None:
    assert len(tracked([face(0, 0.2)], [face(0, 0.8)])) == 2


def test_a_face_of_another_size_is_another_one() -> None:
    assert len(tracked([face(0, 0.5)], [face(0, 0.5, size=0.2)])) == 2


def test_a_face_that_was_away_for_long_is_another_one() -> None:
    empty = round(MOST_GAP_SECONDS * 4)
    assert len(tracked([face(0, 0.5)], *[[]] * (empty - 1), [face(0, 0.5)])) == 1
    assert len(tracked([face(0, 0.5)], *[[]] * empty, [face(0, 0.5)])) == 2


@pytest.mark.parametrize(("scores", "count"), [([0.25], 0), ([0.4], 1), ([0.25, 0.25], 1)])
def test_a_dim_face_counts_when_it_is_seen_twice(scores: list[float], count: int) -> None:
    assert len(tracked(*([face(0, 0.5, score=score)] for score in scores))) == count


def test_the_strongest_face_comes_first() -> None:
    one, other = tracked([face(0, 0.2, score=0.5), face(0, 0.8)])
    assert one.strength > other.strength


def test_a_face_is_expected_where_its_speed_takes_it() -> None:
    (track,) = tracked(*([face(0, 0.3 + 0.02 * n)] for n in range(5)))
    assert track.expected(1.5).left == pytest.approx(0.28 + 0.02 * 6)
    assert track.expected(-0.5).left == pytest.approx(0.28 - 0.02 * 2)


@given(
    st.lists(
        st.lists(
            st.builds(face, st.just(0.0), st.floats(0.05, 0.95), y=st.floats(0.05, 0.5)), max_size=6
        ),
        max_size=12,
    )
)
def test_every_sighting_is_in_one_track_in_order_of_time(pictures: list[list[Sighting]]) -> None:
    tracks = tracked(*pictures)
    assert sum(len(one.sightings) for one in tracks) == sum(map(len, pictures))
    for track in tracks:
        times = [one.at_seconds for one in track.sightings]
        assert all(a < b <= a + MOST_GAP_SECONDS for a, b in pairwise(times))
