"""Tests of light: the same things under other light, and light without edges."""

from __future__ import annotations

import numpy as np
import pytest

from agent.camera.detection.light import is_soft, shows_same_things
from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH

ROW, COLUMN = np.mgrid[0:GRID_HEIGHT, 0:GRID_WIDTH].astype(np.float32)
PLAIN = np.full((GRID_HEIGHT, GRID_WIDTH), 60, np.float32)
BEAM = np.exp(-(((COLUMN - 40) / 9) ** 2) - ((ROW - 20) / 7) ** 2).astype(np.float32)
TEXTURE = np.random.default_rng(4).uniform(40, 90, PLAIN.shape).astype(np.float32)


@pytest.mark.parametrize("levels", [-40, -15, 20, 60, 150])
def test_a_soft_beam_or_shadow_on_plain_ground_is_light(levels: float) -> None:
    now = PLAIN + levels * BEAM
    assert is_soft(now, PLAIN, np.abs(now - PLAIN) > 6)


@pytest.mark.parametrize("levels", [-40, -15, 20, 60, 150])
@pytest.mark.parametrize(("width", "height"), [(2, 3), (4, 9), (30, 20)])
def test_a_thing_with_edges_is_not(levels: float, width: int, height: int) -> None:
    now = PLAIN.copy()
    now[10 : 10 + height, 20 : 20 + width] += levels
    inside = now != PLAIN
    assert not is_soft(now, PLAIN, inside)
    assert not shows_same_things(now, PLAIN, inside)


@pytest.mark.parametrize("gain", [0.4, 0.7, 1.5, 2.5])
def test_known_things_are_recognised_under_other_light(gain: float) -> None:
    everywhere = np.ones(TEXTURE.shape, np.bool_)
    assert shows_same_things(TEXTURE * gain, TEXTURE, everywhere)
    assert not shows_same_things(TEXTURE[::-1] * gain, TEXTURE, everywhere)
