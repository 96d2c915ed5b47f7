"""Regions: the age of what changed, and the weather that many short lives show."""

from __future__ import annotations

import numpy as np
import pytest

from agent.camera.detection.background import empty_mask
from agent.camera.detection.pace import Pace
from agent.camera.detection.regions import Regions
from agent.camera.detection.verdict import Box
from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH, Mask


class Looks:
    """A row of masks, shown to the regions one after the other."""

    def __init__(self, fps: float = 7.5) -> None:
        self.regions, self.pace = Regions(), Pace(fps)
        self._last = empty_mask()

    def __call__(self, changed: Mask) -> tuple[int, Box | None]:
        count = int(np.count_nonzero(changed))
        self.regions.look(changed, self._last, count=count, pace=self.pace)
        self._last = changed
        return self.regions.largest(changed, None, self.pace)


def walker(column: int, mask: Mask | None = None) -> Mask:
    """Somebody four blocks wide and nine high."""
    mask = empty_mask() if mask is None else mask
    mask[20:29, column : column + 4] = 255
    return mask


def drops(random: np.random.Generator, number: int = 12) -> Mask:
    """Streaks of two or three blocks, each somewhere else."""
    mask = empty_mask()
    for top, left in random.integers((0, 0), (GRID_HEIGHT - 3, GRID_WIDTH), (number, 2)):
        mask[top : top + int(random.integers(2, 4)), left] = 255
    return mask


@pytest.mark.parametrize("number", [6, 12, 40])
def test_rain_is_weather_and_none_of_it_lasts(number: int) -> None:
    random, looks = np.random.default_rng(number), Looks()
    for _ in range(40):
        looks(drops(random, number))
    assert looks.regions.weather
    sizes = [looks(drops(random, number))[0] for _ in range(200)]
    assert sum(size >= 4 for size in sizes) <= (10 if number < 40 else 60)


def test_in_calm_weather_two_looks_are_enough() -> None:
    looks = Looks()
    assert looks(walker(10)) == (0, None)
    assert looks(walker(12)) == (36, (12, 20, 4, 9))
    assert not looks.regions.weather


def test_somebody_in_the_rain_lasts_after_half_a_second() -> None:
    random, looks = np.random.default_rng(2), Looks()
    for _ in range(60):
        looks(drops(random))
    seen = [looks(walker(10 + 2 * step, drops(random)))[0] >= 30 for step in range(12)]
    assert not any(seen[:3])
    assert all(seen[4:])


def test_weather_is_over_some_seconds_after_the_rain() -> None:
    random, looks = np.random.default_rng(3), Looks()
    for _ in range(100):
        looks(drops(random))
    assert looks.regions.weather
    for _ in range(300):
        looks(empty_mask())
    assert not looks.regions.weather


def test_many_things_at_once_are_a_crowd_even_if_they_stay() -> None:
    looks = Looks()
    many = empty_mask()
    many[2::6, 2::6] = 255
    for _ in range(60):
        looks(many)
    assert looks.regions.crowded


@pytest.mark.parametrize("fps", [5.0, 7.5, 10.0, 15.0])
def test_the_lifetime_is_asked_for_in_seconds(fps: float) -> None:
    assert Pace(fps).life_frames / fps == pytest.approx(0.53, abs=0.1)


def test_an_age_counts_looks_and_ends_when_nothing_changes() -> None:
    looks = Looks()
    box = (slice(0, GRID_HEIGHT), slice(0, GRID_WIDTH))
    for step in range(5):
        looks(walker(10 + step))
    assert looks.regions.oldest(box) == 5
    looks(empty_mask())
    assert looks.regions.oldest(box) == 0
    for _ in range(300):  # an age does not wrap around
        looks(walker(10))
    assert looks.regions.oldest(box) == 255


def test_blocks_in_which_changes_often_begin_are_restless_and_a_walk_is_not() -> None:
    looks = Looks()
    leaf = empty_mask()
    leaf[5:8, 5:8] = 255
    for step in range(24):
        looks(leaf if step % 3 == 0 else empty_mask())
    assert looks.regions.restless()[6, 6]
    for step in range(20):
        looks(walker(20 + 2 * step))
    assert not looks.regions.restless()[20:29].any()
    for _ in range(400):
        looks(empty_mask())
    looks(walker(40))
    assert not looks.regions.restless().any()
