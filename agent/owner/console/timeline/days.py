"""The days that an unlocked browser has listed: clips of all cameras, filtered for a page.

A day is that of this computer's zone. It stays in the session's memory, with a few others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby

from agent.consent.statements import Window
from agent.errors import Refused
from agent.owner.console.sessions import Session
from agent.owner.inbox.items import Timeline, TimelineClip

_MOST_DAYS = 7
_FIRST, _LAST = date(1970, 1, 2), date(2200, 1, 1)
_MEMORY = "days"


@dataclass(frozen=True)
class Filter:
    """The clips to show: of one camera or all, kept ones, and those of so many seconds or more."""

    camera: str = ""
    kept: bool = False
    seconds: float = 0.0

    def admits(self, clip: TimelineClip) -> bool:
        """True for a clip to show."""
        offer = clip.offer
        return (
            self.camera in ("", clip.device)
            and (offer.kept or not self.kept)
            and offer.duration_seconds >= self.seconds
        )


@dataclass(frozen=True)
class Hour:
    """The clips that begin within an hour of the clock on the wall; ``name`` as in ``18:00``."""

    name: str
    clips: Sequence[TimelineClip]


class Days:
    """The days of one session; ``of`` gives those of a session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._days: OrderedDict[date, Timeline] = OrderedDict()
        self._clips: dict[tuple[str, str], TimelineClip] = {}

    @classmethod
    def of(cls, session: Session) -> Days:
        """The days of ``session``."""
        found = session.memory.setdefault(_MEMORY, cls())
        assert isinstance(found, cls)
        return found

    def put(self, day: date, timeline: Timeline) -> None:
        """Keep what the cameras listed, and forget the day that was listed first of too many."""
        with self._lock:
            self._days[day] = timeline
            self._days.move_to_end(day)
            while len(self._days) > _MOST_DAYS:
                self._days.popitem(last=False)
            self._clips = {
                (one.device, one.offer.id): one
                for listed in self._days.values()
                for one in listed.clips
            }

    def get(self, day: date) -> Timeline | None:
        """A day, if it was listed."""
        return self._days.get(day)

    def forget(self) -> None:
        """Forget all: the cameras were told to change something."""
        with self._lock:
            self._days.clear()

    def clip(self, device: str, clip: str) -> TimelineClip:
        """A clip of the listed days; Refused ``not-listed`` for any other."""
        found = self._clips.get((device, clip))
        if found is None:
            raise Refused("not-listed", "this clip is on no day that was listed since the unlock")
        return found


def parse(text: str, *, now: float) -> date:
    """The day of ``2024-01-24``; today without one; Refused for anything else."""
    if not text:
        return datetime.fromtimestamp(now).astimezone().date()
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Refused("wrong-day", f"{text!r} is not a day such as 2024-01-24") from error
    if not _FIRST <= day <= _LAST:
        raise Refused("wrong-day", f"no camera has clips of {text}")
    return day


def window(day: date) -> Window:
    """The time of a day in this computer's zone, which may have 23 or 25 hours."""
    start = datetime.combine(day, time()).timestamp()
    end = datetime.combine(day + timedelta(days=1), time()).timestamp()
    return Window(start=max(0, int(start)), end=max(1, int(end) - 1))


def hours(clips: Sequence[TimelineClip]) -> Iterator[Hour]:
    """The hours with clips, in their order."""
    for name, group in groupby(clips, key=lambda one: _hour(one.offer.started_at)):
        yield Hour(name, tuple(group))


def _hour(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:00")
