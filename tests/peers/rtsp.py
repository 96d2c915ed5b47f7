"""A real RTSP server for tests: Debian's GStreamer server on a free port of 127.0.0.1.

>>> with RtspServer(tmp_path, {"main": video}) as server:
...     connect(server.url("main"))
"""

from __future__ import annotations

import signal
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
        self,
        folder: Path,
        files: Mapping[str, Path | str],
        *,
        login: str | None = None,
        digest: bool = False,
        port: int = 0,
    ) -> None:
        probe = subprocess.run([_PYTHON, "-c", _PROBE], capture_output=True, check=False)
        if probe.returncode:
            missing(
                "GStreamer's RTSP server is not installed",
                "apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi"
                " gstreamer1.0-plugins-good gstreamer1.0-plugins-bad",
            )
        self._peer = Peer(folder / "rtsp.log")
        self._options = [] if login is None else ["--login", login]
        if digest:
            self._options.append("--digest")
        self._files = dict(files)
        self.port = port  # 0: any free one, until it is known

    def url(self, name: str, *, login: str = "") -> str:
        """Address at which a client finds ``name``."""
        at = f"{login}@" if login else ""
        return f"rtsp://{at}127.0.0.1:{self.port}/{name}"

    def kill(self) -> None:
        """The camera loses its power."""
        self._peer.kill()

    def start(self, files: Mapping[str, Path | str] | None = None) -> None:
        """The camera has power (again): on the same port, perhaps with other ``files``."""
        if files is not None:
            self._files = dict(files)
        command = [_PYTHON, str(_PROGRAM), "--port", str(self.port), *self._options]
        command += [f"{name}={path}" for name, path in self._files.items()]
        said = self._peer.run(command, ready="listening on")
        self.port = int(said.split("listening on")[1].split()[0])

    def freeze(self) -> None:
        """The camera hangs; its connections stay open."""
        self._peer.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """The camera goes on where it hung."""
        self._peer.signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._peer.kill()
