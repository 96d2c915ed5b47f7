"""Whether a post is public, as far as this device has seen: the log's view, kept and used.

What to believe of a log is decided in :mod:`agent.consent.transparency.view`. Here

- the view is read at the start, and written down with each post that counts on it, else
  once a minute and at the end: links come again from the broker, which retains them;
- posts whose checkpoint no link has led to yet wait (:mod:`.waiting`); what waits in vain,
  and what has to go for others, gets a line on the record;
- what the log did wrong becomes a ledger line, and what the owner must know, a notice.

A log that has forked is not believed any more: what needs it is refused as ``log-forked``
until the owner, who has both notes as evidence on the ledger, pins another key.

An alert needs the log as much as a request: what one household alone gets to see is not
public. A withdrawal does not: it can only stop, and stopping must not depend on a log.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Final

from agent.consent.statements import LogPlace, Notice
from agent.consent.transparency.proof import LogPolicy
from agent.consent.transparency.view import Included, LogView, Waiting
from agent.errors import InternalFault, NotPublic
from agent.gateway.feed.pending import PendingPosts, Post
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.rate_limit import ANYBODY, RateLimiter
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.feed import Feed
from agent.vault.records.ledger import Json

log = logging.getLogger(__name__)

LOG_FORKED: Final = "log.forked"  # the line whose subject is the origin of the log
_WRITE_SECONDS = 60.0
_NEEDS_LOG = frozenset({"requests", "alerts"})


class Publicness:
    """Says of a verified post whether it is public. This one asks for nothing
    (``feed.log: off``); the methods of :class:`PinnedLog` do.
    """

    @property
    def terms(self) -> str:
        """What it asks for, in words that change when that does."""
        return ""

    def start(self) -> None:
        """Pick up what an earlier run left."""

    def check(self, post: Post, source: str) -> LogPlace | None:  # noqa: ARG002
        """Where the post stands; None if it need not stand anywhere.

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

    def write(self) -> None:
        """Inside a transaction: write down what is believed, if that is news."""

    def tick(self) -> None:
        """Write it down when it is time."""

    def stop(self) -> None:
        """Write it down."""


class Unsettled(Exception):
    """Nothing is known yet of a post that waits for a link of its log."""


class PinnedLog(Publicness):
    """The one log whose key the owner has pinned.

    Unless it is ``required``, a post without a proof counts too, but a false one does not.
    ``forked`` is called, inside the transaction, with the origin of a log that was convicted.
    """

    def __init__(
        self,
        *,
        work: UnitOfWork,
        feed: Feed,
        notices: NoticeBoard,
        floods: RateLimiter,
        policy: LogPolicy,
        required: bool,
        forked: Callable[[str], None],
    ) -> None:
        self._work = work
        self._feed = feed
        self._notices = notices
        self._floods = floods
        self._policy = policy
        self._required = required
        self._forked = forked
        self._view = LogView(policy)
        self._written: LogView | None = None
        self._written_at = 0.0  # monotonic
        self._is_news = False
        self._waiting = PendingPosts()

    @property
    def terms(self) -> str:
        """See :class:`Publicness`."""
        policy = self._policy
        keys = " ".join(key.text for key in (policy.key, *policy.witnesses))
        return f"{self._required} {policy.witnesses_needed} {keys}"

    def start(self) -> None:
        """See :class:`Publicness`; StorageFault if what was kept is damaged."""
        origin = self._policy.origin
        text = self._feed.log_view(origin)
        if text is not None:
            self._view = LogView.from_text(text, self._policy)
        if text is not None and self._view.text() == text:
            self._written = self._view
            return
        if text is None or LogView(self._policy).text() == self._view.text():
            detail: dict[str, Json] = {"origin": origin, "key": self._policy.key.text}
            with self._work.index.transaction():
                self._work.note("log.pinned", "", detail)
                self.write()

    def check(self, post: Post, source: str) -> LogPlace | None:
        """See :class:`Publicness`."""
        if post.topic.kind not in _NEEDS_LOG or not (self._required or post.proof):
            return None
        view, answer = self._view.check(post.jws, post.proof)
        self._adopt(view)
        match answer:
            case Included(index=index, size=size):
                self._waiting.forget(post.digest)
                return LogPlace(origin=self._policy.origin, index=index, size=size)
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
        """See :class:`Publicness`."""
        if post.topic.kind in _NEEDS_LOG and post.proof:
            view, _ = self._view.check(post.jws, post.proof)
            self._adopt(view)

    def link(self, payload: bytes) -> None:
        """See :class:`Publicness`."""
        view = self._view.advance(payload)
        refused = [trouble for trouble in view.troubles if trouble.rule != "checkpoint-forked"]
        self._adopt(view)
        subject = hashlib.sha256(payload).hexdigest()
        if refused and not self._work.ledger.tells(subject, "link.refused"):
            self._refuse_link(refused[0], subject)

    def settled(self) -> list[Post]:
        """See :class:`Publicness`."""
        if not self._is_news:
            return []
        self._is_news = False
        return self._waiting.take(self._view.knows)

    def write(self) -> None:
        """See :class:`Publicness`."""
        if self._view != self._written:
            self._feed.put_log_view(self._policy.origin, self._view.text())
            self._written, self._written_at = self._view, self._work.clock.monotonic()

    def tick(self) -> None:
        """See :class:`Publicness`."""
        now = self._work.clock.monotonic()
        if now - self._written_at >= _WRITE_SECONDS:
            self.stop()
        for post, source in list(self._waiting.overdue(now)):
            self._note_waiting(post, source)

    def stop(self) -> None:
        """See :class:`Publicness`."""
        if self._view != self._written:
            with self._work.index.transaction():
                self.write()

    def _adopt(self, view: LogView) -> None:
        """Believe ``view`` from now on; a fork is written down at once, with its evidence."""
        before, self._view = self._view, view
        self._is_news |= view.heads is not before.heads or view.fork is not before.fork
        if view.fork is None or before.fork is not None:
            return
        digests = [hashlib.sha256(note.encode()).hexdigest() for note in view.fork]
        origin = self._policy.origin
        detail: dict[str, Json] = {
            "origin": origin,
            "digests": digests,
            "notes": list(view.fork),
        }
        with self._work.index.transaction():
            self._work.note(LOG_FORKED, origin, detail)
            self.write()
            self._forked(origin)
            self._notices.add(_fork_notice(origin, at=self._work.clock.now()))
        log.error("the public log %s has signed two different pasts", origin)

    def _wait(self, post: Post, source: str, size: int) -> None:
        """Keep a post for later, and if there are too many now, let one go."""
        gone = self._waiting.add(post, source, size, now=self._work.clock.monotonic())
        if gone is None:
            return
        dropped, busiest = gone
        if self._floods.take(busiest, bytes.fromhex(dropped.digest)):
            detail: dict[str, Json] = {
                "rule": "log-link-missing",
                "why": "too many posts wait for links of the log",
                "topic": dropped.place,
                "post": dropped.digest,
                "requester": busiest,
            }
            # Its subject is not the post's: it may come again, and then be judged.
            with self._work.index.transaction():
                self._work.note("post.dropped", "", detail)

    def _note_waiting(self, post: Post, source: str) -> None:
        """What waits in vain was asked all the same. It goes on waiting, and after a restart
        it comes again. What is more than the day's measure of its author is counted, and waits
        no longer: like all that is only counted, it is heard when it comes on another day.
        """
        if self._work.ledger.tells(post.digest, "post.waiting"):
            return
        if not self._floods.take(source, bytes.fromhex(post.digest)):
            self._waiting.forget(post.digest)
            return
        detail: dict[str, Json] = {
            "rule": "log-link-missing",
            "why": "nothing shows that the log only grew to hold it",
            "topic": post.place,
            "requester": source,
        }
        with self._work.index.transaction():
            self._work.note("post.waiting", post.digest, detail)

    def _refuse_link(self, trouble: NotPublic, subject: str) -> None:
        """Anybody who may write to the feed can have made it up: a line, and no more."""
        if not self._floods.take(ANYBODY, bytes.fromhex(subject)):
            return
        detail: dict[str, Json] = {"rule": trouble.rule, "why": trouble.message[:200]}
        with self._work.index.transaction():
            self._work.note("link.refused", subject, detail)


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
