"""The shared equipment of the parts: a household, a real camera process and RTSP server.

>>> with workshop.rtsp({"main": file}) as server:
...     with workshop.camera(config.StreamSource(record=server.url("main"))) as camera:
...         camera.wait_until("armed")
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import config
from benchmarks import procfs
from benchmarks.figures import NotMeasured
from tests.peers.requirements import ROOT
from tests.peers.rtsp import RtspServer
from tests.support.house import House

SHARED = ROOT.parent / "shared"
PATIENCE_SECONDS = 60.0
_LISTEN_SECONDS = 0.5
_HANG_UP = "HANG UP"
# systemd/clip-agent-camera.service
AS_THE_UNIT = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072"}
DEBIAN_PYTHON = "/usr/bin/python3"  # the one that GStreamer's bindings are made for
_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0')"


@dataclass(frozen=True)
class Workshop:
    """The folders of a part: one that goes away, and one that stays for the next run."""

    folder: Path
    cache: Path
    seconds: float  # how long a process is watched for its CPU time

    def subfolder(self) -> Path:
        """A new empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    @contextmanager
    def rtsp(self, files: Mapping[str, Path]) -> Iterator[RtspServer]:
        """``files`` as RTSP streams, each from its beginning for each client."""
        need_gstreamer()
        with RtspServer(self.subfolder(), files) as server:
            yield server

    @contextmanager
    def camera(
        self,
        source: config.Source,
        *,
        before: Callable[[Path, Path], None] | None = None,
        **recording: Any,
    ) -> Iterator[CameraProcess]:
        """``clip-agent camera`` on ``source``, in a new household; ended by SIGTERM.

        ``before`` it starts, the state folder and agent.yaml may be used.
        """
        folder = self.subfolder()
        sections = config.Camera(source=source, recording=config.Recording(**recording))
        house = House.build(folder / "house", camera=sections)
        file = folder / "agent.yaml"
        file.write_text(config.effective(house.config))
        if before is not None:
            before(house.config.state_dir, file)
        camera = CameraProcess(house, file, folder)
        try:
            yield camera
        finally:
            camera.end()


def need_gstreamer() -> None:
    """Raise :class:`NotMeasured` without GStreamer's RTSP server."""
    done = subprocess.run([DEBIAN_PYTHON, "-c", _PROBE], capture_output=True, check=False)
    if done.returncode:
        raise NotMeasured("apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi")


@dataclass
class CameraProcess:
    """The real command, listened to as systemd would (sd_notify)."""

    house: House
    file: Path
    folder: Path
    heard: list[tuple[float, str]] = field(default_factory=list)  # seconds since start, line

    def __post_init__(self) -> None:
        address = self.folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(address))
        self.log = self.folder / "camera.log"
        self._lines: queue.Queue[tuple[float, str]] = queue.Queue()
        self._receiver = threading.Thread(target=self._receive, daemon=True)
        program = str(Path(sys.executable).parent / "clip-agent")
        command = [program, "camera", "--config", str(self.file)]
        with self.log.open("wb") as log:
            self._started = time.monotonic()
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(address), **AS_THE_UNIT},
            )
        self._receiver.start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait_until(self, state: str) -> float:
        """Seconds from the start until the camera said ``state``; RuntimeError if it does not."""
        deadline = self._started + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            said = self._listen(deadline)
            if said.startswith(f"STATUS={state}"):
                return self.heard[-1][0]
        raise RuntimeError(f"the camera never was {state}:\n{self.log.read_text()}")

    def watch(self, seconds: float) -> None:
        """Let it work for ``seconds``; RuntimeError if it ends meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._listen(deadline)

    def _listen(self, deadline: float) -> str:
        """Its next line; empty after a timeout."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the camera ended:\n{self.log.read_text()}")
        patience = min(max(deadline - time.monotonic(), 0.001), _LISTEN_SECONDS)
        try:
            at, said = self._lines.get(timeout=patience)
        except queue.Empty:
            return ""
        self.heard.append((at, said))
        return said

    def _receive(self) -> None:
        """Empties the socket as it fills: a full one would hold the process up."""
        while (said := self._socket.recv(4096).decode()) != _HANG_UP:
            self._lines.put((time.monotonic() - self._started, said))

    def stop(self) -> procfs.Written:
        """SIGTERM, and what it had written when it had ended, its last clip finished."""
        self._process.terminate()
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)  # its counters stay
        if ended is None or ended.si_status != 0:
            raise RuntimeError(f"the camera failed:\n{self.log.read_text()}")
        return procfs.written(self.pid)

    def end(self) -> None:
        """SIGTERM, and wait for the clip to be finished."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._socket.sendto(_HANG_UP.encode(), self._socket.getsockname())
            self._receiver.join()
            self._socket.close()
