"""Measurement of how far the process is behind its camera, and what to do about it.

A machine that is too slow for its stream must not fall behind silently: pictures are left
out so that judgement stays within :data:`MOST_BEHIND_SECONDS` of capture, packets never are.
The sources leave out pictures before they decode them; the loop, before the detector.
Owners read of it in the camera's state.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

MOST_BEHIND_SECONDS: Final = 2.0
# Pictures are left out here when each was behind for a while: after a disk or a network that
# hung, what waited is judged in no time. One a second is judged in any case.
_BEHIND_SECONDS, _WHILE_SECONDS, _LEAST_RATE_SECONDS = 1.2, 1.5, 1.0
_WINDOW_SECONDS: Final = 10.0
_MUCH: Final = 0.1  # share of a window's pictures that were left out
# Windows in a row until it begins, as one may be a disk that hangs, and until it is over.
_BUSY_WINDOWS, _CALM_WINDOWS = 2, 6
_SAID_SECONDS: Final = (1, 2, 3, 5, 10, 20, 30, 60)  # other numbers would be written all the time

_log = logging.getLogger(__name__)


class Overload:
    """Follows the pictures of a camera; ``text`` says how far it is behind, and what to set.

    ``monotonic`` gives the seconds of now, by the clock of the pictures; unless they are
    ``live`` they are of another time, and nothing is behind.
    """

    def __init__(self, *, monotonic: Callable[[], float], advice: str, live: bool = True) -> None:
        self._monotonic = monotonic
        self._advice = advice
        self._live = live
        self.text = ""
        self._said_seconds = 0
        self._least, self._most = math.inf, 0.0  # seconds behind, in this window
        self.begin()

    def begin(self) -> None:
        """Begin with a camera that is there (again)."""
        self._judged_at = -math.inf
        self._late_since = math.inf
        self._busy_windows = self._calm_windows = 0
        self._new_window()

    def allows(self, seconds: float) -> bool:
        """Tell if the picture taken at ``seconds`` is to be judged."""
        now = self._monotonic()
        is_late = self._behind(seconds) > _BEHIND_SECONDS
        self._late_since = min(self._late_since, now) if is_late else math.inf
        is_slow = now > self._late_since + _WHILE_SECONDS
        if is_slow and seconds < self._judged_at + _LEAST_RATE_SECONDS:
            self._left_out += 1
            return False
        self._judged_at = seconds
        self._judged += 1
        return True

    def left_out(self, seconds: float) -> None:
        """Note that the picture taken at ``seconds`` is not judged."""
        self._behind(seconds)
        self._left_out += 1

    def tick(self) -> None:
        """Bring ``text`` up to date; to be called once a second."""
        if self._monotonic() < self._window_ends:
            return
        pictures = self._judged + self._left_out
        is_late = pictures > 0 and self._least > MOST_BEHIND_SECONDS
        self._count(busy=is_late or self._left_out > _MUCH * pictures)
        self._new_window()

    def _count(self, *, busy: bool) -> None:
        """Note that another window ended."""
        self._busy_windows = self._busy_windows + 1 if busy else 0
        self._calm_windows = 0 if busy else self._calm_windows + 1
        if self._busy_windows >= _BUSY_WINDOWS:
            self._say()
        elif self.text and self._calm_windows >= _CALM_WINDOWS:
            self.text, self._said_seconds = "", 0
            _log.info("the machine keeps up with the camera again")

    def _behind(self, seconds: float) -> float:
        behind = self._monotonic() - seconds if self._live else 0.0
        self._least, self._most = min(self._least, behind), max(self._most, behind)
        return behind

    def _say(self) -> None:
        behind = next((step for step in _SAID_SECONDS if self._most <= step), _SAID_SECONDS[-1])
        if behind <= self._said_seconds:
            return
        self._said_seconds = behind
        self.text = f"{behind} s behind, so pictures are left out: {self._advice}"
        _log.warning("%s", self.text)

    def _new_window(self) -> None:
        self._window_ends = self._monotonic() + _WINDOW_SECONDS
        self._least, self._most = math.inf, 0.0
        self._judged = self._left_out = 0
