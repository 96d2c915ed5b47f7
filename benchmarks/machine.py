"""The machine a run was made on, in a line: figures mean little without it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("av", "opencv-python-headless", "numpy", "pyrage")


def describe() -> dict[str, str]:
    """CPU, cores, kernel, and what the figures depend on, by name."""
    said = {
        "cpu": parse_model(Path("/proc/cpuinfo").read_text()),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }
    said |= {package: version(package) for package in _PACKAGES}
    return said | {"motion": motion_version() or "not installed"}


def parse_model(cpuinfo: str) -> str:
    """The processor's name from ``/proc/cpuinfo``; a Pi has only a ``Model`` line."""
    for wanted in ("model name", "Model"):
        for line in cpuinfo.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == wanted:
                return value.strip()
    return platform.machine()


def motion_program() -> str | None:
    """The path of Debian's ``motion``, if it is installed."""
    return shutil.which("motion", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def motion_version() -> str | None:
    """Its version, such as ``4.5.1``."""
    program = motion_program()
    if program is None:
        return None
    done = subprocess.run([program, "-h"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return words[2].rstrip(",") if words[:2] == ["motion", "Version"] else "unknown"
