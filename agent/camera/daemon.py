"""The loop around source, detector and recorder: one thread, which owns the vault.

- Files that an earlier run left behind are recovered before anything is recorded.
- A full disk, or any other fault of the storage, stops the recording with a clear state,
  but not the pre-roll. Recording goes on once the storage works.
- A camera that falls silent, or whose source ends, ends the process with an error after
  the clip was finished: systemd starts it again. A network camera, and a webcam that was there,
  are tried again by their source, and the process stays. Only a file or a drawn scene may end
  quietly.
- SIGTERM finishes the clip and ends the process with 0.
- On a still scene nothing at all is written: health is noted when it changes.
- While an owner has disarmed it, the camera is read and its pictures are dropped: no motion
  is looked for, and there is no pre-roll. Only an owner who looks sees some (:mod:`.looks`).

The states for :mod:`agent.camera.health.report`: ``armed``, ``disarmed``, ``recording``,
``disk-full``, ``storage-failed``, ``no-frames`` (the camera is lost, sends no keyframe, or
the process ended for it), ``stopped``, ``failed`` (anything else ended it).
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from agent.camera.commands.owner_commands import OwnerCommands
from agent.camera.detection.detector import MotionDetector
from agent.camera.health.overload import Overload
from agent.camera.health.report import HealthReport
from agent.camera.health.stall import StallDetector
from agent.camera.health.stream_health import StreamHealth
from agent.camera.recording.housekeeping import Housekeeping
from agent.camera.recording.recorder import Recorder
from agent.camera.source import Frame, Interruption, Item, Packet, Source, Unjudged, VideoFormat
from agent.camera.sources.reader import CLOSE_SECONDS, LEAVE_SECONDS, POLL_SECONDS, End, Reader
from agent.clock import Clock
from agent.errors import CameraFault, ClipAgentError, DiskFull, StorageFault
from agent.vault.database.index import Index

_TICK_SECONDS = 1.0  # watchdog and housekeeping
_START_SECONDS = 5.0  # from the first format until the start is over

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class CameraApp:
    """One camera at work. :meth:`run` it; tests may feed :meth:`step` by hand."""

    source: Source
    detector: MotionDetector
    make_recorder: Callable[[VideoFormat], Recorder]
    housekeeping: Housekeeping
    commands: OwnerCommands
    health: HealthReport
    stall: StallDetector
    stream: StreamHealth
    overload: Overload
    index: Index
    clock: Clock
    at_work: Callable[[], AbstractContextManager[None]]
    after_start: Callable[[], None]
    may_end: bool

    def __post_init__(self) -> None:
        self._reader = Reader(self.source)
        self._stopping = threading.Event()
        self._video: VideoFormat | None = None  # None while there is no camera
        self._recorder: Recorder | None = None  # None also while disarmed
        self._interruption: Interruption | None = None
        self._next_tick = self.clock.monotonic()
        self._start_ends: float | None = None  # known once there was a camera

    def run(self) -> int:
        """Record until :meth:`stop`, or until a file ends; 0 then.

        Raises :class:`CameraFault` for a camera that is lost, :class:`StorageFault` if
        another camera records into this vault, and any other error that ends the source.
        """
        with self.at_work():
            return self._run()

    def _run(self) -> int:
        patience = LEAVE_SECONDS
        try:
            self.start()
            self._reader.start()
            while not self._stopping.is_set() and self._take():
                pass
            self.finish("stopped")
            patience = CLOSE_SECONDS
        except ClipAgentError as fault:
            self.finish("no-frames" if isinstance(fault, CameraFault) else "failed", fault.message)
            raise
        except Exception:  # the clip is left to the next start, the traceback to the journal
            self.health.stopping()
            self.health.report("failed", "a mistake in clip-agent; the journal says more")
            raise
        finally:
            self._reader.stop(patience)
            self.index.close()
        return 0

    def _take(self) -> bool:
        """Take one item from the source; False when it has rightly ended."""
        item = self._reader.next(POLL_SECONDS)
        if item is End.OVER:
            if not self.may_end:
                raise CameraFault("the camera ended by itself", advice="Check its connection")
            _log.info("the source has ended")
            return False
        self.step(None if isinstance(item, End) else item)
        return True

    def stop(self) -> None:
        """Ask :meth:`run` to finish the clip and return; may be called from any thread."""
        self._stopping.set()

    def start(self) -> None:
        """Put the vault in order before anything is recorded."""
        self.housekeeping.start()
        self.commands.looks.start()
        self.stall.opening()  # anew: the camera had no time yet

    def step(self, item: Item | None) -> None:
        """Take the next item of the source; None when none came for a while."""
        now = self.clock.monotonic()
        match item:
            case VideoFormat():
                self._open(item)
            case Interruption():
                self._interrupt(item)
            case Packet():
                self.stall.packet()
                self.stream.packet(item)
                self._guarded(lambda recorder: recorder.packet(item))
            case Unjudged():
                self.stall.picture()
                if item.reason == "overload":
                    self.overload.left_out(item.seconds)
                else:
                    self.stream.unjudged(item)
                if self._recorder is not None:
                    self._recorder.unjudged(item.seconds)
            case Frame():
                self.stall.picture()
                self.stream.judged()
                self.commands.looks.picture(item)
                if self.commands.armed and self.overload.allows(item.seconds):
                    self._look(item)
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick()
        self._report()
        self.stall.check(deaf_seconds=self.clock.monotonic() - now)

    def finish(self, state: str, detail: str = "") -> None:
        """End the clip and report the last state."""
        self.health.stopping()
        self.commands.looks.stop()
        self._guarded(Recorder.finish)
        self.health.report(state, detail)

    def _open(self, video: VideoFormat) -> None:
        """Begin with a camera that is there (again), or go on in another format."""
        size = f"{video.width}x{video.height}" if video.width else "its size comes with a keyframe"
        _log.info("the camera gives %s, %s", video.codec, size)
        if self._recorder is not None:
            self._video = video
            self._recorder.change(video)
            return
        self._video = video
        self._recorder = self.make_recorder(video) if self.commands.armed else None
        self._interruption = None
        if self._start_ends is None:
            self._start_ends = self.clock.monotonic() + _START_SECONDS
        self.stall.opened()
        self.stream.opened()
        self.overload.begin()
        self.health.ready()

    def _interrupt(self, interruption: Interruption) -> None:
        """End the clip of a lost camera, and wait for the source to find it again.

        At the start, systemd has no reason to wait as well: a camera may come days later.
        """
        before = self._interruption
        if before is None or before.fault.message != interruption.fault.message:
            _log.warning("%s; next try in %g s", interruption.fault, interruption.retry_seconds)
        if before is None and self._video is None:
            self.health.ready()
        self._guarded(Recorder.finish)
        self._video = self._recorder = None
        self._interruption = interruption
        self.stall.opening(interruption.retry_seconds)

    def _look(self, frame: Frame) -> None:
        if self.detector(frame.luma, frame.seconds):
            self._motion(frame)
        elif self._recorder is not None:
            self._recorder.stillness(frame)

    def _motion(self, frame: Frame) -> None:
        recorder = self._recorder
        if recorder is None or self.housekeeping.fault is not None:
            return
        was_recording = recorder.recording
        self._guarded(lambda recorder: recorder.motion(frame, self.detector.strength))
        if recorder.recording:
            self.health.moving()
            if not was_recording:
                self.health.motion(frame.seconds)

    def _guarded(self, act: Callable[[Recorder], None]) -> None:
        """Let the recorder ``act``; faults of the storage go to the housekeeping."""
        if self._recorder is None:
            return
        try:
            act(self._recorder)
        except StorageFault as fault:
            self.housekeeping.failed(fault)

    def _tick(self) -> None:
        """Feed the watchdog once a second, and do the housekeeping that is due.

        Only this loop feeds the watchdog, so a disk or a recorder that hangs starves it.
        """
        self.health.alive()
        if self._start_ends is not None and self.clock.monotonic() >= self._start_ends:
            self._start_ends = math.inf
            self.after_start()
        self.stream.tick()
        self.overload.tick()
        self._obey()
        if self._recorder is None or not self._recorder.recording:
            self.housekeeping.tick()
            return
        self.housekeeping.tick_while_recording()
        if self.housekeeping.fault is not None:
            self._guarded(Recorder.finish)

    def _obey(self) -> None:
        """Do what owners say, and begin or end recording where they changed that."""
        self.commands.looks.tick()
        try:
            self.commands.look()
        except StorageFault as fault:
            self.housekeeping.failed(fault)
        if not self.commands.armed and self._recorder is not None:
            self._guarded(Recorder.finish)
            self._recorder = None
        elif self.commands.armed and self._recorder is None and self._video is not None:
            self._recorder = self.make_recorder(self._video)
            self.stream.opened()  # its pre-roll begins with the next keyframe

    def _report(self) -> None:
        if self._interruption is not None:
            self.health.report("no-frames", self._interruption.fault.message)
        elif self._video is not None and not self.commands.armed:
            self.health.report("disarmed")
        elif self._video is not None and self.stream.waiting:
            self.health.report("no-frames", self.stream.waiting)
        elif self._recorder is not None and (fault := self.housekeeping.fault) is not None:
            state = "disk-full" if isinstance(fault, DiskFull) else "storage-failed"
            self.health.report(state, fault.message)
        elif self._recorder is not None:
            state = "recording" if self._recorder.recording else "armed"
            says = "; ".join(filter(None, (self.overload.text, self.stream.damaged)))
            self.health.report(state, says)
