"""From a post on the public feed to a letter for the owner.

The way of a request (DESIGN, section 8), each step refusing by name:

1. strict decoding and the signature of a known requester;
2. the policy, which includes that the area holds this place;
3. matching by window against the clips on disk;
4. one ledger line for whatever came of it;
5. if anything matches, a retained letter to the owner.

Nothing here ever speaks to the feed or the requester: a request that is refused,
unmatched or ignored causes no traffic towards either. A post is judged once; the
same bytes again (a retained topic, a reconnect) change nothing and leave no line.
Callers wait with posts while the clock is not synced, since expiry is judged here.
What an owner decides is for :mod:`.decisions`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from agent.clock import Clock
from agent.config import Place, Requests
from agent.consent import lifecycle, policy, signing
from agent.consent.signing import PublicKey, RequesterCard
from agent.consent.statements import Alert, Request, Statement, Withdrawal
from agent.errors import InternalFault, MalformedStatement, Refused, RequestRefused
from agent.gateway.inbox import Inbox
from agent.topics import Topic
from agent.vault.cases import Cases, RequestCase
from agent.vault.index import Index
from agent.vault.ledger import Ledger

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Statement)

_WITHDRAWN = "withdrawal.received"


class Posts:
    """Judges public posts."""

    def __init__(
        self,
        *,
        index: Index,
        cases: Cases,
        ledger: Ledger,
        inbox: Inbox,
        clock: Clock,
        place: Place,
        rules: Requests,
        requesters: Mapping[str, RequesterCard],
        max_clip_age_seconds: float,
        allow_loopback_http: bool,
    ) -> None:
        self._index = index
        self._cases = cases
        self._ledger = ledger
        self._inbox = inbox
        self._clock = clock
        self._place = place
        self._rules = rules
        self._requesters = requesters
        self._keys: dict[str, PublicKey] = {id_: card.key for id_, card in requesters.items()}
        self._max_clip_age_seconds = max_clip_age_seconds
        self._allow_loopback_http = allow_loopback_http

    def receive(self, topic: Topic, payload: bytes) -> None:
        """Judge one post of the feed. Lines after the first are its log proof, not read here."""
        if not payload:
            return  # somebody emptied a retained topic; what was posted stays on record
        post = payload.split(b"\n", 1)[0]
        digest = hashlib.sha256(post).hexdigest()
        place = f"{topic.kind}/{topic.ids[0]}"
        # A refusal is remembered with its place. Otherwise a copy of somebody's request at a
        # wrong place, which anybody may post, would keep the request itself from being heard.
        refused = hashlib.sha256(f"{place}\n{digest}".encode()).hexdigest()
        if self._known(digest) or self._ledger.mentions(refused):
            return
        try:
            self._judge(topic, post, digest)
        except Refused as error:
            why = error.message[:200]
            detail = {"rule": error.rule, "why": why, "topic": place, "post": digest}
            with self._index.transaction():
                self._ledger.append("post.refused", refused, detail, at=self._clock.now())
            log.info("post %s refused: %s (%s)", digest[:16], error.rule, error.message)

    def _known(self, digest: str) -> bool:
        return self._cases.request(digest) is not None or self._ledger.mentions(digest)

    def _judge(self, topic: Topic, post: bytes, digest: str) -> None:
        match topic.kind:
            case "requests":
                request = self._verify(post, Request, topic)
                self._judge_request(request, post.decode("ascii"), digest)
            case "withdrawals":
                self._withdraw(self._verify(post, Withdrawal, topic), digest)
            case "alerts":
                self._note_alert(self._verify(post, Alert, topic), digest)
            case other:
                raise InternalFault(f"the feed has no topic {other}")

    def _verify(self, post: bytes, kind: type[S], topic: Topic) -> S:
        statement = signing.verify(post, kind, self._keys)
        if topic.ids != (statement.jti,):
            raise MalformedStatement("wrong-topic", "posted under another id than its own")
        return statement

    def _judge_request(self, request: Request, jws: str, digest: str) -> None:
        now = self._clock.now()
        with self._index.transaction():
            rule, why = self._refusal(request, now)
            event = "refuse" if rule else "admit"
            self._cases.add_request(
                RequestCase(
                    digest=digest,
                    jws=jws,
                    jti=request.jti,
                    requester=request.iss,
                    reference=request.reference,
                    state=lifecycle.advance(lifecycle.REQUEST, "RECEIVED", event),
                    rule=rule,
                    received_at=now,
                    window_start=request.window.start,
                    window_end=request.window.end,
                    expires_at=request.exp,
                )
            )
            about = {
                "requester": request.iss,
                "name": self._requesters[request.iss].name,
                "kind": request.kind,
                "reference": request.reference,
            }
            if rule:
                self._ledger.append(
                    "request.refused", digest, {**about, "rule": rule, "why": why}, at=now
                )
                return
            self._ledger.append("request.opened", digest, about, at=now)
            if self._ledger.says(_WITHDRAWN, _withdrawal_of(digest, request.iss)):
                self._inbox.close(digest, "withdraw", {}, at=now)
            else:
                self._inbox.match(digest)
        log.info("request %s from %s: %s", digest[:16], about["name"], rule or "open")

    def _refusal(self, request: Request, now: float) -> tuple[str, str]:
        """The rule that refuses ``request`` and why; two empty texts when it is admitted."""
        rules = msgspec.structs.replace(
            self._rules, muted=(*self._rules.muted, *self._cases.muted())
        )
        history = self._cases.history(request.iss, request.reference, request.jti, now=now)
        try:
            policy.judge(
                request,
                rules=rules,
                place=self._place,
                requester=self._requesters[request.iss],
                history=history,
                now=now,
                max_clip_age_seconds=self._max_clip_age_seconds,
                allow_loopback_http=self._allow_loopback_http,
            )
        except RequestRefused as error:
            return error.rule, error.message[:200]
        return "", ""

    def _withdraw(self, withdrawal: Withdrawal, subject: str) -> None:
        """Close what it names, or, if that has not arrived yet, see that it never opens.

        Retained posts come in any order.
        """
        now = self._clock.now()
        case = self._cases.request(withdrawal.request)
        if case is not None and case.requester != withdrawal.iss:
            raise MalformedStatement("no-such-request", "withdraws nothing that its signer posted")
        with self._index.transaction():
            about = _withdrawal_of(withdrawal.request, withdrawal.iss)
            self._ledger.append(_WITHDRAWN, subject, about, at=now)
            if case is None:
                return
            if case.is_open:
                self._inbox.close(case.digest, "withdraw", {}, at=now)
            self._cases.ask_to_stop("the request was withdrawn", request=case.digest)

    def _note_alert(self, alert: Alert, subject: str) -> None:
        """Information only: it stands on the owner's record, and nothing answers it."""
        detail = {"requester": alert.iss, "title": alert.title}
        with self._index.transaction():
            self._ledger.append("alert.received", subject, detail, at=self._clock.now())


def _withdrawal_of(request: str, requester: str) -> dict[str, str]:
    """What the ledger says of a withdrawal, and is asked for when its request arrives."""
    return {"request": request, "requester": requester}
