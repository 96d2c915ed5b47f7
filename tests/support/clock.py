"""A clock that stands still until a test moves it, and the real one with short waits."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from agent.clock import SystemClock


@dataclass
class SimulatedClock:
    """A clock that tests move by hand; ``advance`` moves both kinds of time."""

    wall_seconds: float = 1_706_121_000.0  # 2024-01-24T18:30:00Z
    monotonic_seconds: float = 1_000.0
    is_synced: bool = True
    boot: str = "00000000-0000-0000-0000-000000000001"
    slept: list[float] = field(default_factory=list)
    looks: Counter[int] = field(default_factory=Counter)  # at the monotonic time, by thread

    def now(self) -> float:
        return self.wall_seconds

    def monotonic(self) -> float:
        self.looks[threading.get_ident()] += 1
        return self.monotonic_seconds

    def synced(self) -> bool:
        return self.is_synced

    def boot_id(self) -> str:
        return self.boot

    def sleep(self, seconds: float) -> None:
        """Advance instead of waiting, and remember that it was asked to."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass on both clocks."""
        self.wall_seconds += seconds
        self.monotonic_seconds += seconds

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as a time service does."""
        self.wall_seconds += seconds


class NapClock(SystemClock):
    """The machine's clock, on which a wait passes ``speed`` times faster."""

    def __init__(self, speed: float = 20) -> None:
        super().__init__(None)
        self._speed = speed
        self._skipped = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        """Wait a part of ``seconds``, and let the rest pass at once."""
        super().sleep(seconds / self._speed)
        self._skipped += seconds * (1 - 1 / self._speed)
