"""The public log that posts must stand in, as far as this device has seen it.

:mod:`agent.consent.transparency.view` decides what to believe of a log. Here

- the view is read at the start, and written down with each post that relies on it, else
  once a minute and at the end: links come again from the broker, which retains them;
- posts whose checkpoint no link has led to yet wait (:mod:`.pending`); a post that waits in
  vain, or is dropped for others, gets a ledger line;
- a fault of the log becomes a ledger line, and if the owners must know it, a notice.

A log that has forked is not believed any more: posts that need it are refused as ``log-forked``
until the owner, who has both notes as evidence on the ledger, pins another key.

Alerts need the log as much as requests: a post that only one household gets to see is not
public. Withdrawals do not: they only stop things, and stopping must not depend on a log.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.consent.statements import LogPlace, Notice
from agent.consent.transparency.proof import LogPolicy
from agent.consent.transparency.view import Included, LogView, Waiting
from agent.errors import InternalFault, NotPublic
from agent.gateway.feed.pending import PendingPosts
from agent.gateway.feed.post import Post
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.rate_limit import ANYBODY, RateLimiter
from agent.gateway.unit_of_work import Change, UnitOfWork, reason
from agent.vault.records.events import Event
from agent.vault.records.ledger import Json

log = logging.getLogger(__name__)

_WRITE_SECONDS: Final = 60.0
_NEEDS_LOG = frozenset({"requests", "alerts"})


class Unsettled(Exception):
    """Nothing is known yet of a post that waits for a link of its log."""


class LogCheck:
    """Checks that verified posts are public; by default they need not stand in any log."""

    @property
    def terms(self) -> str:
        """The demands on a post, in words that change when they do."""
        return ""

    def start(self) -> None:
        """Pick up what an earlier run left."""

    def check(self, post: Post, source: str) -> LogPlace | None:  # noqa: ARG002
        """The place of the post; None if it needs none.

        Raises :class:`NotPublic`, or :class:`Unsettled` when it will be asked about again.
        """
        return None

    def witness(self, post: Post) -> None:
        """Look at the proof of a post that was judged before: it might convict the log."""

    def link(self, payload: bytes) -> None:
        """Take in a link."""

    def settled(self) -> list[Post]:
        """The posts that were waiting, and need wait no longer."""
        return []

    def write(self, change: Change) -> None:
        """Write the view down, if it is new."""

    def tick(self) -> None:
        """Write the view down when it is time."""

    def stop(self) -> None:
        """Write the view down in a transaction of its own."""


class NoLog(LogCheck):
    """Demands nothing: ``feed.log: off``."""


@dataclass(eq=False)
class PinnedLog(LogCheck):
    """The one log whose key the owner has pinned.

    Unless it is ``required``, a post without a proof counts too, but a false one does not.
    ``forked`` is called with the origin of a log that was convicted.
    """

    work: UnitOfWork
    notices: NoticeBoard
    rate_limiter: RateLimiter
    policy: LogPolicy
    required: bool
    forked: Callable[[Change, str], None]

    def __post_init__(self) -> None:
        """Nothing is known of the log yet."""
        self._view = LogView(self.policy)
        self._written: LogView | None = None
        self._written_at = 0.0  # monotonic
        self._is_news = False
        self._waiting = PendingPosts()

    @property
    def terms(self) -> str:
        """See :class:`LogCheck`."""
        policy = self.policy
        keys = " ".join(key.text for key in (policy.key, *policy.witnesses))
        return f"{self.required} {policy.witnesses_needed} {keys}"

    def start(self) -> None:
        """See :class:`LogCheck`; StorageFault if what was kept is damaged."""
        origin = self.policy.origin
        text = self.work.logs.view(origin)
        if text is not None:
            self._view = LogView.from_text(text, self.policy)
        if text is not None and self._view.text() == text:
            self._written = self._view
            return
        if text is None or LogView(self.policy).text() == self._view.text():
            detail: dict[str, Json] = {"origin": origin, "key": self.policy.key.text}
            with self.work.transaction() as change:
                change.note(Event.LOG_PINNED, "", detail)
                self.write(change)

    def check(self, post: Post, source: str) -> LogPlace | None:
        """See :class:`LogCheck`."""
        if post.topic.kind not in _NEEDS_LOG or not (self.required or post.proof):
            return None
        view, answer = self._view.check(post.jws, post.proof)
        self._adopt(view)
        match answer:
            case Included(index=index, size=size):
                self._waiting.forget(post.digest)
                return LogPlace(origin=self.policy.origin, index=index, size=size)
            case Waiting(size=size):
                self._wait(post, source, size)
                raise Unsettled
            case NotPublic(rule="checkpoint-forked"):
                why = "the public log has signed two different pasts"
                raise NotPublic("log-forked", why) from answer
            case NotPublic():
                raise answer
        raise InternalFault(f"a log view answered {answer!r}")

    def witness(self, post: Post) -> None:
        """See :class:`LogCheck`."""
        if post.topic.kind in _NEEDS_LOG and post.proof:
            view, _ = self._view.check(post.jws, post.proof)
            self._adopt(view)

    def link(self, payload: bytes) -> None:
        """See :class:`LogCheck`."""
        view = self._view.advance(payload)
        refused = [trouble for trouble in view.troubles if trouble.rule != "checkpoint-forked"]
        self._adopt(view)
        subject = hashlib.sha256(payload).hexdigest()
        if refused and not self.work.ledger.tells(subject, Event.LINK_REFUSED):
            self._refuse_link(refused[0], subject)

    def settled(self) -> list[Post]:
        """See :class:`LogCheck`."""
        if not self._is_news:
            return []
        self._is_news = False
        return self._waiting.take(self._view.knows)

    def write(self, change: Change) -> None:
        """See :class:`LogCheck`."""
        if self._view != self._written:
            change.logs.put(self.policy.origin, self._view.text())
            self._written, self._written_at = self._view, self.work.clock.monotonic()

    def tick(self) -> None:
        """See :class:`LogCheck`."""
        now = self.work.clock.monotonic()
        if now - self._written_at >= _WRITE_SECONDS:
            self.stop()
        for post, source in list(self._waiting.overdue(now)):
            self._note_waiting(post, source)

    def stop(self) -> None:
        """See :class:`LogCheck`."""
        if self._view != self._written:
            with self.work.transaction() as change:
                self.write(change)

    def _adopt(self, view: LogView) -> None:
        """Believe ``view`` from now on; a fork is written down at once, with its evidence."""
        before, self._view = self._view, view
        self._is_news |= view.heads is not before.heads or view.fork is not before.fork
        if view.fork is None or before.fork is not None:
            return
        digests = [hashlib.sha256(note.encode()).hexdigest() for note in view.fork]
        origin = self.policy.origin
        detail: dict[str, Json] = {"origin": origin, "digests": digests, "notes": [*view.fork]}
        with self.work.transaction() as change:
            change.note(Event.LOG_FORKED, origin, detail)
            self.write(change)
            self.forked(change, origin)
            self.notices.add(change, _fork_notice(origin, at=change.now))
        log.error("the public log %s has signed two different pasts", origin)

    def _wait(self, post: Post, source: str, size: int) -> None:
        """Keep a post for later, and if there are too many now, let one go."""
        gone = self._waiting.add(post, source, size, now=self.work.clock.monotonic())
        if gone is None:
            return
        dropped, busiest = gone
        if self.rate_limiter.take(busiest, bytes.fromhex(dropped.digest)):
            why = "too many posts wait for links of the log"
            detail = {**_link_missing(dropped, busiest, why), "post": dropped.digest}
            # Its subject is not the post's: it may come again, and then be judged.
            with self.work.transaction() as change:
                change.note(Event.POST_DROPPED, "", detail)

    def _note_waiting(self, post: Post, source: str) -> None:
        """Put a post that waits in vain on the ledger, once; it goes on waiting.

        Beyond the day's measure of its author it is counted, and waits no longer: like all
        posts that are only counted, it is heard when it comes on another day.
        """
        if self.work.ledger.tells(post.digest, Event.POST_WAITING):
            return
        if not self.rate_limiter.take(source, bytes.fromhex(post.digest)):
            self._waiting.forget(post.digest)
            return
        why = "nothing shows that the log only grew to hold it"
        with self.work.transaction() as change:
            change.note(Event.POST_WAITING, post.digest, _link_missing(post, source, why))

    def _refuse_link(self, trouble: NotPublic, subject: str) -> None:
        """Only a ledger line: anybody who may write to the feed can have made it up."""
        if self.rate_limiter.take(ANYBODY, bytes.fromhex(subject)):
            with self.work.transaction() as change:
                change.note(Event.LINK_REFUSED, subject, reason(trouble))


def _link_missing(post: Post, source: str, why: str) -> dict[str, Json]:
    return {"rule": "log-link-missing", "why": why, "topic": post.place, "requester": source}


def _fork_notice(origin: str, *, at: float) -> Notice:
    return Notice(
        kind="log",
        at=int(at),
        until=None,
        who=origin[:120],
        title="The public log of requests has signed two different pasts",
        text=(
            f"The log {origin[:200]} shows different people different lists of requests, so it"
            " proves nothing any more. From now on no request and no alert that needs this log"
            " reaches you. Letters about requests that stood in it say so now: other people may"
            " never have seen them. Both signed notes are on the ledger as evidence: anybody with"
            " the log's key can check them. To hear requests again, pin the key of another log"
            " (feed.log_key), or do without one (feed.log: off)."
        ),
        subject="",
    )
