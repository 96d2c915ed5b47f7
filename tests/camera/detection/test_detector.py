"""The detector on labelled footage, and each of its steps on pictures made for it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

import numpy as np
import pytest

from agent.camera.detection.detector import MotionDetector
from agent.camera.detection.verdict import Verdict
from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Luma
from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH, Mask, PrivacyMask, motion_mask
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


class Watch:
    """A detector, and the time at which each picture is shown to it."""

    def __init__(
        self,
        *,
        fps: float = FPS,
        configured: float = FPS,
        min_size: int = 4,
        sensitivity: float = 1.0,
        zone: Mask | None = None,
    ) -> None:
        self.look = MotionDetector(
            frames_per_second=configured, min_size=min_size, sensitivity=sensitivity, zone=zone
        )
        self.step = 1 / fps
        self.seconds = 1000.0

    def __call__(self, picture: Luma) -> bool:
        self.seconds += self.step
        return self.look(picture, self.seconds)


def answers(watch: Watch, pictures: Iterable[Luma]) -> list[bool]:
    """The detector's answers to all of them."""
    return [watch(picture) for picture in pictures]


def settled(
    lens: Lens, *, min_size: int = 4, sensitivity: float = 1.0, zone: Mask | None = None
) -> Watch:
    """A detector that has seen the wall for five seconds."""
    look = Watch(min_size=min_size, sensitivity=sensitivity, zone=zone)
    assert not any(answers(look, (lens.picture() for _ in range(38))))
    return look


def test_a_walker_is_seen_and_an_empty_wall_is_not() -> None:
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
    look = Watch()
    assert not any(answers(look, (lens.picture() for _ in range(150))))


def test_another_scene_is_learned_anew_and_people_in_it_are_seen() -> None:
    look = settled(Lens())
    other = Lens(noise=2)
    other._wall = other._wall[::-1] + 90
    assert not any(answers(look, (other.picture() for _ in range(30))))
    assert any(answers(look, (other.picture(box=(x, 40, 20)) for x in range(0, 120, 8))))


def test_min_size_and_sensitivity_set_the_smallest_motion() -> None:
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
    look = Watch()
    black = np.zeros((LUMA_HEIGHT, LUMA_WIDTH), np.uint8)
    white = np.full_like(black, 255)
    for _ in range(20):
        look(black)
    for picture in (white, black, white, black):
        look(picture)
    assert not any(answers(look, [black] * 30))


def walk(lens: Lens, *, step: int = 8, luma: int = 200) -> list[Luma]:
    """Somebody who walks along the wall, from left to right."""
    return [lens.picture(box=(x, 40, luma)) for x in range(0, 260, step)]


LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def test_motion_counts_only_where_a_zone_says_so() -> None:
    lens = Lens()
    only_left = settled(lens, zone=motion_mask([LEFT_HALF], (), ()))
    never_left = settled(lens, zone=motion_mask((), [LEFT_HALF], ()))
    seen_left = answers(only_left, walk(lens))
    seen_right = answers(never_left, walk(lens))
    assert any(seen_left[:12])
    assert not any(seen_left[24:])
    assert not any(seen_right[:12])
    assert any(seen_right[18:])


def test_a_zone_leaves_light_and_scenes_to_the_whole_picture() -> None:
    """A small include zone must not take a light step for its own motion."""
    corner = ((0.0, 0.4), (0.2, 0.4), (0.2, 0.7), (0.0, 0.7))
    for light in (0.7, 1.5):
        lens = Lens()
        look = settled(lens, zone=motion_mask([corner], (), ()))
        assert not any(answers(look, (lens.picture(light=light) for _ in range(30))))


def test_a_zone_of_the_whole_picture_answers_exactly_as_no_zone() -> None:
    plain, zoned = Lens(), Lens()
    everywhere = np.full((GRID_HEIGHT, GRID_WIDTH), 255, np.uint8)
    first, second = settled(plain), settled(zoned, zone=everywhere)
    for one, other in zip(walk(plain), walk(zoned), strict=True):
        assert first(one) == second(other)
        assert first.look.strength == second.look.strength
    assert np.array_equal(first.look._background.level, second.look._background.level)


@pytest.mark.parametrize("light", [0.7, 1.4])
def test_a_painted_zone_does_not_turn_light_into_motion(light: float) -> None:
    lens = Lens()
    privacy = [((0.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.0, 1.0))]
    mask, look = PrivacyMask(privacy), Watch(zone=motion_mask((), (), privacy))
    for number in range(70):
        picture = lens.picture(light=1.0 if number < 40 else light)
        mask.paint(picture, 16)
        assert not look(picture)


def background_after(fps: float, configured: float, seconds: float) -> float:
    """The share of a box that was put down which the background has taken in."""
    lens = Lens(noise=0)
    look = Watch(fps=fps, configured=configured)
    answers(look, [lens.picture() for _ in range(40)])
    answers(look, [lens.picture(box=(100, 40, 200)) for _ in range(round(seconds * fps))])
    return float(look.look._background.level[25, 30])


@pytest.mark.parametrize("fps", [2.0, 5.0])
def test_a_slower_camera_is_followed_in_seconds_and_not_in_frames(fps: float) -> None:
    followed = background_after(fps, FPS, 4)
    assert followed == pytest.approx(background_after(fps, fps, 4), rel=0.02)
    assert followed == pytest.approx(background_after(FPS, FPS, 4), rel=0.1)


def test_clocks_that_stand_still_or_step_back_are_no_trouble() -> None:
    lens = Lens()
    look = settled(lens)
    for step in (0.0, -5.0, 1e9, 1 / FPS):
        look.step = step
        answers(look, [lens.picture() for _ in range(20)])
    assert any(answers(look, walk(lens)))


def test_strength_grows_with_size_and_contrast_of_motion() -> None:
    def strongest(size: int, luma: int) -> float:
        lens = Lens()
        look = settled(lens)
        found = []
        for x in range(0, 120, 8):
            look(lens.picture(box=(x, size, luma)))
            found.append(look.look.strength)
        return max(found)

    lens = Lens()
    still = settled(lens)
    still(lens.picture())
    assert still.look.strength == 0
    assert still.look.region is None
    assert 0 < strongest(20, 200) < strongest(60, 200)
    assert strongest(40, 150) < strongest(40, 230)


def test_the_region_is_where_it_moves() -> None:
    lens = Lens()
    look = settled(lens)
    answers(look, [lens.picture(box=(x, 40, 230)) for x in (80, 88, 96)])
    assert look.look.region is not None
    left, top, width, height = look.look.region
    assert 18 <= left <= 24
    assert 30 <= left + width <= 35
    assert 19 <= top <= 20
    assert 29 <= top + height <= 31


def test_the_view_gives_the_verdict_and_its_reason() -> None:
    lens = Lens()
    look = Watch()
    look(lens.picture())
    assert look.look.explain().verdict is Verdict.SETTLING
    answers(look, [lens.picture() for _ in range(38)])
    quiet = look.look.explain()
    assert (quiet.verdict, quiet.moves, quiet.size) == (Verdict.NOTHING, False, 0)
    assert quiet.contrast < 1

    look(lens.picture(box=(100, 4, 250)))
    assert look.look.explain().verdict is Verdict.TOO_SMALL
    look(lens.picture(box=(100, 40, 250)))
    assert look.look.explain().verdict in (Verdict.BRIEF, Verdict.MOVES)
    answers(look, [lens.picture(box=(x, 40, 250)) for x in (104, 112, 120)])
    moving = look.look.explain()
    assert (moving.verdict, moving.moves, moving.region) == (Verdict.MOVES, True, look.look.region)
    assert moving.contrast > 1
    assert moving.size >= 100
    assert (moving.ratio > 1).sum() == np.count_nonzero(moving.changed)

    answers(look, [lens.picture(box=(120, 40, 250)) for _ in range(5)])
    assert look.look.explain().verdict is Verdict.STANDS
    look(lens.picture(light=1.6))
    assert look.look.explain().verdict is Verdict.LIGHT
    lens._wall = lens._wall[::-1]
    look(lens.picture())
    assert look.look.explain().verdict is Verdict.SETTLING


def test_to_explain_changes_nothing() -> None:
    mute, asked = (settled(lens) for lens in (Lens(), Lens()))
    for one, other in zip(walk(Lens()), walk(Lens()), strict=True):
        assert mute(one) == asked(other)
        asked.look.explain()
    assert np.array_equal(mute.look._background.level, asked.look._background.level)
    assert np.array_equal(mute.look._background._noise, asked.look._background._noise)


def rain(
    lens: Lens, random: np.random.Generator, *, box: tuple[int, int, int] | None = None
) -> Luma:
    """The wall behind streaks of rain, new ones in each picture."""
    picture = lens.picture(box=box)
    for top, left in random.integers((0, 0), (LUMA_HEIGHT - 24, LUMA_WIDTH), (40, 2)):
        length, width = int(random.integers(8, 24)), int(random.integers(2, 6))
        picture[top : top + length, left : left + width] = 210
    return picture


def test_rain_is_not_motion_and_somebody_in_it_is_seen_within_a_second() -> None:
    lens, random = Lens(), np.random.default_rng(8)
    look = Watch()
    answers(look, (rain(lens, random) for _ in range(60)))
    raining = answers(look, (rain(lens, random) for _ in range(300)))
    assert sum(raining) <= 6
    walking = [rain(lens, random, box=(x, 40, 30)) for x in range(0, 280, 10)]
    assert any(answers(look, walking)[: 4 + round(FPS)])


def test_a_crossing_insect_is_not_motion() -> None:
    lens, look = Lens(), settled(Lens())
    flights = [
        [(20 + 70 * step, 12, 240) for step in range(4)],
        [(300 - 60 * step, 12, 240) for step in range(5)],
    ]
    for flight in flights * 4:
        pictures = [
            *(lens.picture(box=box) for box in flight),
            *(lens.picture() for _ in range(20)),
        ]
        assert not any(answers(look, pictures))


def test_a_soft_beam_on_a_plain_wall_is_not_motion() -> None:
    lens = Lens()
    lens._wall[:] = 60.0
    look = settled(lens)
    column = np.arange(LUMA_WIDTH, dtype=np.float64)
    for middle in range(-80, 400, 10):
        beam = 70 * np.exp(-(((column - middle) / 45) ** 2))
        lit = np.clip(lens.picture() + beam, 0, 255).astype(np.uint8)
        assert not look(lit)


def test_sensitivity_also_divides_how_much_must_move_now() -> None:
    """Somebody who stands out enough, and changes slowly from look to look."""
    wall = Lens(noise=0.3)
    wall._wall[:] = 90.0

    def seen(sensitivity: float) -> bool:
        look = settled(wall, sensitivity=sensitivity)
        return any(answers(look, (wall.picture(box=(x, 40, 98)) for x in range(40, 100, 2))))

    assert not seen(0.5)
    assert seen(3.0)
