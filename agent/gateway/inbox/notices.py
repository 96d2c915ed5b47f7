"""One calm letter with everything that the owner should know and cannot answer.

Alerts, requests that were withdrawn or edited, floods, trouble with the public log: each is
a row, and all rows together one retained letter, sealed and signed like any other, that
is written anew when they change. So a flood is one line that counts, not a pile of letters.

- **Paused**: what comes in a pause is kept and shown when it ends, except for trouble
  with the log, which an owner wants to know at any time.
- **Closed** (``requests.accept: []``): nothing that somebody posts reaches the owner. Only
  that a request which they had a letter about was withdrawn is still said.

What stands in a notice is said by whoever adds one, and is a ledger line there.
"""

from __future__ import annotations

from agent.consent.statements import Notice
from agent.gateway.unit_of_work import UnitOfWork
from agent.mqtt import topics
from agent.vault.records.feed import Feed

SHOWN = 40  # as many as the statement has room for


class NoticeBoard:
    """Keeps the notices and the letter about them."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        feed: Feed,
        closed: bool,
    ) -> None:
        self._work = work
        self._feed = feed
        self._topic = topics.notices(work.device_name)
        self._closed = closed
        self._renew_at: float | None = None  # wall time

    def start(self) -> None:
        """Pick up what an earlier run left."""
        self._renew_at = self._feed.next_overtaken()

    def add(self, notice: Notice, *, since: int = 0) -> None:
        """Inside a transaction: show ``notice``; see :meth:`Feed.put_notice` for ``since``."""
        if self._closed and notice.kind != "withdrawn":
            return
        self._feed.put_notice(notice, since=since)
        self.renew()

    def renew(self) -> None:
        """Inside a transaction: write the letter anew."""
        now = self._work.clock.now()
        notices, more = self._feed.notices(
            at_most=SHOWN, now=now, paused_at=self._work.cases.paused_at()
        )
        letter = self._work.reports.notices(
            notices, more=more, head=self._work.ledger.head(), at=now
        )
        self._work.letters.put(self._topic, letter, at=now)
        self._feed.drop_overtaken(now=now)
        self._renew_at = self._feed.next_overtaken()

    def tick(self) -> None:
        """Take down what time has overtaken; the clock must be synced."""
        if self._renew_at is not None and self._renew_at <= self._work.clock.now():
            with self._work.index.transaction():
                self.renew()
