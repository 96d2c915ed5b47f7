"""The wiring of the camera process.

:func:`build` is the one place where all parts meet; the command and the tests both call
it. The loop of the process is in :mod:`agent.camera.daemon`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from types import FrameType

from agent import config as configuration
from agent.camera.commands.looks import Looks
from agent.camera.commands.owner_commands import OwnerCommands
from agent.camera.commands.schedule import Schedule
from agent.camera.daemon import CameraApp
from agent.camera.detection.detector import MotionDetector
from agent.camera.health.overload import Overload
from agent.camera.health.report import HealthReport
from agent.camera.health.stall import StallDetector
from agent.camera.health.stream_health import StreamHealth
from agent.camera.recording.housekeeping import Housekeeping
from agent.camera.recording.recorder import Recorder
from agent.camera.source import Source, VideoFormat
from agent.camera.sources.factory import choose_source
from agent.camera.zones import motion_mask
from agent.clock import Clock, SystemClock
from agent.config import Config
from agent.host import systemd as service
from agent.host.board import Machine, Steady
from agent.host.memory import give_memory_back
from agent.parties import load_owners, recipients
from agent.vault import migration, wishes
from agent.vault.camera_state import StateFile
from agent.vault.clips.retention import Limits, Retention, free_bytes_of
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Index, path_of
from agent.vault.locks import camera_at_work
from agent.vault.stills import StillFiles


def build(
    config: Config,
    *,
    clock: Clock,
    source: Source | None = None,
    notify: Callable[[str], None] | None = None,
    free_bytes: Callable[[], int] | None = None,
    machine: Machine | None = None,
) -> CameraApp:
    """All parts of ``clip-agent camera``, put together.

    For tests, ``source`` replaces the configured one, ``notify`` systemd's socket,
    ``free_bytes`` the disk and ``machine`` the board. Raises :class:`ConfigError` for an
    invalid owner's card, :class:`StorageFault` for a vault that cannot be used.
    """
    folder = config.state_dir
    migration.move_camera(folder)
    index = Index.open(path_of(folder))
    owners = load_owners(config.owners)
    sealed_to = recipients(owners)
    store = ClipStore(folder, index, recipients=sealed_to, clock=clock)
    storage, recording = config.storage, config.camera.recording
    retention = Retention(
        store,
        index,
        clock=clock,
        free_bytes=free_bytes or free_bytes_of(folder),
        limits=Limits(
            max_bytes=storage.max_bytes,
            max_age_seconds=storage.max_age_days * 86_400,
            min_free_bytes=storage.min_free_bytes,
            max_held_share=storage.max_held_share,
        ),
        held=lambda: wishes.read(folder).held,
    )
    housekeeping = Housekeeping(store=store, retention=retention, clock=clock)
    state = StateFile(folder, seals_to=tuple(sealed_to))
    commands = OwnerCommands(
        state_dir=folder,
        owners={owner.fingerprint: owner.key for owner in owners},
        store=store,
        index=index,
        state=state,
        clock=clock,
        looks=Looks(StillFiles(folder), {one.fingerprint: one.seal for one in owners}, clock),
        schedule=Schedule(config.camera.armed, configuration.time_zone(config.time)),
        max_kept_bytes=storage.max_bytes * storage.max_held_share,
        may_switch=config.homeassistant is not None and config.homeassistant.may_arm,
    )

    def make_recorder(video: VideoFormat) -> Recorder:
        return Recorder(
            store=store,
            video=video,
            clock=clock,
            lengths=recording,
            before_clip=housekeeping.before_clip,
            after_clip=housekeeping.after_clip,
        )

    camera = source or choose_source(config.camera, clock=clock)
    health = HealthReport(
        state=state,
        clock=clock,
        board=Steady(machine or Machine(), clock=clock),
        encoder=lambda: str(getattr(camera, "encoder", "")),
        notify=notify or service.notifier(),
    )
    return CameraApp(
        source=camera,
        detector=build_detector(config.camera),
        make_recorder=make_recorder,
        housekeeping=housekeeping,
        commands=commands,
        health=health,
        stall=StallDetector(no_frame_seconds=recording.no_frame_seconds, clock=clock),
        stream=StreamHealth(clock),
        overload=Overload(
            monotonic=clock.monotonic,
            advice=_less_work(config.camera.source),
            live=not _is_import(config.camera.source),
        ),
        index=index,
        clock=clock,
        at_work=partial(camera_at_work, folder, clock=clock),
        after_start=give_memory_back,
        may_end=_may_end(config.camera.source),
    )


def build_detector(camera: configuration.Camera) -> MotionDetector:
    """The detector for ``camera``. Raises :class:`ConfigError` for zones without any block."""
    motion, zones = camera.motion, camera.zones
    return MotionDetector(
        frames_per_second=motion.frames_per_second,
        min_size=motion.min_size,
        sensitivity=motion.sensitivity,
        zone=motion_mask(zones.include, zones.exclude, zones.privacy),
    )


def run(config: Config) -> int:
    """Run ``clip-agent camera``: record until SIGTERM or SIGINT."""
    clock = SystemClock(config.time.synced_marker)
    app = build(config, clock=clock)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        app.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return app.run()


def _may_end(source: configuration.Source) -> bool:
    """True if ``source`` is a file or a drawn scene, whose end is no fault."""
    if isinstance(source, configuration.StreamSource):
        return source.pace != "live"
    return isinstance(source, configuration.SceneSource)


def _is_import(source: configuration.Source) -> bool:
    """True if ``source`` is a film of another time."""
    return isinstance(source, configuration.StreamSource) and source.pace == "import"


def _less_work(source: configuration.Source) -> str:
    """Advice for a machine that has too much to do."""
    if not isinstance(source, configuration.StreamSource):
        return "set a smaller camera.source.width and height"
    if source.detect is None:
        return "set camera.source.detect to the camera's small stream"
    return "set camera.source.detect to a smaller stream, or fewer camera.motion.frames_per_second"
