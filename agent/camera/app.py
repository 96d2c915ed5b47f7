"""The process that sees: wiring, and the loop around source, detector and recorder.

:func:`build` is the one place where all parts meet; the command and the tests call
it alike. The loop belongs to one thread, which owns the vault. It keeps these
promises:

- what an earlier run left behind is recovered before anything is recorded;
- a full disk stops the recording with a clear state, never the pre-roll, and
  recording goes on once there is space;
- a camera that falls silent, or whose source ends for any reason, ends the process
  with an error, after the clip was finished: systemd starts it again; a network
  camera is tried again by its source, and the process stays; only a file or a drawn
  scene may end quietly;
- SIGTERM finishes the clip and ends the process with 0;
- on a still scene nothing at all is written: health is noted when it changes.

The states that :mod:`agent.camera.health` passes on: ``armed``, ``recording``,
``disk-full``, ``no-frames`` (the camera is lost, or the process ended for it),
``stopped``, ``failed`` (anything else ended it).
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import FrameType

from agent import config as configuration
from agent import service
from agent.camera.health import HealthReport
from agent.camera.keeper import Keeper
from agent.camera.motion import MotionDetector
from agent.camera.reader import End, Reader
from agent.camera.recorder import Recorder
from agent.camera.silence import Silence
from agent.camera.source import Frame, Interruption, Item, Packet, Source, VideoFormat
from agent.camera.sources.choice import choose_source
from agent.camera.zones import motion_mask
from agent.clock import Clock, SystemClock
from agent.config import Config
from agent.consent.cards import OwnerCard, parse_card
from agent.errors import CameraFault, ClipAgentError, StorageFault
from agent.machine import Machine, Steady
from agent.vault.atwork import at_work
from agent.vault.clips import ClipStore
from agent.vault.index import FILE_NAME, Index
from agent.vault.retention import Retention, free_bytes_of

_POLL_SECONDS = 0.25  # how long a SIGTERM, or the end of a silence, may go unnoticed
_TICK_SECONDS = 1.0  # watchdog and what is due
_CLOSE_SECONDS = 2.0  # for the source to let go of its camera
_LEAVE_SECONDS = 0.5  # for one that failed, and may hang

_log = logging.getLogger(__name__)


class CameraApp:
    """One camera at work. :meth:`run` it; tests may feed :meth:`step` by hand."""

    def __init__(
        self,
        *,
        source: Source,
        detector: MotionDetector,
        make_recorder: Callable[[VideoFormat], Recorder],
        keeper: Keeper,
        health: HealthReport,
        silence: Silence,
        index: Index,
        clock: Clock,
        at_work: Callable[[], AbstractContextManager[None]],
        may_end: bool,
    ) -> None:
        self._reader = Reader(source)
        self._detector = detector
        self._make_recorder = make_recorder
        self._keeper = keeper
        self._health = health
        self._silence = silence
        self._index = index
        self._clock = clock
        self._at_work = at_work
        self._may_end = may_end

        self._stopping = threading.Event()
        self._recorder: Recorder | None = None
        self._interruption: Interruption | None = None
        self._next_tick = clock.monotonic()

    def run(self) -> int:
        """Record until :meth:`stop`, or until a file ends; 0 then.

        Raises :class:`CameraFault` for a camera that is lost, :class:`StorageFault` if
        another camera records into this vault, and whatever else ended the source.
        """
        with self._at_work():
            return self._run()

    def _run(self) -> int:
        patience = _LEAVE_SECONDS
        try:
            self.start()
            self._reader.start()
            while not self._stopping.is_set() and self._take():
                pass
            self.finish("stopped")
            patience = _CLOSE_SECONDS
        except ClipAgentError as fault:
            self.finish("no-frames" if isinstance(fault, CameraFault) else "failed", fault.message)
            raise
        except Exception:  # the clip is left to the next start, the traceback to the journal
            self._health.stopping()
            self._health.say("failed", "a mistake in clip-agent; the journal says more")
            raise
        finally:
            self._reader.stop(patience)
            self._index.close()
        return 0

    def _take(self) -> bool:
        """One thing from the source; False when it has rightly ended."""
        item = self._reader.next(_POLL_SECONDS)
        if item is End.OVER:
            if not self._may_end:
                raise CameraFault("the camera ended by itself", advice="Check its connection")
            _log.info("the source has ended")
            return False
        self.step(None if isinstance(item, End) else item)
        return True

    def stop(self) -> None:
        """Ask :meth:`run` to finish the clip and return; may be called from anywhere."""
        self._stopping.set()

    def start(self) -> None:
        """Put the vault in order before anything is recorded."""
        self._keeper.start()

    def step(self, item: Item | None) -> None:
        """Take what the source gave next; None when it gave nothing for a while."""
        now = self._clock.monotonic()
        match item:
            case VideoFormat():
                self._open(item)
            case Interruption():
                self._interrupt(item)
            case Packet():
                self._silence.packet()
                self._guarded(lambda recorder: recorder.packet(item))
            case Frame():
                self._silence.picture()
                if self._detector(item.luma, item.seconds):
                    self._motion(item)
                elif self._recorder is not None:
                    self._recorder.stillness(item)
        self._silence.check()
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick()
        self._say_how_it_is()

    def finish(self, state: str, detail: str = "") -> None:
        """End the clip and say goodbye."""
        self._health.stopping()
        self._guarded(Recorder.finish)
        self._health.say(state, detail)

    def _open(self, video: VideoFormat) -> None:
        """The camera is there, or there again, perhaps with another picture."""
        _log.info("the camera gives %s, %dx%d", video.codec, video.width, video.height)
        self._guarded(Recorder.finish)
        self._recorder = self._make_recorder(video)
        self._interruption = None
        self._silence.opened()
        self._health.ready()

    def _interrupt(self, interruption: Interruption) -> None:
        """The camera is lost: end the clip, and wait for the source to find it again."""
        _log.warning("%s; next try in %g s", interruption.fault, interruption.retry_seconds)
        self._guarded(Recorder.finish)
        self._recorder = None
        self._interruption = interruption
        self._silence.opening(interruption.retry_seconds)

    def _motion(self, frame: Frame) -> None:
        recorder = self._recorder
        if recorder is None or self._keeper.fault is not None:
            return
        was_recording = recorder.recording
        self._guarded(lambda recorder: recorder.motion(frame, self._detector.strength))
        if recorder.recording and not was_recording:
            self._health.motion(frame.seconds)

    def _guarded(self, act: Callable[[Recorder], None]) -> None:
        """Let the recorder ``act``; what the storage cannot take is the keeper's to bear."""
        if self._recorder is None:
            return
        try:
            act(self._recorder)
        except StorageFault as fault:
            self._keeper.failed(fault)

    def _tick(self) -> None:
        """Once a second: the watchdog, and what is due.

        Only the loop feeds the watchdog, so a disk or a recorder that hangs starves it.
        """
        self._health.alive()
        if self._recorder is None or not self._recorder.recording:
            self._keeper.tick()

    def _say_how_it_is(self) -> None:
        if self._interruption is not None:
            self._health.say("no-frames", self._interruption.fault.message)
        elif self._recorder is not None and self._keeper.fault is not None:
            self._health.say("disk-full", self._keeper.fault.message)
        elif self._recorder is not None:
            self._health.say("recording" if self._recorder.recording else "armed")


def build(
    config: Config,
    *,
    clock: Clock,
    source: Source | None = None,
    notify: Callable[[str], None] | None = None,
    free_bytes: Callable[[], int] | None = None,
    machine: Machine | None = None,
) -> CameraApp:
    """Everything that ``clip-agent camera`` is made of.

    ``source`` replaces the configured one, ``notify`` systemd's socket, ``free_bytes``
    the disk and ``machine`` the board, for tests. Raises :class:`ConfigError` for an owner's
    card that does not do, :class:`StorageFault` for a vault that cannot be used.
    """
    index = Index.open(config.state_dir / FILE_NAME)
    store = ClipStore(config.state_dir, index, recipients=_recipients(config.owners), clock=clock)
    storage, recording = config.storage, config.camera.recording
    retention = Retention(
        store,
        index,
        clock=clock,
        free_bytes=free_bytes or free_bytes_of(config.state_dir),
        max_bytes=storage.max_bytes,
        max_age_seconds=storage.max_age_days * 86_400,
        min_free_bytes=storage.min_free_bytes,
        max_held_share=storage.max_held_share,
    )
    keeper = Keeper(store=store, retention=retention, clock=clock)

    def make_recorder(video: VideoFormat) -> Recorder:
        return Recorder(
            store=store,
            video=video,
            clock=clock,
            pre_roll_seconds=recording.pre_roll_seconds,
            post_roll_seconds=recording.post_roll_seconds,
            max_clip_seconds=recording.max_clip_seconds,
            before_clip=keeper.before_clip,
            after_clip=keeper.after_clip,
        )

    camera = source or choose_source(config.camera, clock=clock)
    health = HealthReport(
        index=index,
        clock=clock,
        board=Steady(machine or Machine(), clock=clock),
        encoder=lambda: str(getattr(camera, "encoder", "")),
        notify=notify or service.notifier(),
    )
    return CameraApp(
        source=camera,
        detector=build_detector(config.camera),
        make_recorder=make_recorder,
        keeper=keeper,
        health=health,
        silence=Silence(no_frame_seconds=recording.no_frame_seconds, clock=clock),
        index=index,
        clock=clock,
        at_work=partial(at_work, config.state_dir, clock=clock),
        may_end=_may_end(config.camera.source),
    )


def build_detector(camera: configuration.Camera) -> MotionDetector:
    """The detector that ``camera`` asks for. Raises :class:`ConfigError` for zones that leave
    it nothing to look at.
    """
    motion, zones = camera.motion, camera.zones
    return MotionDetector(
        frames_per_second=motion.frames_per_second,
        min_size=motion.min_size,
        sensitivity=motion.sensitivity,
        zone=motion_mask(zones.include, zones.exclude, zones.privacy),
    )


def run(config: Config) -> int:
    """What ``clip-agent camera`` does: record until SIGTERM or SIGINT."""
    app = build(config, clock=SystemClock(config.time.synced_marker))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        app.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return app.run()


def _may_end(source: configuration.Source) -> bool:
    """Whether the end of ``source`` is no fault: a file's, or a drawn scene's."""
    match source:
        case configuration.StreamSource(pace=pace):
            return pace != "live"
        case other:
            return isinstance(other, configuration.SceneSource)


def _recipients(cards: tuple[Path, ...]) -> list[str]:
    """Whom every clip is sealed to: each owner, and each owner's recovery key on paper."""
    owners = [parse_card(configuration.read_text(path), OwnerCard, str(path)) for path in cards]
    return [recipient for owner in owners for recipient in (owner.seal, owner.recovery)]
