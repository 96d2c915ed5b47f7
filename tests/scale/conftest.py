"""Fixtures for the engines, and the figures that ``make test-scale`` prints at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.mosquitto import Mosquitto
from tests.scale.city import City
from tests.scale.engines.aedes import AedesPair
from tests.scale.engines.nats import NatsCluster

Report = Callable[[str], None]
_FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash[_FIGURES]:
        terminalreporter.write_line(line)


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Report:
    """Takes a sentence with a figure, to print when all tests are done."""
    return pytestconfig.stash[_FIGURES].append


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsCluster]:
    """Three nodes that have just started for the first time."""
    with NatsCluster(tmp_path / "nats") as cluster:
        yield cluster


@pytest.fixture
def aedes(tmp_path: Path) -> Iterator[AedesPair]:
    """Two brokers on one Redis."""
    with AedesPair(tmp_path / "aedes") as pair:
        yield pair


@pytest.fixture
def city(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[City]:
    with City(tmp_path / "city", mosquitto) as made:
        yield made
