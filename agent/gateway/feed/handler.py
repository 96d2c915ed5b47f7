"""From a post on the public feed to an open request, or a refusal on the ledger.

Each post passes the stages of :class:`FeedHandler` in order; each refuses by the name of a rule:

1. size, strict decoding, a known signer, its signature (``_verify``);
2. its own id in the topic (``_check_topic``);
3. room in the day's measure of its author (``_check_room``);
4. a place in the public log that the owner has pinned (:mod:`.log_check`);
5. the policy, and what follows from it (:mod:`.admission`, :mod:`.withdrawals`).

A message that was judged before changes nothing and leaves no line: a retained topic or a
reconnection brings the same bytes again.

Nothing here ever speaks to the feed or the requester: a request that is refused,
unmatched or ignored causes no traffic towards either. Callers wait with posts while the
clock is not synced, since expiry is judged here.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import cached_property

from agent.consent import signing
from agent.consent.statements import MAX_STATEMENT_BYTES, Alert, LogPlace, Request, Withdrawal
from agent.consent.transparency import proof as logproof
from agent.errors import MalformedStatement, Refused
from agent.gateway.feed.admission import Admission
from agent.gateway.feed.log_check import LogCheck, Unsettled
from agent.gateway.feed.post import Post, Verified
from agent.gateway.feed.withdrawals import Withdrawals
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.rate_limit import ANYBODY, RateLimiter
from agent.gateway.unit_of_work import UnitOfWork, reason
from agent.mqtt.topics import Topic
from agent.vault.records.events import Event

log = logging.getLogger(__name__)

_Statement = Request | Alert | Withdrawal
_KINDS: dict[str, type[_Statement]] = {
    "requests": Request,
    "alerts": Alert,
    "withdrawals": Withdrawal,
}
# Requests have rows.
_JUDGED = (Event.ALERT_RECEIVED, Event.ALERT_REFUSED, Event.WITHDRAWAL_RECEIVED)
_MAX_BYTES = MAX_STATEMENT_BYTES * 4 // 3 + 1024 + logproof.MAX_BYTES


class _Counted(Exception):
    """The post was only counted: its author has used up the day's measure."""


@dataclass(frozen=True, eq=False)
class FeedHandler:
    """Hears public posts."""

    work: UnitOfWork
    notices: NoticeBoard
    rate_limiter: RateLimiter
    log_check: LogCheck
    admission: Admission
    withdrawals: Withdrawals

    def start(self) -> None:
        """Pick up what an earlier run left."""
        self.log_check.start()
        self.notices.start()

    def review(self) -> None:
        """Close open requests that today's configuration would not admit."""
        self.admission.review()

    def tick(self) -> None:
        """Write down what is due, and take down expired notices; the clock must be synced."""
        self.rate_limiter.tick()
        self.log_check.tick()
        self.notices.tick()

    def stop(self) -> None:
        """Write down what is in memory."""
        self.rate_limiter.stop()
        self.log_check.stop()

    def receive(self, topic: Topic, payload: bytes) -> None:
        """Judge one message of the feed."""
        if not payload:
            return  # somebody emptied a retained topic; its post stays on the ledger
        if topic.kind == "log":
            self.log_check.link(payload)
        else:
            self._receive(Post.read(topic, payload))
        for post in self.log_check.settled():
            self._receive(post)

    def _receive(self, post: Post) -> None:
        if self._was_judged(post):
            return
        try:
            statement = self._verify(post)
            self._check_topic(post, statement)
            self._check_room(post, statement)
            log_place = self.log_check.check(post, statement.iss)
        except Unsettled:
            log.info("post %s waits for a link of the log", post.digest[:16])
        except _Counted:
            pass
        except Refused as error:
            self._refuse(post, error, ANYBODY)
        else:
            self._act(post, statement, log_place)

    def _was_judged(self, post: Post) -> bool:
        """True if the post was judged or counted before; the log's proof is looked at again.

        A refusal is remembered with its place and proof: a copy of a request at a wrong place
        or with a false proof, which anybody may post, must not keep the request itself from
        being heard. It is remembered with the terms, too: a stranger may be known later.
        """
        digest, key = post.digest, self._key(post)
        if self.rate_limiter.counted_before(bytes.fromhex(key), bytes.fromhex(digest)):
            return True
        if self.work.requests.get(digest) or self.work.ledger.tells(digest, *_JUDGED):
            self.log_check.witness(post)
            return True
        return self.work.ledger.tells(key, Event.POST_REFUSED)

    def _verify(self, post: Post) -> _Statement:
        if len(post.jws) + len(post.proof) > _MAX_BYTES:
            raise MalformedStatement("too-large", f"more than {_MAX_BYTES} bytes")
        kind = _KINDS[post.topic.kind]
        return signing.verify(post.jws, kind, self.work.parties.requester_keys)

    def _check_topic(self, post: Post, statement: _Statement) -> None:
        if post.topic.ids != (statement.jti,):
            raise MalformedStatement("wrong-topic", "posted under another id than its own")

    def _check_room(self, post: Post, statement: _Statement) -> None:
        """Count a post that is too many; withdrawals have their own rule in :mod:`.withdrawals`."""
        if isinstance(statement, Withdrawal) or not self.rate_limiter.is_full(statement.iss):
            return
        self.rate_limiter.take(statement.iss, bytes.fromhex(post.digest))
        raise _Counted

    def _act(self, post: Post, statement: _Statement, log_place: LogPlace | None) -> None:
        match statement:
            case Request():
                self.admission.request(Verified(post, statement, log_place))
            case Alert():
                self.admission.alert(Verified(post, statement, log_place))
            case Withdrawal():
                try:
                    self.withdrawals.receive(Verified(post, statement))
                except MalformedStatement as error:
                    self._refuse(post, error, statement.iss)

    @cached_property
    def _terms(self) -> bytes:
        """The cards and the log that posts are verified by; a refusal holds for these alone."""
        terms = "\n".join([self.log_check.terms, *sorted(self.work.parties.requesters)])
        return hashlib.sha256(terms.encode()).digest()

    def _key(self, post: Post) -> str:
        """Names a message among those that were refused."""
        return hashlib.sha256(self._terms + bytes.fromhex(post.key)).hexdigest()

    def _refuse(self, post: Post, error: Refused, source: str) -> None:
        key = self._key(post)
        if not self.rate_limiter.take(source, bytes.fromhex(key)):
            return
        detail = {**reason(error), "topic": post.place, "post": post.digest}
        if source:
            detail["requester"] = source
        with self.work.transaction() as change:
            change.note(Event.POST_REFUSED, key, detail)
        log.info(
            "post %s refused: %s", post.digest[:16], error.rule, extra={"request": post.digest}
        )
        log.debug("%s", error.message)  # it may quote the post
