"""Schedule of recording: periods of the week by the wall clock of a time zone.

A moment lies in a period if the wall clock then shows a time within it, so daylight saving time
needs no rule of its own: an hour that the clock skips is in no period, and an hour that it shows
twice counts both times. A period that ends at or before its beginning goes on over midnight; its
days are those on which it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from agent.config import Period

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_STEP_SECONDS: Final = 1_800  # clocks are changed at full or half hours
_AHEAD_SECONDS: Final = 8 * 86_400
_MIDNIGHT: Final = "24:00"


@dataclass(frozen=True)
class Schedule:
    """Recording in ``periods``; always if there are none. ``zone`` None: the system's zone."""

    periods: Sequence[Period] = ()
    zone: tzinfo | None = None

    def armed(self, at: float) -> bool:
        """True if the camera records at ``at``, Unix seconds."""
        if not self.periods:
            return True
        local = self._local(at)
        clock, today = local.strftime("%H:%M"), _DAYS[local.weekday()]
        yesterday = _DAYS[local.weekday() - 1]
        return any(_holds(period, clock, today, yesterday) for period in self.periods)

    def changes_at(self, at: float) -> float | None:
        """The next time after ``at`` at which recording is switched, Unix seconds; or None."""
        now = self.armed(at)
        return next((one for one in self._switches(at) if self.armed(one) != now), None)

    def _switches(self, at: float) -> list[float]:
        """All times of the next eight days at which recording may be switched, in order."""
        first = int(at) // _STEP_SECONDS + 1
        count = _AHEAD_SECONDS // _STEP_SECONDS
        steps = [float(number * _STEP_SECONDS) for number in range(first, first + count)]
        bounds = [one for one in self._bounds(at) if at < one <= at + _AHEAD_SECONDS]
        return sorted({*steps, *bounds})

    def _bounds(self, at: float) -> Iterator[float]:
        """Beginnings and ends of periods as the wall clock shows them, also those shown twice."""
        clocks = {clock for period in self.periods for clock in (period.start, period.end)}
        for days in range(-1, _AHEAD_SECONDS // 86_400 + 1):
            date = self._local(at).date() + timedelta(days=days)
            for clock in clocks - {_MIDNIGHT}:
                for fold in (0, 1):
                    shown = datetime.combine(date, time.fromisoformat(clock), self.zone)
                    yield shown.replace(fold=fold).timestamp()

    def _local(self, at: float) -> datetime:
        moment = datetime.fromtimestamp(at, self.zone)
        return moment if self.zone is not None else moment.astimezone()


def _holds(period: Period, clock: str, today: str, yesterday: str) -> bool:
    """True if ``clock``, such as ``18:30``, lies in ``period``."""
    begun, ended = clock >= period.start, clock >= period.end
    if period.start < period.end:
        return today in period.days and begun and not ended
    return (today in period.days and begun) or (yesterday in period.days and not ended)
