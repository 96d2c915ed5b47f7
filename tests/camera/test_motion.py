"""The detector on labelled footage, and each of its steps on pictures made for it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

import numpy as np
import pytest

from agent.camera.motion import MotionDetector
from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Luma
from benchmarks.adapters import detector
from tests.peers.requirements import need_shared

FPS = 7.5
QUICK = {
    "one_by_one",
    "car_detection",
    "tree",
    "one_by_one+night15",
    "one_by_one-static",
    "one_by_one-flash",
    "one_by_one-ir_cut",
    "one_by_one-cloud",
    "one_by_one-rain",
    "car_detection-exposure_steps",
    "car_detection-cloud",
}


@pytest.fixture
def scorer() -> Iterator[ModuleType]:
    """``../shared/motion/score.py``, whose neighbours it imports by their bare names."""
    folder = str(need_shared("motion/score.py").parent)
    sys.path.insert(0, folder)
    yield importlib.import_module("score")
    sys.path.remove(folder)


def test_finds_every_event_of_the_footage_within_a_second_and_nothing_else(
    scorer: ModuleType,
) -> None:
    """A part of the set, to be quick; ``make bench`` scores all of it, peers beside it."""
    real = scorer.load_clips(scorer.HERE / "labels.json", scorer.HERE / "footage")
    clips = [clip for clip in scorer.with_synthetic(real) if clip.name in QUICK]
    assert len(clips) == len(QUICK)
    entry = scorer.Entry("ours", detector, fps=FPS, size=(LUMA_WIDTH, LUMA_HEIGHT))

    total = scorer.sum_scores(
        scorer.score_clip(clip, scorer.firings([entry], clip)[0]) for clip in clips
    )

    assert total.events == 15
    assert total.found == total.events
    assert total.found_within_1s >= 0.95 * total.events
    assert total.false_events == 0


class Lens:
    """Pictures of a wall with texture, with noise, light, and perhaps a box in front of it."""

    def __init__(self, *, noise: float = 1.0) -> None:
        self._random = np.random.default_rng(1)
        self._wall = self._random.uniform(60, 120, (LUMA_HEIGHT // 4, LUMA_WIDTH // 4))
        self._noise = noise

    def picture(self, *, light: float = 1.0, box: tuple[int, int, int] | None = None) -> Luma:
        """``box``: left edge, size and luma of a square at the height of row 80."""
        scene = np.kron(self._wall, np.ones((4, 4)))
        if box is not None:
            left, size, luma = box
            scene[80 : 80 + size, max(left, 0) : max(left + size, 0)] = luma
        noisy = scene * light + self._random.normal(0, self._noise, scene.shape)
        made: Luma = np.clip(noisy, 0, 255).astype(np.uint8)
        return made


def answers(look: MotionDetector, pictures: Iterable[Luma]) -> list[bool]:
    """What the detector says to each; it must see them all."""
    return [look(picture) for picture in pictures]


def settled(lens: Lens, *, min_size: int = 4, sensitivity: float = 1.0) -> MotionDetector:
    """A detector that has seen the wall for five seconds."""
    look = MotionDetector(frames_per_second=FPS, min_size=min_size, sensitivity=sensitivity)
    assert not any(answers(look, (lens.picture() for _ in range(38))))
    return look


def test_somebody_who_walks_through_is_seen_and_an_empty_wall_is_not() -> None:
    lens = Lens()
    look = settled(lens)
    assert any(answers(look, (lens.picture(box=(x, 40, 200)) for x in range(0, 120, 8))))
    assert not any(answers(look, (lens.picture() for _ in range(40)))[8:])


def test_a_box_that_is_put_down_stops_being_motion() -> None:
    lens = Lens()
    look = settled(lens)
    assert not any(answers(look, (lens.picture(box=(100, 40, 200)) for _ in range(40)))[5:])


@pytest.mark.parametrize("light", [0.7, 0.85, 1.2, 1.5])
def test_light_that_steps_is_not_motion(light: float) -> None:
    lens = Lens()
    look = settled(lens)
    assert not any(answers(look, (lens.picture(light=light) for _ in range(30))))


def test_light_that_fades_is_not_motion() -> None:
    lens = Lens()
    look = settled(lens)
    assert not any(answers(look, (lens.picture(light=1 - number / 200) for number in range(100))))


def test_strong_noise_is_not_motion() -> None:
    lens = Lens(noise=25)
    look = MotionDetector(frames_per_second=FPS)
    assert not any(answers(look, (lens.picture() for _ in range(150))))


def test_another_scene_is_learned_anew_and_people_in_it_are_seen() -> None:
    look = settled(Lens())
    other = Lens(noise=2)
    other._wall = other._wall[::-1] + 90
    assert not any(answers(look, (other.picture() for _ in range(30))))
    assert any(answers(look, (other.picture(box=(x, 40, 20)) for x in range(0, 120, 8))))


def test_min_size_and_sensitivity_are_what_they_say() -> None:
    lens = Lens()
    boxes = [(x, 20, 230) for x in range(0, 100, 8)]  # 5x5 blocks
    usual, blunt = settled(lens), settled(lens, min_size=100)
    assert any(answers(usual, (lens.picture(box=box) for box in boxes)))
    assert not any(answers(blunt, (lens.picture(box=box) for box in boxes)))

    wall = Lens(noise=0.5)
    wall._wall[:] = 90.0
    faint = [(x, 40, 102) for x in range(0, 100, 12)]
    dull, sharp = settled(wall, sensitivity=0.5), settled(wall, sensitivity=4)
    assert not any(answers(dull, (wall.picture(box=box) for box in faint)))
    assert any(answers(sharp, (wall.picture(box=box) for box in faint)))


def test_a_black_picture_and_a_dead_sensor_are_no_trouble() -> None:
    look = MotionDetector(frames_per_second=FPS)
    black = np.zeros((LUMA_HEIGHT, LUMA_WIDTH), np.uint8)
    white = np.full_like(black, 255)
    for _ in range(20):
        look(black)
    for picture in (white, black, white, black):
        look(picture)
    assert not any(answers(look, [black] * 30))
