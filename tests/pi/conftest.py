"""Fixtures of the root and the camera in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import config
from tests.peers.requirements import ROOT, missing
from tests.pi import scene
from tests.pi.rig import Rig

_PI_ROOT = ROOT / ".cache/pi-root"


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
