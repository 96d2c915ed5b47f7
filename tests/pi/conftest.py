"""tests/pi runs when it is named, ``pytest tests/pi`` or ``make test-pi``, and never else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import config
from tests.peers.requirements import ROOT, missing
from tests.pi import scene
from tests.pi.rig import PI, Rig

_PI_ROOT = ROOT / ".cache/pi-root"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out of a run over all tests."""
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(PI) for path in asked) else True


@pytest.fixture(scope="session")
def pi_root() -> Path:
    """The root that ``tests/pi/build`` made."""
    if not (_PI_ROOT / "packages.stamp").exists():
        missing("the root for tests/pi is not built", "run make test-pi as root")
    return _PI_ROOT.resolve()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripted scene."""
    folder = tmp_path_factory.mktemp("scene") / "pictures"
    scene.write_pictures(folder)
    return folder


class MakeRig:
    """Makes a device with the given ``camera:`` settings."""

    def __init__(self, folder: Path, root: Path, pictures: Path) -> None:
        self._made = folder, root, pictures

    def __call__(self, *, mqtt: config.Broker | None = None, **camera: Any) -> Rig:
        return Rig(*self._made, mqtt=mqtt or config.Broker(), **camera)


@pytest.fixture
def make_rig(tmp_path: Path, pi_root: Path, pictures: Path) -> MakeRig:
    return MakeRig(tmp_path, pi_root, pictures)
