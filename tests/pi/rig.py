"""The device in a test's hand: a house, a scripted camera, and ``clip-agent`` in the root.

>>> rig = make_rig(recording=config.Recording(pre_roll_seconds=3))
>>> with rig.run("camera") as camera:
...     camera.wait_until(rig.clips)
...     camera.end()
>>> rig.open(rig.clips()[0]).pictures
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from agent import config
from agent.vault import camera_state
from agent.vault.clips.paths import ClipFiles
from agent.vault.database.index import Clip
from tests.peers.requirements import ROOT, program
from tests.pi import scene
from tests.support.house import House

PI = Path(__file__).parent
PATIENCE_SECONDS = 200.0
MODEL = "imx708-virtual"
VIRTUAL = f"""%YAML 1.1
---
"Virtual0":
  supported_formats:
  - width: {scene.WIDTH}
    height: {scene.HEIGHT}
    frame_rates: [{scene.FRAMES_PER_SECOND}, 30]
  - width: 320
    height: 180
    frame_rates: [{scene.FRAMES_PER_SECOND}, 30]
  frames:
    path: "/pictures/"
  location: "CameraLocationBack"
  model: "{MODEL}"
"""


class Process:
    """One run of ``clip-agent``; its output goes to a file."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(seconds)

    def end(self) -> int:
        """As systemd does it."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait_until(self, true: Callable[[], object]) -> None:
        """Until ``true``; fails with the output when the process ends before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)


@dataclass(frozen=True)
class Recorded:
    """A recording, opened and decoded."""

    codec: str
    pictures: tuple[scene.Picture, ...]
    seconds: tuple[float, ...]  # when each is shown
    keyframes: tuple[float, ...]  # when those are shown that need no other


class Rig:
    """A house whose device is the root folder ``root``."""

    def __init__(
        self, folder: Path, root: Path, pictures: Path, *, mqtt: config.Broker, **camera: Any
    ) -> None:
        source = config.PiSource(
            width=scene.WIDTH,
            height=scene.HEIGHT,
            frames_per_second=scene.FRAMES_PER_SECOND,
        )
        self.house = House.build(
            folder / "house",
            camera=config.Camera(
                source=source,
                motion=config.Motion(min_size=20),  # the numbers in the corner are smaller
                **camera,
            ),
            mqtt=mqtt,
        )
        self._root = root
        self._pictures = pictures
        self._runs = 0
        self._pipeline = folder / "virtual"
        self._pipeline.mkdir()
        self.plug_in()
        self._faults = self.house.root / "faults"
        self._faults.mkdir()
        settings = config.effective(self.house.config)
        (self.house.root / "agent.yaml").write_text(
            settings.replace(str(self.house.root), "/rig-state")
        )

    # The camera

    def plug_in(self) -> None:
        (self._pipeline / "virtual.yaml").write_text(VIRTUAL)

    def unplug(self) -> None:
        (self._pipeline / "virtual.yaml").unlink()

    def fault(self, name: str) -> Path:
        """Switch a fault on (see ``inside/launch.py``); gives the file that means it."""
        file = self._faults / name
        file.touch()
        return file

    # The programs

    @contextmanager
    def run(self, command: str, *, network: bool = False) -> Iterator[Process]:
        """``clip-agent COMMAND``, ended for sure. The camera has no network, as in its unit."""
        self._runs += 1
        binds = {
            str(PI / "inside"): "/rig",
            str(ROOT / "agent"): "/clip-agent/agent",
            str(self._pictures): "/pictures",
            str(self._pipeline): "/usr/share/libcamera/pipeline/virtual",
            str(self.house.root): "/rig-state:rw",
        }
        options = [part for a, b in binds.items() for part in ("--bind", f"{a}:{b}")]
        if network:
            options.append("--network")
        program = ["env", "LD_PRELOAD=/usr/lib/fakedma.so", "LIBCAMERA_LOG_LEVELS=*:WARN"]
        program += ["PYTHONDONTWRITEBYTECODE=1", "python", "/rig/launch.py", command]
        program += ["--config", "/rig-state/agent.yaml"]
        process = Process(
            [str(PI / "enter"), *options, str(self._root), *program],
            self.house.root / f"{command}-{self._runs}.log",
        )
        try:
            yield process
        finally:
            process.kill()

    # What the owner has

    def clips(self) -> list[Clip]:
        """Oldest first."""
        with self.house.open_index() as index:
            return sorted(index.clips(), key=lambda clip: clip.started_at)

    def state(self) -> str:
        """The state that the camera noted last; empty before it did."""
        said = camera_state.read(self.house.config.state_dir)
        return "" if said is None else said.state

    def recording(self) -> bool:
        """True if a clip is being written, and part of it has reached the disk."""
        parts = (self.house.config.state_dir / "camera" / "clips").rglob("*.mp4.age.part")
        return any(part.stat().st_size > 0 for part in parts)

    def open(self, clip: Clip) -> Recorded:
        """With the owner's key and nothing but ``age``."""
        key = self.house.root / "owner.txt"
        key.write_text(self.house.owner.identity + "\n")
        sealed = ClipFiles.of(self.house.config.state_dir, clip.id).media
        plain = self.house.root / f"{clip.id}.mp4"
        command = [program("age"), "--decrypt", "--identity", str(key), "--output", str(plain)]
        subprocess.run([*command, str(sealed)], check=True)
        with av.open(str(plain)) as container:
            codec = container.streams.video[0].codec_context.name
            frames = list(container.decode(video=0))
        luma = tuple(
            np.ascontiguousarray(frame.to_ndarray(format="gray8"), np.uint8) for frame in frames
        )
        return Recorded(
            codec,
            luma,
            tuple(float(frame.time or 0) for frame in frames),
            tuple(float(frame.time or 0) for frame in frames if frame.key_frame),
        )
