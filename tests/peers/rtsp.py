"""A real RTSP server for tests: Debian's GStreamer server on a free port of 127.0.0.1.

>>> with RtspServer(tmp_path, {"main": video}) as server:
...     connect(server.url("main"))
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.peers.process import Peer
from tests.peers.requirements import missing

_PYTHON = "/usr/bin/python3"  # the one that Debian's bindings are made for
_PROGRAM = Path(__file__).with_name("rtsp_server.py")
_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0')"


class RtspServer:
    """Serves ``files`` by name; see ``rtsp_server.py`` for what names mean."""

    def __init__(
        self, folder: Path, files: Mapping[str, Path | str], *, login: str | None = None
    ) -> None:
        probe = subprocess.run([_PYTHON, "-c", _PROBE], capture_output=True, check=False)
        if probe.returncode:
            missing(
                "GStreamer's RTSP server is not installed",
                "apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi"
                " gstreamer1.0-plugins-good gstreamer1.0-plugins-bad",
            )
        self._peer = Peer(folder / "rtsp.log")
        self._arguments = [] if login is None else ["--login", login]
        self._arguments += [f"{name}={path}" for name, path in files.items()]
        self.port = 0

    def url(self, name: str, *, login: str = "") -> str:
        """Where a client finds ``name``."""
        at = f"{login}@" if login else ""
        return f"rtsp://{at}127.0.0.1:{self.port}/{name}"

    def kill(self) -> None:
        """The camera loses its power."""
        self._peer.kill()

    def __enter__(self) -> Self:
        said = self._peer.run([_PYTHON, str(_PROGRAM), *self._arguments], ready="listening on")
        self.port = int(said.split("listening on")[1].split()[0])
        return self

    def __exit__(self, *_: object) -> None:
        self._peer.kill()
