"""The daily measure of what is kept one by one; the rest is only counted.

Each requester may have so many verified posts a day (UTC) on the ledger. What cannot be
verified (garbage, unknown signers, copies at a wrong place, false proofs, letters from
strangers) shares one such measure, under the empty source: what anybody can send must not
be held against a requester. Beyond the measure, a post costs

- no row and no ledger line of its own: a flood has one line when it begins and one with
  its total when its day is over;
- no write of its own: it is counted in memory and written down once a minute at most;
- the owners one notice, which counts along.

Counts are lower bounds: a crash loses the last minute's, and after a restart, when the broker
sends what it retains once more, the larger count of the two runs is kept. The part of a day's
measure that was used before is read back from the ledger.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import Final

from agent.config import Requests
from agent.consent.statements import Notice
from agent.errors import StorageFault
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.unit_of_work import Change, UnitOfWork
from agent.vault.records.events import Event
from agent.vault.records.floods import Flood
from agent.vault.records.ledger import Json

log = logging.getLogger(__name__)

ANYBODY: Final = ""  # the source of what cannot be verified

_DAY_SECONDS = 86_400
_WRITE_SECONDS = 60.0
_MAX_REMEMBERED = 20_000  # posts that were only counted, so that they are counted once
# The ledger lines that use up a measure.
_KEPT_EVENTS = frozenset(
    str(event)
    for event in (
        Event.REQUEST_OPENED, Event.REQUEST_REFUSED, Event.ALERT_RECEIVED, Event.ALERT_REFUSED,
        Event.WITHDRAWAL_RECEIVED, Event.POST_REFUSED, Event.POST_DROPPED, Event.POST_WAITING,
        Event.LINK_REFUSED, Event.LETTER_REFUSED, Event.DECISION_REFUSED,
    )
)  # fmt: skip


class RateLimiter:
    """Measures posts by their source. Nobody is told of the flood of a muted requester."""

    def __init__(self, *, work: UnitOfWork, notices: NoticeBoard, rules: Requests) -> None:
        self._work = work
        self._notices = notices
        self._muted = rules.muted
        self._kept_a_day = rules.max_kept_daily_per_requester
        self._day: int | None = None
        self._kept: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._written_at = 0.0  # monotonic
        self._remembered: set[bytes] = set()

    def counted_before(self, *keys: bytes) -> bool:
        """True if a post with one of these digests was only counted today."""
        return not self._remembered.isdisjoint(keys)

    def is_full(self, source: str) -> bool:
        """True if the measure of ``source`` is used up."""
        self._begin_day()
        return self._kept[source] >= self._kept_a_day

    def take(self, source: str, key: bytes = b"") -> bool:
        """True if a post of ``source`` may be kept. If not, it has been counted.

        ``key`` is the digest by which it is counted once. Opens a transaction of its own.
        """
        self._begin_day()
        if not self.is_full(source):
            self._kept[source] += 1
            return True
        if key and len(self._remembered) < _MAX_REMEMBERED:
            self._remembered.add(key)
        self._counted[source] += 1
        if self._counted[source] == 1 and not self._written[source]:
            self._write(began=source)
        return False

    def tick(self) -> None:
        """Write down what was counted, if it is time; the clock must be synced."""
        self._begin_day()
        due = self._work.clock.monotonic() - self._written_at >= _WRITE_SECONDS
        if due and self._is_news():
            self._write()

    def stop(self) -> None:
        """Write down what was counted."""
        if self._day is not None and self._is_news():
            self._write()

    def _is_news(self) -> bool:
        return any(posts > self._written[source] for source, posts in self._counted.items())

    def _begin_day(self) -> None:
        day = int(self._work.clock.now() // _DAY_SECONDS)
        if day == self._day:
            return
        self.stop()
        self._day = day
        floods = self._work.floods.all()
        if over := [flood for flood in floods if flood.day != day]:
            with self._work.transaction() as change:
                for flood in over:
                    self._close(change, flood)
        self._counted.clear()
        self._written = Counter({flood.source: flood.posts for flood in floods if flood.day == day})
        self._remembered.clear()
        self._kept = self._kept_since(day * _DAY_SECONDS)

    def _kept_since(self, midnight: float) -> Counter[str]:
        """The lines of today, by source."""
        kept: Counter[str] = Counter()
        try:
            for line in self._work.ledger.between(midnight, midnight + _DAY_SECONDS):
                if line.event in _KEPT_EVENTS:
                    kept[str(line.detail.get("requester", ANYBODY))] += 1
        except StorageFault as error:  # a line was changed: for `ledger verify`, not for us
            log.warning("the used part of today's measure is not known: %s", error)
        return kept

    def _write(self, began: str | None = None) -> None:
        day = self._day or 0
        with self._work.transaction() as change:
            if began is not None:
                change.note(Event.POSTS_FLOODED, began, self._about(began))
            for source, posts in self._counted.items():
                if posts > self._written[source]:
                    flood = Flood(day, source, posts)
                    change.floods.put(flood)
                    if source not in (*self._muted, *change.decisions.muted()):
                        notice = self._notice(flood, change.now)
                        self._notices.add(change, notice, since=day * _DAY_SECONDS)
        self._written |= self._counted  # the larger of each
        self._written_at = self._work.clock.monotonic()

    def _close(self, change: Change, flood: Flood) -> None:
        """Put the total of a flood on the ledger: its day is over."""
        over: dict[str, Json] = {"counted": flood.posts, "day": _date(flood.day)}
        change.note(Event.POSTS_FLOOD_OVER, flood.source, self._about(flood.source) | over)
        change.floods.close(flood)

    def _about(self, source: str) -> dict[str, Json]:
        about: dict[str, Json] = {"kept": self._kept_a_day}
        return {**about, "requester": source, "name": self._name(source)} if source else about

    def _name(self, source: str) -> str:
        card = self._work.parties.requesters.get(source)
        return card.name if card else source[:12]

    def _notice(self, flood: Flood, now: float) -> Notice:
        kept = self._kept_a_day
        who = self._name(flood.source) if flood.source else "Unknown senders"
        text = (
            f"On {_date(flood.day)} (UTC) the feed brought at least {flood.posts:,} posts more than"
            f" the {kept} a day that are recorded one by one. They were counted and not read, so"
            " nothing among them reaches you. Posts of others are not affected."
        )
        return Notice(
            kind="flood",
            at=int(now),
            until=None,
            who=who,
            title=f"{who}: {flood.posts:,} posts too many on {_date(flood.day)}",
            text=text,
            subject="",
        )


def _date(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * _DAY_SECONDS))
