"""The whole camera process: a real vault, a camera and a clock in the hand of the test.

>>> process = CameraProcess(tmp_path, video, seconds=40, motion=[(10, 12)])
>>> process.watch(process.app(), {20: lambda: process.clock.step_wall(3600)})
>>> process.clips()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from agent import config
from agent.camera.app import build
from agent.camera.daemon import CameraApp
from agent.host.board import Machine
from agent.vault import camera_state
from agent.vault.camera_state import CameraState
from agent.vault.clips.store import ClipStore, Sidecar
from agent.vault.database.index import Clip
from tests.support.camera import FakeSource
from tests.support.clock import SimulatedClock
from tests.support.house import House
from tests.support.video import Video
from tests.vault.support import as_recorded

RECORDING = config.Recording(pre_roll_seconds=2, post_roll_seconds=3, max_clip_seconds=20)


class CameraProcess:
    """A house with a camera in the test's hand."""

    def __init__(
        self,
        root: Path,
        video: Video,
        *,
        camera: config.Camera = config.Camera(recording=RECORDING),  # noqa: B008 - frozen
        **source: Any,
    ) -> None:
        if camera.source == config.PiSource():  # the default, which is replaced below anyway
            camera = msgspec.structs.replace(camera, source=config.SceneSource())  # it may end
        self.house = House.build(root / "house", camera=camera)
        self.clock: SimulatedClock = self.house.clock
        self.wall = self.clock.now()
        self.source = FakeSource(video, self.clock, **source)
        self.free_bytes = 1 << 40
        self.machine = Machine(root / "no sysfs")
        self.said: list[str] = []

    def app(self) -> CameraApp:
        return build(
            self.house.config,
            clock=self.clock,
            source=self.source,
            notify=self.notify,
            free_bytes=lambda: self.free_bytes,
            machine=self.machine,
        )

    @classmethod
    def again(cls, earlier: CameraProcess, **source: Any) -> CameraProcess:
        """The same house and clock, for another run of the process."""
        process = cls.__new__(cls)
        process.__dict__.update(earlier.__dict__)
        process.source = FakeSource(earlier.source.video, earlier.clock, **source)
        process.said = []
        return process

    def notify(self, said: str) -> None:
        """In place of systemd's socket."""
        self.said.append(said)

    def watch(
        self, app: CameraApp, events: Mapping[float, Callable[[], object]] | None = None
    ) -> None:
        """All that the source gives, on this thread; each event at its second."""
        due = sorted((events or {}).items())
        app.step(self.source.open())
        for item in self.source.read():
            while due and self.clock.monotonic() >= self.source.start + due[0][0]:
                due.pop(0)[1]()
            app.step(item)

    def set_clock(self, wall: float, *, synced: bool) -> None:
        """Set the clock as a time service does."""
        self.clock.wall_seconds = wall
        self.clock.is_synced = synced

    def clips(self) -> list[Clip]:
        with self.house.open_index() as index:
            return index.clips()

    def clips_as_recorded(self) -> list[Clip]:
        with self.house.open_index() as index:
            return as_recorded(index)

    def sidecars(self) -> list[Sidecar]:
        """Of all clips, in the order of their recording."""
        with self.house.open_index() as index:
            state_dir, recipients = self.house.config.state_dir, self.house.recipients
            store = ClipStore(state_dir, index, recipients=recipients, clock=self.clock)
            return [store.read_sidecar(clip.id) for clip in as_recorded(index)]

    def health(self) -> CameraState:
        health = camera_state.read(self.house.config.state_dir)
        assert health is not None
        return health

    def states(self) -> list[str]:
        return [said.removeprefix("STATUS=") for said in self.said if said.startswith("STATUS=")]
