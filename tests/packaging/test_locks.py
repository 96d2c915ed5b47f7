"""The lock files hold all that setup.cfg asks for, by hash, from no named place."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.peers.requirements import ROOT

LOCKS = ROOT / "packaging/locks"
PACKAGE_EXTRAS = ("camera", "console", "faces", "requester")
OF_DEBIAN = {"numpy", "pyyaml"}
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>.*?))? *\\")


def wanted(*extras: str) -> list[Requirement]:
    """Libraries that the program asks for with ``extras``, and those that these ask for in turn."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    lines = [setup["options"]["install_requires"]]
    lines += [setup["options.extras_require"][extra] for extra in extras]
    found = []
    for line in "\n".join(lines).splitlines():
        if not line or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.name == "clip-agent":
            found += wanted(*requirement.extras)
        else:
            found.append(requirement)
    return found


def pins(lock: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        if (pin := _PIN.match(line)) is not None:
            found.setdefault(canonicalize_name(pin["name"]), set()).add(pin["version"])
    return found


LOCKED = {
    **{lock.stem: (lock.stem,) for lock in LOCKS.glob("*.txt") if "-" not in lock.stem},
    "deb-bookworm": PACKAGE_EXTRAS,
    "deb-trixie": PACKAGE_EXTRAS,
}


def test_every_extra_and_every_release_has_a_lock() -> None:
    """But fuzz, whose packages exist for few systems."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    extras = set(setup["options.extras_require"]) - {"fuzz"}
    releases = {"deb-bookworm", "deb-trixie"}
    assert {lock.stem for lock in LOCKS.glob("*.txt")} == extras | releases


@pytest.mark.parametrize("lock", sorted(LOCKED))
def test_what_is_asked_for_is_locked_in_a_version_that_is_wide_enough(lock: str) -> None:
    locked = pins(LOCKS / f"{lock}.txt")
    for requirement in wanted(*LOCKED[lock]):
        name = canonicalize_name(requirement.name)
        if lock.startswith("deb-") and name in OF_DEBIAN:
            assert name not in locked, "picamera2 is built for Debian's own"
            continue
        assert name in locked, f"run make locks: {name}"
        for version in locked[name]:
            assert requirement.specifier.contains(version), f"run make locks: {name}"


@pytest.mark.parametrize("lock", sorted(LOCKED))
def test_a_lock_names_hashes_and_no_place(lock: str) -> None:
    lines = (LOCKS / f"{lock}.txt").read_text().splitlines()
    assert lines
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("    "):
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)
        else:
            assert _PIN.fullmatch(line), line
            assert not before.endswith("\\"), f"{before}: no hash follows"
    assert not lines[-1].endswith("\\")
