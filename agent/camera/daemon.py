"""The loop around source, detector and recorder: one thread, which owns the vault.

It keeps these promises:

- what an earlier run left behind is recovered before anything is recorded;
- a full disk stops the recording with a clear state, never the pre-roll, and
  recording goes on once there is space; so does whatever else the storage refuses;
- a camera that falls silent, or whose source ends for any reason, ends the process
  with an error, after the clip was finished: systemd starts it again; a network
  camera is tried again by its source, and the process stays; only a file or a drawn
  scene may end quietly;
- SIGTERM finishes the clip and ends the process with 0;
- on a still scene nothing at all is written: health is noted when it changes.

The states that :mod:`agent.camera.health` passes on: ``armed``, ``recording``,
``disk-full``, ``storage-failed``, ``no-frames`` (the camera is lost, or the process ended
for it), ``stopped``, ``failed`` (anything else ended it).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from agent.camera.detection.detector import MotionDetector
from agent.camera.health import HealthReport
from agent.camera.recording.housekeeping import Housekeeping
from agent.camera.recording.recorder import Recorder
from agent.camera.source import Frame, Interruption, Item, Packet, Source, VideoFormat
from agent.camera.sources.reader import End, Reader
from agent.camera.stall import StallDetector
from agent.clock import Clock
from agent.errors import CameraFault, ClipAgentError, DiskFull, StorageFault
from agent.vault.database.index import Index

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
        keeper: Housekeeping,
        health: HealthReport,
        silence: StallDetector,
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
        self._silence.opening()  # that took its time, and the camera had none yet

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
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick()
        self._say_how_it_is()
        self._silence.check(deaf_seconds=self._clock.monotonic() - now)

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
            return
        self._keeper.tick_while_recording()
        if self._keeper.fault is not None:
            self._guarded(Recorder.finish)

    def _say_how_it_is(self) -> None:
        if self._interruption is not None:
            self._health.say("no-frames", self._interruption.fault.message)
        elif self._recorder is not None and (fault := self._keeper.fault) is not None:
            state = "disk-full" if isinstance(fault, DiskFull) else "storage-failed"
            self._health.say(state, fault.message)
        elif self._recorder is not None:
            self._health.say("recording" if self._recorder.recording else "armed")
