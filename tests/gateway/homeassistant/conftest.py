"""A gateway whose owner lets it tell Home Assistant everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import config
from tests.support.gateway_world import World
from tests.support.home_assistant import Home

Make = Callable[..., Home]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a gateway with this ``homeassistant:`` section; ``world`` are other settings."""
    made: list[World] = []

    def home(world: dict[str, Any] | None = None, **section: Any) -> Home:
        settings = {"homeassistant": config.HomeAssistant(**section), **(world or {})}
        made.append(World(tmp_path / str(len(made)), **settings))
        return Home(made[-1])

    yield home
    for world in made:
        world.kill()


@pytest.fixture
def home(make: Make) -> Home:
    return make()
