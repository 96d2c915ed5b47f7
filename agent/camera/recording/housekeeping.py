"""The camera's care for the vault: recovery at the start, room for clips, true times.

A :class:`StorageFault` is a state here, not an end: recording stops, the pre-roll goes on
in memory, and the storage is tried again every few seconds. Room is made first, since
everything else needs some; :mod:`agent.vault.clips.retention` chooses what is deleted.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from agent.clock import Clock
from agent.errors import DiskFull, StorageFault
from agent.vault.clips.retention import Retention
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Clip

_RETRY_SECONDS = 10.0  # a full disk is looked at again
_RETENTION_SECONDS = 600.0  # clips age even when nothing moves
_LOOK_SECONDS = 30.0  # a long clip may fill what was free when it began
# Each costs several syncs of an SD card, in which nobody listens to the camera or feeds
# the watchdog. A clock that is set after days, or a new limit, may concern thousands.
_DELETIONS_A_TURN = 10
_CORRECTIONS_A_TURN = 5

_log = logging.getLogger(__name__)


class Housekeeping:
    """Keeps ``store`` in order. While nothing can be recorded, ``fault`` is the reason."""

    def __init__(self, *, store: ClipStore, retention: Retention, clock: Clock) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock
        self._times_pending = True  # an earlier run may have recorded by a wrong clock
        self._next_retry = 0.0
        self._next_retention = 0.0
        self._next_look = 0.0
        self._told = ""
        self.fault: StorageFault | None = None

    def start(self) -> None:
        """Recover what an earlier run left behind, and make room."""
        try:
            self._bring_in_order()
        except StorageFault as fault:
            self.failed(fault)

    def before_clip(self) -> None:
        """Make room for a clip; raises :class:`StorageFault` when there is none."""
        self._next_look = self._clock.monotonic() + _LOOK_SECONDS
        self._make_room()

    def after_clip(self, clip: Clip) -> None:
        """Make room for the next clip, now that this one is safe."""
        self._times_pending |= not clip.clock_synced
        try:
            self._make_room()
            self._correct_times()
        except StorageFault as fault:
            self.failed(fault)

    def failed(self, fault: StorageFault) -> None:
        """Turn recording off until the storage works again."""
        if self.fault is None:
            _log.error("recording is off: %s", fault)
        self.fault = fault
        self._next_retry = self._clock.monotonic() + _RETRY_SECONDS

    def tick_while_recording(self) -> None:
        """Keep the clip being recorded from filling the disk; to be called now and then."""
        now = self._clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        try:
            self._retention.run(at_most=1)
        except StorageFault as fault:
            self.failed(fault)

    def tick(self) -> None:
        """Do what is due; to be called now and then while nothing is being recorded."""
        now = self._clock.monotonic()
        try:
            if self.fault is not None and now >= self._next_retry:
                self._bring_in_order()
                self.fault = None
                _log.info("recording is on again")
            if self.fault is None and now >= self._next_retention:
                self._make_room()
            self._correct_times()
        except StorageFault as fault:
            self.failed(fault)

    def _bring_in_order(self) -> None:
        with suppress(DiskFull):  # asked again below: a recovery may make some, too
            self._make_room()
        recovery = self._store.recover()
        if recovery.acted or str(recovery) != self._told:
            self._told = str(recovery)
            _log.info("the vault: %s", recovery)
        self._times_pending = True  # of what was recovered just now too
        self._correct_times()
        self._make_room()

    def _make_room(self) -> None:
        """Delete a few of the clips that must go; the others have their turns soon."""
        now = self._clock.monotonic()
        self._next_retention = now + _RETENTION_SECONDS
        decided = self._retention.run(at_most=_DELETIONS_A_TURN)
        if decided.more:
            self._next_retention = now

    def _correct_times(self) -> None:
        """Once the clock is right, give the clips of this boot their true times, a few a turn."""
        if not (self._times_pending and self._clock.synced()):
            return
        corrected = self._store.correct_times(at_most=_CORRECTIONS_A_TURN)
        self._times_pending = len(corrected) == _CORRECTIONS_A_TURN
        if corrected:
            _log.info("the clock is right now: corrected the times of %d clips", len(corrected))
