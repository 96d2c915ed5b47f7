"""The judgement of the long camera test: it knows its pictures, and finds what is planted."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tests.soak import camera
from tests.soak.camera import (
    FRAMES_PER_SECOND,
    HEIGHT,
    LAP,
    WALKS,
    WIDTH,
    FastClock,
    Shown,
    World,
    draw,
    judge,
    phases,
    read_number,
    walks,
)
from tests.support.house import House

BEGUN = 1_700_000_000.0


def world(*shown: Shown) -> World:
    """A world without pictures that showed these, in a session from :data:`BEGUN` on."""
    made = World([], [], FastClock(1), random.Random(1), list(shown))
    made.sessions.append(BEGUN)
    return made


def lap(*, first: int = 0, last: int = LAP, late: float = 0.0, hurt: int = -1) -> list[Shown]:
    return [
        Shown(0, number, BEGUN + late + number / FRAMES_PER_SECOND, number != hurt)
        for number in range(first, last)
    ]


def test_each_picture_can_be_told_by_its_number() -> None:
    base, noise = np.full((HEIGHT, WIDTH), 128.0), np.zeros((8, HEIGHT, WIDTH))
    for number in range(0, LAP, 7):
        assert read_number(draw(number, base, noise)) == number


def test_a_seed_is_a_life() -> None:
    assert phases(7, 3_600) == phases(7, 3_600) != phases(8, 3_600)
    assert phases(7, 3_600)[-1].ends >= 3_600


def test_every_walk_of_a_settled_session_is_judged_and_no_other() -> None:
    assert len(walks(world(*lap()))) == len(WALKS)
    after_the_first_begun = round(WALKS[0][0] * FRAMES_PER_SECOND) + 1
    assert len(walks(world(*lap(first=after_the_first_begun)))) == len(WALKS) - 1
    assert walks(world(*lap(last=after_the_first_begun + 12))) == []
    assert len(walks(world(*lap(late=-15)))) == len(WALKS) - 1


@pytest.mark.parametrize(("plant", "says"), [("", ""), ("gap", "1 missing"), ("late", "off by")])
def test_a_missing_and_a_late_picture_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str, says: str
) -> None:
    shown = lap()
    moments = {each.number: [each.at + 0.3] for each in shown}
    victim = round(WALKS[1][0] * FRAMES_PER_SECOND) + 9
    if plant == "gap":
        moments[victim] = []
    elif plant == "late":
        moments[victim] = [at + 1 for at in moments[victim]]
    monkeypatch.setattr(camera, "recorded", lambda _: moments)
    house = House.build(tmp_path)
    _, faults = judge(world(*shown), house)
    assert len(faults) == bool(plant)
    assert says in "".join(faults)
    assert judge(world(*lap(hurt=victim)), house)[1] == [] or plant == "late"
