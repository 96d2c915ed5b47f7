"""``clip-agent`` in the root, on the bent libcamera and with faults that a test can switch on.

    python /rig/launch.py camera --config /rig-state/agent.yaml
    python /rig/launch.py --versions

Faults are files in ``/rig-state/faults``. ``stall`` stops the sensor, ``dark`` makes it slow
(:mod:`vcam`). ``mux-error`` gives the next packet of a recording the time of the first one,
once: FFmpeg itself then refuses it, as it does in the field (picamera2 issue 902). Nothing of
the product is replaced.
"""

from __future__ import annotations

import platform
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

_FAULTS = Path("/rig-state/faults")


class _Container:
    """A PyAV output container whose next packet comes at the wrong time when asked for."""

    def __init__(self, container: Any, fault: Path) -> None:
        self._container = container
        self._fault = fault
        self._packets = 0

    def mux_one(self, packet: Any) -> None:
        self._packets += 1
        if self._packets > 1 and self._fault.exists():
            self._fault.unlink()
            packet.dts = packet.pts = 0
        self._container.mux_one(packet)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)


def _let_muxer_fail(fault: Path) -> None:
    av: Any = import_module("av")
    open0 = av.open

    def open_container(file: Any, mode: str | None = None, *rest: Any, **options: Any) -> Any:
        container = open0(file, mode, *rest, **options)
        return _Container(container, fault) if mode == "w" else container

    av.open = open_container


def _versions(libcamera: str) -> str:
    debian = Path("/etc/debian_version").read_text().strip()
    packages = [f"{name} {metadata.version(name)}" for name in ("picamera2", "av", "numpy")]
    python = f"Python {platform.python_version()}"
    return ", ".join([f"libcamera {libcamera}", *packages, python, f"Debian {debian}"])


def main() -> int:
    sys.path.insert(0, str(Path(__file__).parent))
    versions = _versions(import_module("vcam").install(_FAULTS))
    if sys.argv[1:] == ["--versions"]:
        sys.stdout.write(f"In the root: {versions}\n")
        return 0
    _let_muxer_fail(_FAULTS / "mux-error")
    code: int = import_module("agent.cli.main").main()
    return code


if __name__ == "__main__":
    sys.exit(main())
