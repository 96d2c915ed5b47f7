"""What the camera says of itself: to systemd at once, to the index when it is news.

- The index gets state, detail, encoder and the last motion, for ``clip-agent status``
  and for the gateway. An idle camera writes nothing there.
- systemd gets READY, the watchdog's sign of life, and in STATUS also what is never
  written to the disk: whether the clock is set, how warm and how well fed the board is.

What the states mean is for :mod:`agent.camera.daemon`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.clock import Clock
from agent.errors import StorageFault
from agent.host.board import Steady
from agent.vault.database.index import Index

_AGAIN_SECONDS = 10.0  # until what could not be noted is tried again

_log = logging.getLogger(__name__)


class HealthReport:
    """Says each thing once. ``encoder`` is asked each time the camera is there."""

    def __init__(
        self,
        *,
        index: Index,
        clock: Clock,
        board: Steady,
        encoder: Callable[[], str],
        notify: Callable[[str], None],
    ) -> None:
        self._index = index
        self._clock = clock
        self._board = board
        self._encoder = encoder
        self._notify = notify
        self._noted: tuple[str, str, str, float | None] | None = None
        self._next_try = 0.0
        self._status = ""
        self._encoding = ""
        self._around = ""  # clock and board, as looked at last
        self._motion: float | None = None  # when the last recorded motion began, monotonic
        self._motion_at: float | None = None  # the same by a clock that is set

    def ready(self) -> None:
        """The camera is there, so it is known what encodes; whoever waits for it may go on."""
        self._encoding = self._encoder()
        self._notify("READY=1")

    def stopping(self) -> None:
        """The process is about to end."""
        self._notify("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog, and look at clock and board; the loop's to call, once a second."""
        self._notify("WATCHDOG=1")
        synced = self._clock.synced()
        if synced and self._motion is not None:
            self._motion_at = self._clock.now() - (self._clock.monotonic() - self._motion)
            self._motion = None
        clock = "" if synced else "the clock is not set"
        self._around = "; ".join(filter(None, (clock, str(self._board.vitals()))))

    def motion(self, seconds: float) -> None:
        """A recorded motion began; its wall time is told once the clock is set."""
        self._motion = seconds

    def say(self, state: str, detail: str = "") -> None:
        """How things are now; whoever heard it already hears nothing."""
        self._tell(state, detail)
        news = (state, detail, self._encoding, self._motion_at)
        if news == self._noted or self._clock.monotonic() < self._next_try:
            return
        try:
            self._index.set_health(
                "camera", state, detail, self._clock.now(), self._motion_at, self._encoding
            )
        except StorageFault as fault:  # on a full disk this note is the first to go
            self._next_try = self._clock.monotonic() + _AGAIN_SECONDS
            _log.error("the state %s could not be noted: %s", state, fault)
        else:
            self._noted, self._next_try = news, 0.0

    def _tell(self, state: str, detail: str) -> None:
        said = f"{state}: {detail}" if detail else state
        status = "; ".join(filter(None, (said, self._encoding, self._around)))
        status = " ".join(status.split())  # one line: the next would be another message
        if status != self._status:
            self._status = status
            self._notify(f"STATUS={status}")
