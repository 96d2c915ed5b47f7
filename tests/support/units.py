"""The units as they are shipped: their settings, words and paths."""

from __future__ import annotations

from agent.config import EXAMPLE
from tests.peers.requirements import ROOT

SYSTEMD = ROOT / "systemd"
SERVICES = ("clip-agent-camera.service", "clip-agent-gateway.service")
STATE_DIR = str(EXAMPLE.state_dir)
Unit = dict[str, list[str]]


def read_unit(name: str) -> Unit:
    """The settings of a unit, all values of each; systemd's own reader judges the rest."""
    settings: Unit = {}
    for line in (SYSTEMD / name).read_text().splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def words(unit: Unit, key: str) -> list[str]:
    return " ".join(unit.get(key, [])).split()


def paths(unit: Unit, key: str) -> set[str]:
    """Paths in the unit's own root: an optional one begins with ``-``."""
    given = words(unit, key)
    if "RootDirectory" in unit and not key.startswith("Bind"):
        assert all(path.lstrip("-").startswith("+") for path in given), "not of the host's root"
    return {path.lstrip("-+") for path in given}
