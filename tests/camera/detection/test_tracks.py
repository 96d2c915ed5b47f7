"""Tracks: hits of one thing count together, and short tracks make the next ones count later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.camera.detection.pace import Pace
from agent.camera.detection.tracks import Tracks
from agent.camera.detection.verdict import Box

PACE = Pace(7.5)
HERE, NEARBY, ELSEWHERE = (10, 10, 3, 4), (13, 10, 3, 4), (50, 10, 3, 4)


def answers(tracks: Tracks, hits: list[Box | None], *, weather: bool = False) -> list[bool]:
    """The answers to a look after the other."""
    return [tracks.look(hit, weather=weather, pace=PACE) for hit in hits]


def flashes(tracks: Tracks, number: int) -> None:
    """Things that show themselves twice and are gone, each somewhere else."""
    for count in range(number):
        place = (5 + 20 * (count % 4), 30, 2, 2)
        answers(tracks, [place, place, None, None, None])


def hits_until_answer(tracks: Tracks, *, weather: bool = False) -> int:
    """The number of hits of one thing until it counts."""
    return 1 + answers(tracks, [HERE] * 20, weather=weather).index(True)


def test_two_hits_of_one_thing_are_motion_until_it_was_missed_twice() -> None:
    assert answers(Tracks(), [HERE, NEARBY, None, None]) == [False, True, True, False]
    assert answers(Tracks(), [HERE, None, NEARBY]) == [False, False, True]
    assert not any(answers(Tracks(), [HERE, None, None, HERE]))


def test_hits_that_jump_about_are_not_one_thing() -> None:
    assert not any(answers(Tracks(), [HERE, ELSEWHERE, None, (30, 30, 3, 4), HERE]))


def test_two_people_are_followed_side_by_side() -> None:
    assert answers(Tracks(), [HERE, ELSEWHERE, HERE, ELSEWHERE])[2:] == [True, True]


def test_a_thing_may_jump_further_when_it_was_missed_between() -> None:
    far = (16, 10, 3, 4)
    assert not any(answers(Tracks(), [HERE, far]))
    assert any(answers(Tracks(), [HERE, None, far]))


def test_much_that_ends_soon_makes_the_next_thing_count_later() -> None:
    fresh, doubting = Tracks(), Tracks()
    flashes(doubting, 10)
    assert hits_until_answer(fresh) == 2
    assert 3 <= hits_until_answer(doubting) <= 5


def test_in_weather_where_hits_come_late_doubt_asks_for_less() -> None:
    calm, rain = Tracks(), Tracks()
    flashes(calm, 20)
    flashes(rain, 20)
    assert hits_until_answer(rain, weather=True) < hits_until_answer(calm)


def test_doubt_fades() -> None:
    tracks = Tracks()
    flashes(tracks, 20)
    answers(tracks, [None] * 600)
    assert hits_until_answer(tracks) == 2


def test_people_leave_no_doubt() -> None:
    tracks = Tracks()
    for _ in range(20):
        answers(tracks, [*[HERE] * 10, None, None, None])
    assert hits_until_answer(tracks) == 2


def test_a_new_scene_drops_tracks_without_doubt() -> None:
    tracks = Tracks()
    for _ in range(20):
        answers(tracks, [HERE])
        tracks.forget()
    assert hits_until_answer(tracks) == 2


boxes = st.tuples(st.integers(0, 79), st.integers(0, 44), st.integers(1, 80), st.integers(1, 45))


@given(before=st.lists(st.none() | boxes, max_size=60), weather=st.booleans())
def test_whatever_came_before_a_lasting_thing_counts_within_a_second(
    before: list[Box | None], weather: bool
) -> None:
    tracks = Tracks()
    answers(tracks, before, weather=weather)
    assert hits_until_answer(tracks, weather=weather) <= 7


@given(hits=st.lists(st.none() | boxes, max_size=60))
def test_no_answer_without_a_hit_in_this_look_or_the_last(hits: list[Box | None]) -> None:
    said = answers(Tracks(), hits)
    for number, answer in enumerate(said):
        if answer:
            assert any(hit is not None for hit in hits[max(number - 1, 0) : number + 1])
            assert sum(hit is not None for hit in hits[: number + 1]) >= 2
