"""The recorded share of an hour, and the clips of hours that were mostly recorded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.vault.database.index import Clip
from agent.vault.database.recorded_share import Storm, last_hour


def endless(clips: list[Clip]) -> set[str]:
    """Ids of the endless ones of ``clips``."""
    storm = Storm()
    return {clip.id for clip in clips if storm.is_endless(clip)}


def clip(name: str, *, at: float, seconds: float = 120.0, boot: str = "this boot") -> Clip:
    """A clip that began at ``at`` by the monotonic clock."""
    return Clip(name, 0.0, seconds, at, boot, True, 100, "", "", False)


def storm(*, begin: float, hours: float, share: float = 0.9) -> list[Clip]:
    """Clips of two minutes that fill ``share`` of the time."""
    step = 120 / share
    count = round(hours * 3600 / step)
    return [clip(f"storm {begin} {n}", at=begin + n * step) for n in range(count)]


def test_the_last_hour_counts_only_its_own_part_of_a_clip() -> None:
    clips = [clip("a", at=0), clip("b", at=940), clip("c", at=4000, seconds=600)]
    assert last_hour(clips, monotonic=4600, boot_id="this boot") == pytest.approx(660 / 3600)
    assert last_hour(clips, monotonic=9000, boot_id="this boot") == 0
    assert last_hour([], monotonic=10, boot_id="this boot") == 0


def test_clips_of_another_boot_are_not_in_the_last_hour() -> None:
    clips = [clip("a", at=100, seconds=600, boot="an earlier boot")]
    assert last_hour(clips, monotonic=800, boot_id="this boot") == 0


@pytest.mark.parametrize("share", [0.6, 0.9, 1.0])
def test_a_storm_is_endless_after_half_an_hour_of_recordings(share: float) -> None:
    clips = storm(begin=0, hours=4, share=share)
    found = endless(clips)
    first = next(number for number, each in enumerate(clips) if each.id in found)
    assert first * 120 == pytest.approx(1800, abs=240)
    assert {each.id for each in clips[first:]} == found


@pytest.mark.parametrize("share", [0.05, 0.3, 0.45])
def test_a_busy_day_is_not_endless(share: float) -> None:
    assert not endless(storm(begin=0, hours=8, share=share))


def test_visits_after_a_storm_are_not_endless() -> None:
    after = clip("visit", at=2 * 3600 + 3500)
    assert "visit" not in endless([*storm(begin=0, hours=2), after])


def test_a_restart_begins_a_new_hour() -> None:
    before, after = storm(begin=0, hours=0.45), storm(begin=5, hours=0.45)
    again = [clip(each.id, at=each.monotonic_seconds, boot="another boot") for each in after]
    assert not endless([*before, *again])


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 600), st.sampled_from(["one", "other"])),
        max_size=40,
    )
)
def test_any_rows_are_judged(rows: list[tuple[float, float, str]]) -> None:
    clips = [
        clip(str(number), at=at, seconds=seconds, boot=boot)
        for number, (at, seconds, boot) in enumerate(rows)
    ]
    assert endless(clips) <= {each.id for each in clips}
    assert 0 <= last_hour(clips, monotonic=5e5, boot_id="one") <= 1
