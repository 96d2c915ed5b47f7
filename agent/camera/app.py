"""The process that sees: wiring, and the loop around source, detector and recorder.

:func:`build` is the one place where all parts meet; the command and the tests call
it alike. The loop belongs to one thread, which owns the vault. It keeps these
promises:

- what an earlier run left behind is recovered before anything is recorded;
- a full disk stops the recording with a clear state, never the pre-roll, and
  recording goes on once there is space;
- a camera that falls silent ends the process with a :class:`CameraFault`, after
  the clip was finished: systemd starts it again; a network camera is tried again
  by its source, and the process stays;
- SIGTERM finishes the clip and ends the process with 0;
- on a still scene nothing at all is written: health is noted when it changes.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import sdnotify

from agent import config as configuration
from agent.camera.keeper import Keeper
from agent.camera.motion import MotionDetector
from agent.camera.reader import End, Reader
from agent.camera.recorder import Recorder
from agent.camera.source import Frame, Interruption, Item, Packet, Source, VideoFormat
from agent.camera.sources.choice import choose_source
from agent.clock import Clock, SystemClock
from agent.config import Config
from agent.consent.cards import OwnerCard, parse_card
from agent.errors import CameraFault, StorageFault
from agent.vault.clips import ClipStore
from agent.vault.index import FILE_NAME, Index
from agent.vault.retention import Retention, free_bytes_of

_POLL_SECONDS = 0.5  # how long a SIGTERM may wait for silence to end
_TICK_SECONDS = 1.0  # watchdog and checks
# The source, which knows better what is wrong, gets a moment to speak first; and opening
# takes several waits: connecting and probing, for each of two streams.
_GRACE_SECONDS = 1.0
_OPENING_WAITS = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Health:
    """What the owner gets to see of this process."""

    state: str
    detail: str = ""
    last_motion_at: float | None = None  # when the last recorded motion began, wall time


class CameraApp:
    """One camera at work. :meth:`run` it; tests may feed :meth:`step` by hand."""

    def __init__(
        self,
        *,
        source: Source,
        detector: MotionDetector,
        make_recorder: Callable[[VideoFormat], Recorder],
        keeper: Keeper,
        index: Index,
        clock: Clock,
        no_frame_seconds: float,
        notify: Callable[[str], None],
    ) -> None:
        self._reader = Reader(source)
        self._detector = detector
        self._make_recorder = make_recorder
        self._keeper = keeper
        self._index = index
        self._clock = clock
        self._no_frame_seconds = no_frame_seconds
        self._notify = notify

        self._stopping = threading.Event()
        self._recorder: Recorder | None = None
        self._interruption: Interruption | None = None
        self._health = _Health("")
        self._last_motion_at: float | None = None
        self._last_packet = self._last_picture = clock.monotonic()
        self._next_tick = clock.monotonic()

    def run(self) -> int:
        """Record until the source ends or :meth:`stop`; 0 then. Raises :class:`CameraFault`."""
        self.start()
        self._reader.start()
        try:
            while not self._stopping.is_set():
                item = self._reader.next(_POLL_SECONDS)
                if item is End.OVER:
                    _log.info("the source has ended")
                    break
                self.step(None if isinstance(item, End) else item)
            self.finish("stopped")
        except CameraFault as fault:
            self.finish("no-frames", fault.message)
            raise
        finally:
            self._reader.stop()
            self._index.close()
        return 0

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
                self._last_packet = now
                self._guarded(lambda recorder: recorder.packet(item))
            case Frame():
                self._last_picture = now
                if self._detector(item.luma):
                    self._motion(item)
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick(now)
        self._say_how_it_is()

    def finish(self, state: str, detail: str = "") -> None:
        """End the clip and say goodbye."""
        self._notify("STOPPING=1")
        self._guarded(Recorder.finish)
        self._say(state, detail)

    def _open(self, video: VideoFormat) -> None:
        """The camera is there, or there again, perhaps with another picture."""
        _log.info("the camera gives %s, %dx%d", video.codec, video.width, video.height)
        self._guarded(Recorder.finish)
        self._recorder = self._make_recorder(video)
        self._interruption = None
        self._last_packet = self._last_picture = self._clock.monotonic()
        self._notify("READY=1")

    def _interrupt(self, interruption: Interruption) -> None:
        """The camera is lost: end the clip, and wait for the source to find it again."""
        _log.warning("%s; next try in %g s", interruption.fault, interruption.retry_seconds)
        self._guarded(Recorder.finish)
        self._recorder = None
        self._interruption = interruption
        self._last_packet = self._last_picture = self._clock.monotonic()

    def _motion(self, frame: Frame) -> None:
        recorder = self._recorder
        if recorder is None or self._keeper.fault is not None:
            return
        was_recording = recorder.recording
        self._guarded(lambda recorder: recorder.motion(frame))
        if recorder.recording and not was_recording:
            self._last_motion_at = self._clock.now() - (self._clock.monotonic() - frame.seconds)

    def _guarded(self, act: Callable[[Recorder], None]) -> None:
        """Let the recorder ``act``; what the storage cannot take is the keeper's to bear."""
        if self._recorder is None:
            return
        try:
            act(self._recorder)
        except StorageFault as fault:
            self._keeper.failed(fault)

    def _tick(self, now: float) -> None:
        """Once a second: the watchdog, and what is due."""
        self._notify("WATCHDOG=1")
        self._check_silence(now)
        if self._recorder is None or not self._recorder.recording:
            self._keeper.tick()

    def _check_silence(self, now: float) -> None:
        """A camera without packets, or packets without pictures, is no camera."""
        waits = _OPENING_WAITS if self._recorder is None else 1
        limit = waits * self._no_frame_seconds + _GRACE_SECONDS
        if self._interruption is not None:
            limit += self._interruption.retry_seconds
        for what, last in (("packet", self._last_packet), ("picture", self._last_picture)):
            if now - last > limit:
                raise CameraFault(
                    f"the camera gave no {what} for {now - last:.0f} s",
                    advice="Check its power, cable or network",
                )

    def _say_how_it_is(self) -> None:
        if self._interruption is not None:
            self._say("no-frames", self._interruption.fault.message)
        elif self._recorder is not None and self._keeper.fault is not None:
            self._say("disk-full", self._keeper.fault.message)
        elif self._recorder is not None:
            self._say("recording" if self._recorder.recording else "armed")

    def _say(self, state: str, detail: str = "") -> None:
        """Note for the owner how things are, if that is news: an idle camera writes nothing."""
        health = _Health(state, detail, self._last_motion_at)
        if health == self._health:
            return
        self._health = health
        self._notify(f"STATUS={state}{': ' if detail else ''}{detail}")
        try:
            self._index.set_health(
                "camera", state, detail, self._clock.now(), health.last_motion_at
            )
        except StorageFault as fault:  # on a full disk this note is the first to go
            _log.error("the state %s could not be noted: %s", state, fault)


def build(
    config: Config,
    *,
    clock: Clock,
    source: Source | None = None,
    notify: Callable[[str], None] | None = None,
    free_bytes: Callable[[], int] | None = None,
) -> CameraApp:
    """Everything that ``clip-agent camera`` is made of.

    ``source`` replaces the configured one, ``notify`` systemd's socket and
    ``free_bytes`` the disk, for tests. Raises :class:`ConfigError` for an owner's
    card that does not do, :class:`StorageFault` for a vault that cannot be used.
    """
    index = Index.open(config.state_dir / FILE_NAME)
    store = ClipStore(config.state_dir, index, recipients=_recipients(config.owners), clock=clock)
    storage, motion, recording = config.storage, config.camera.motion, config.camera.recording
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

    return CameraApp(
        source=source or choose_source(config.camera, clock=clock),
        detector=MotionDetector(
            frames_per_second=motion.frames_per_second,
            min_size=motion.min_size,
            sensitivity=motion.sensitivity,
        ),
        make_recorder=make_recorder,
        keeper=keeper,
        index=index,
        clock=clock,
        no_frame_seconds=recording.no_frame_seconds,
        notify=notify or sdnotify.SystemdNotifier().notify,
    )


def run(config: Config) -> int:
    """What ``clip-agent camera`` does: record until SIGTERM or SIGINT."""
    app = build(config, clock=SystemClock(config.time.synced_marker))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        app.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return app.run()


def _recipients(cards: tuple[Path, ...]) -> list[str]:
    """Whom every clip is sealed to: each owner, and each owner's recovery key on paper."""
    owners = [parse_card(configuration.read_text(path), OwnerCard, str(path)) for path in cards]
    return [recipient for owner in owners for recipient in (owner.seal, owner.recovery)]
