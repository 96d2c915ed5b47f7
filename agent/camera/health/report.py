"""The camera's report of itself, to systemd and to its state file.

- The file gets state, detail, encoder and the last motion, for ``clip-agent status``
  and for the gateway, when they change. An idle camera writes nothing there.
- systemd gets READY, the watchdog's sign of life, and a STATUS that also tells if the clock
  is set, and the board's temperature and power, which are never written to the disk.

:mod:`agent.camera.daemon` defines the states.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from agent.clock import Clock
from agent.errors import StorageFault
from agent.host.board import Steady
from agent.vault.camera_state import StateFile

_AGAIN_SECONDS = 10.0  # until a note that failed is tried again
_STILL_SECONDS = 5.0  # without motion until it is told as over: each change is a write

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class HealthReport:
    """Reports each change once. ``encoder`` is asked each time the camera is there."""

    state: StateFile
    clock: Clock
    board: Steady
    encoder: Callable[[], str]
    notify: Callable[[str], None]

    def __post_init__(self) -> None:
        self._noted: tuple[object, ...] | None = None
        self._next_try = 0.0
        self._status = ""
        self._encoding = ""
        self._around = ""  # state of clock and board at the last look
        self._motion: float | None = None  # start of the last recorded motion, monotonic
        self._motion_at: float | None = None  # the same by a clock that is set
        self._still_at = -math.inf  # when motion is over, monotonic

    def ready(self) -> None:
        """Report the end of the start: a camera is there, its encoder known, or is waited for."""
        self._encoding = self.encoder()
        self.notify("READY=1")

    def stopping(self) -> None:
        """Report that the process is about to end."""
        self.notify("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog, and look at clock and board; to be called once a second."""
        self.notify("WATCHDOG=1")
        synced = self.clock.synced()
        if synced and self._motion is not None:
            self._motion_at = self.clock.now() - (self.clock.monotonic() - self._motion)
            self._motion = None
        clock = "" if synced else "the clock is not set"
        self._around = "; ".join(filter(None, (clock, str(self.board.vitals()))))

    def motion(self, seconds: float) -> None:
        """Note that a recorded motion began; its wall time is told once the clock is set."""
        self._motion = seconds

    def moving(self) -> None:
        """Note that something moves in what is recorded."""
        self._still_at = self.clock.monotonic() + _STILL_SECONDS

    def report(self, state: str, detail: str = "") -> None:
        """Report the state; unchanged states are skipped."""
        self._tell(state, detail)
        motion = state == "recording" and self.clock.monotonic() < self._still_at
        news = (state, detail, self._encoding, self._motion_at, motion)
        if news == self._noted or self.clock.monotonic() < self._next_try:
            return
        try:
            self.state.say(
                at=self.clock.now(),
                state=state,
                detail=detail,
                encoder=self._encoding,
                motion=motion,
                last_motion_at=self._motion_at or self.state.said.last_motion_at,
            )
        except StorageFault as fault:  # on a full disk this note is the first to go
            self._next_try = self.clock.monotonic() + _AGAIN_SECONDS
            _log.error("the state %s could not be noted: %s", state, fault)
        else:
            self._noted, self._next_try = news, 0.0

    def _tell(self, state: str, detail: str) -> None:
        said = f"{state}: {detail}" if detail else state
        status = "; ".join(filter(None, (said, self._encoding, self._around)))
        status = " ".join(status.split())  # one line: the next would be another message
        if status != self._status:
            self._status = status
            self.notify(f"STATUS={status}")
