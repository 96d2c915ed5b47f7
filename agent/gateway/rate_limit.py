"""How much of what is posted is kept one by one, and that the rest is only counted.

Each requester may have so many verified posts a day (UTC) on the record. What cannot be
verified (garbage, unknown signers, copies at a wrong place, false proofs, letters from
strangers) shares one such measure, under the empty source: what anybody can send must not
be held against a requester. What comes beyond it costs

- no row and no ledger line of its own: a flood has one line when it begins and one with
  its total when its day is over;
- no write of its own: it is counted in memory and written down once a minute at most;
- the owner one notice, which counts along.

What was counted is a least number: a crash loses the last minute's, and after a restart,
when what the broker retains comes once more, the larger count of the two runs stands. How
much of a day's measure was used before is read back from the ledger.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from agent.consent.statements import Notice
from agent.errors import StorageFault
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.feed import Feed, Flood
from agent.vault.records.ledger import Json

log = logging.getLogger(__name__)

ANYBODY: Final = ""  # the source of what cannot be verified

_DAY_SECONDS = 86_400
_WRITE_SECONDS = 60.0
_MAX_REMEMBERED = 20_000  # posts that were only counted, so that they are counted once
# The ledger lines that use up a measure.
_KEPT_EVENTS = frozenset(
    {
        "request.opened", "request.refused", "alert.received", "alert.refused",
        "withdrawal.received", "post.refused", "post.dropped", "post.waiting", "link.refused",
        "letter.refused", "decision.refused",
    }
)  # fmt: skip


class RateLimiter:
    """Measures posts by their source. ``names`` are those of the requesters, by fingerprint.

    Nobody is told of the flood of a requester that is ``muted``.
    """

    def __init__(
        self,
        *,
        work: UnitOfWork,
        feed: Feed,
        notices: NoticeBoard,
        names: Mapping[str, str],
        muted: Callable[[str], bool],
        kept_a_day: int,
    ) -> None:
        self._work = work
        self._feed = feed
        self._notices = notices
        self._names = names
        self._muted = muted
        self._kept_a_day = kept_a_day
        self._day: int | None = None
        self._kept: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._written_at = 0.0  # monotonic
        self._remembered: set[bytes] = set()

    def counted_before(self, *keys: bytes) -> bool:
        """Whether what has one of these digests was only counted already today."""
        return not self._remembered.isdisjoint(keys)

    def is_full(self, source: str) -> bool:
        """Whether the measure of ``source`` is used up."""
        self._begin_day()
        return self._kept[source] >= self._kept_a_day

    def take(self, source: str, key: bytes = b"") -> bool:
        """Whether a post of ``source`` may be kept. If not, it has been counted.

        Not to be called inside a transaction. ``key`` is the digest by which it is counted once.
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
        floods = self._feed.floods()
        if over := [flood for flood in floods if flood.day != day]:
            with self._work.index.transaction():
                for flood in over:
                    self._close(flood)
        self._counted.clear()
        self._written = Counter({flood.source: flood.posts for flood in floods if flood.day == day})
        self._remembered.clear()
        self._kept = self._kept_since(day * _DAY_SECONDS)

    def _kept_since(self, midnight: float) -> Counter[str]:
        """What the ledger says of today, by source."""
        kept: Counter[str] = Counter()
        try:
            for line in self._work.ledger.between(midnight, midnight + _DAY_SECONDS):
                if line.event in _KEPT_EVENTS:
                    kept[str(line.detail.get("requester", ANYBODY))] += 1
        except StorageFault as error:  # a line was changed: for `ledger verify`, not for us
            log.warning("how much of today's measure was used is not known: %s", error)
        return kept

    def _write(self, began: str | None = None) -> None:
        now = self._work.clock.now()
        day = self._day or 0
        with self._work.index.transaction():
            if began is not None:
                self._work.note("posts.flooded", began, self._about(began))
            for source, posts in self._counted.items():
                if posts > self._written[source]:
                    flood = Flood(day, source, posts)
                    self._feed.put_flood(flood)
                    if not self._muted(source):
                        self._notices.add(self._notice(flood, now), since=day * _DAY_SECONDS)
        self._written |= self._counted  # the larger of each
        self._written_at = self._work.clock.monotonic()

    def _close(self, flood: Flood) -> None:
        """The last word on a flood whose day is over."""
        detail: dict[str, Json] = {**self._about(flood.source), "counted": flood.posts}
        detail["day"] = _date(flood.day)
        self._work.note("posts.flood-over", flood.source, detail)
        self._feed.drop_flood(flood)

    def _about(self, source: str) -> dict[str, Json]:
        about: dict[str, Json] = {"kept": self._kept_a_day}
        return {**about, "requester": source, "name": self._name(source)} if source else about

    def _name(self, source: str) -> str:
        return self._names.get(source, source[:12])

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
