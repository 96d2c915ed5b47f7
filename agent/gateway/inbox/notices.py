"""One calm letter with everything that the owners should know and cannot answer.

Alerts, requests that were withdrawn or edited, floods, trouble with the public log: each is
a row, and all rows together one retained letter, written anew when they change. So a flood
is one line that counts, not a pile of letters.

- **Paused**: what comes in a pause is kept and shown when it ends, except for trouble
  with the log, which an owner wants to know at any time.
- **Closed** (``requests.accept: []``): nothing that somebody posts reaches the owners, except
  the withdrawal of a request that they had a letter about.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.consent.statements import Notice
from agent.gateway.unit_of_work import Change, UnitOfWork
from agent.mqtt import topics

SHOWN = 40  # as many as the statement has room for


@dataclass(eq=False)
class NoticeBoard:
    """Keeps the notices and the letter about them."""

    work: UnitOfWork
    closed: bool
    _renew_at: float | None = field(default=None, init=False)  # wall time

    def start(self) -> None:
        """Pick up what an earlier run left."""
        self._renew_at = self.work.notices.next_end()

    def add(self, change: Change, notice: Notice, *, since: int = 0) -> None:
        """Show ``notice``; see :meth:`NoticeWriter.put` for ``since``."""
        if self.closed and notice.kind != "withdrawn":
            return
        change.notices.put(notice, since=since)
        self.renew(change)

    def renew(self, change: Change) -> None:
        """Write the letter anew."""
        paused_at = change.decisions.paused_at()
        notices, more = change.notices.shown(at_most=SHOWN, now=change.now, paused_at=paused_at)
        topic = topics.notices(self.work.parties.device_name)
        change.put_letter(topic, self.work.write.notices(notices, more))
        change.notices.drop_expired(now=change.now)
        self._renew_at = change.notices.next_end()

    def tick(self) -> None:
        """Take down expired notices; the clock must be synced."""
        if self._renew_at is not None and self._renew_at <= self.work.clock.now():
            with self.work.transaction() as change:
                self.renew(change)
