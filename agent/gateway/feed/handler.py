"""From a post on the public feed to a case for the owner's inbox, or a refusal on record.

The way of a post, each step refusing by name:

1. size, and that exactly this message was not judged before: a retained topic or a
   reconnect brings the same bytes again, which changes nothing and leaves no line;
2. strict decoding, a known signer, its signature, the right topic;
3. room in the day's measure of its author (:mod:`.flood`);
4. publicness: it stands in the log that the owner has pinned (:mod:`.publiclog`);
5. the policy, and what follows from it: see :mod:`.judging` and :mod:`.withdrawals`.

Nothing here ever speaks to the feed or the requester: a request that is refused,
unmatched or ignored causes no traffic towards either. Callers wait with posts while the
clock is not synced, since expiry is judged here.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from agent.consent import signing
from agent.consent.cards import PublicKey, RequesterCard
from agent.consent.statements import (
    MAX_STATEMENT_BYTES,
    Alert,
    Request,
    Statement,
    Withdrawal,
)
from agent.consent.transparency import proof as logproof
from agent.errors import InternalFault, MalformedStatement, Refused
from agent.gateway.feed.admission import Admission
from agent.gateway.feed.log_check import Publicness, Unsettled
from agent.gateway.feed.pending import Post
from agent.gateway.feed.withdrawals import Withdrawals
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.rate_limit import ANYBODY, RateLimiter
from agent.gateway.unit_of_work import UnitOfWork
from agent.mqtt.topics import Topic
from agent.vault.records.ledger import Json

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Statement)

_JUDGED = ("alert.received", "alert.refused", "withdrawal.received")  # requests have rows
_MAX_BYTES = MAX_STATEMENT_BYTES * 4 // 3 + 1024 + logproof.MAX_BYTES


class FeedHandler:
    """Hears public posts."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        notices: NoticeBoard,
        floods: RateLimiter,
        public_log: Publicness,
        judge: Admission,
        withdrawals: Withdrawals,
        requesters: Mapping[str, RequesterCard],
    ) -> None:
        self._work = work
        self._notices = notices
        self._floods = floods
        self._log = public_log
        self._judge = judge
        self._withdrawals = withdrawals
        self._keys: dict[str, PublicKey] = {id_: card.key for id_, card in requesters.items()}
        self._terms = _terms(requesters, public_log)

    def start(self) -> None:
        """Pick up what an earlier run left."""
        self._log.start()
        self._notices.start()

    def review(self) -> None:
        """Close what is open and would not be admitted by the configuration of today."""
        self._judge.review()

    def tick(self) -> None:
        """Write down what waits for it, and take down what is over; the clock must be synced."""
        self._floods.tick()
        self._log.tick()
        self._notices.tick()

    def stop(self) -> None:
        """Write down what waits for it."""
        self._floods.stop()
        self._log.stop()

    # From bytes to a verified statement

    def receive(self, topic: Topic, payload: bytes) -> None:
        """Judge one message of the feed."""
        if not payload:
            return  # somebody emptied a retained topic; what was posted stays on record
        if topic.kind == "log":
            self._log.link(payload)
        else:
            self._receive(Post.read(topic, payload))
        for post in self._log.settled():
            self._receive(post)

    def _receive(self, post: Post) -> None:
        digest, key = post.digest, self._key(post)
        if self._floods.counted_before(bytes.fromhex(key), bytes.fromhex(digest)):
            return
        if self._known(digest):
            self._log.witness(post)
            return
        # A refusal is remembered with its place and proof. Otherwise a copy of somebody's
        # request at a wrong place, or with a false proof, which anybody may post, would keep
        # the request itself from being heard. It is not held against its author either. And
        # it is remembered with what was asked of posts then: who was unknown may be known now.
        if self._work.ledger.tells(key, "post.refused"):
            return
        try:
            act = self._read(post, digest)
        except Unsettled:
            log.info("post %s waits for a link of the log", digest[:16])
        except Refused as error:
            self._refuse(post, error, ANYBODY)
        else:
            act()

    def _known(self, digest: str) -> bool:
        """Whether the statement was judged."""
        if self._work.cases.request(digest) is not None:
            return True
        return self._work.ledger.tells(digest, *_JUDGED)

    def _read(self, post: Post, digest: str) -> Callable[[], None]:
        """What to do about a post, which is verified then; raises Refused or Unsettled."""
        if len(post.jws) + len(post.proof) > _MAX_BYTES:
            raise MalformedStatement("too-large", f"more than {_MAX_BYTES} bytes")
        match post.topic.kind:
            case "requests":
                request = self._verify(post, Request)
                if not self._has_room(post, request.iss):
                    return _nothing
                place = self._log.check(post, request.iss)
                return partial(
                    self._judge.request, request, post.jws.decode("ascii"), digest, place
                )
            case "alerts":
                alert = self._verify(post, Alert)
                if not self._has_room(post, alert.iss):
                    return _nothing
                return partial(self._judge.alert, alert, digest, self._log.check(post, alert.iss))
            case "withdrawals":
                return partial(self._withdraw, self._verify(post, Withdrawal), post, digest)
        raise InternalFault(f"the feed has no topic {post.topic.kind}")

    def _withdraw(self, withdrawal: Withdrawal, post: Post, digest: str) -> None:
        try:
            self._withdrawals.receive(withdrawal, digest)
        except MalformedStatement as error:
            self._refuse(post, error, withdrawal.iss)

    def _has_room(self, post: Post, source: str) -> bool:
        """Whether one more of its author may be kept today; else it has been counted."""
        return not self._floods.is_full(source) or self._floods.take(
            source,
            bytes.fromhex(post.digest),  # of which anybody may bring copies
        )

    def _verify(self, post: Post, kind: type[S]) -> S:
        statement = signing.verify(post.jws, kind, self._keys)
        if post.topic.ids != (statement.jti,):
            raise MalformedStatement("wrong-topic", "posted under another id than its own")
        return statement

    def _key(self, post: Post) -> str:
        """What names a message among those that were refused."""
        return hashlib.sha256(self._terms + bytes.fromhex(post.key)).hexdigest()

    def _refuse(self, post: Post, error: Refused, source: str) -> None:
        key = self._key(post)
        if not self._floods.take(source, bytes.fromhex(key)):
            return
        detail: dict[str, Json] = {
            "rule": error.rule,
            "why": error.message[:200],
            "topic": post.place,
            "post": post.digest,
        }
        if source:
            detail["requester"] = source
        with self._work.index.transaction():
            self._work.note("post.refused", key, detail)
        log.info("post %s refused: %s (%s)", post.digest[:16], error.rule, error.message)


def _terms(requesters: Mapping[str, RequesterCard], public_log: Publicness) -> bytes:
    """A digest of what a post needs to be verified: whose cards, and in which log it stands."""
    said = "\n".join([public_log.terms, *sorted(requesters)])
    return hashlib.sha256(said.encode()).digest()


def _nothing() -> None:
    """What there is to do about a post that was only counted."""
