"""A gateway among simulated peers, for every test of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.kill()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[World]:
    """A house in which two owners must agree."""
    world = World(tmp_path, partner=True, approvals_needed=2)
    yield world
    world.kill()
