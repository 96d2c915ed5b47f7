"""From a post on the public feed to a case for the owner's inbox, or a refusal on record.

The way of a post (DESIGN, section 8), each step refusing by name:

1. size, and that exactly this message was not judged before: a retained topic or a
   reconnect brings the same bytes again, which changes nothing and leaves no line;
2. strict decoding, a known signer, its signature, the right topic;
3. room in the day's measure of its author (:mod:`.flood`);
4. publicness: it stands in the log that the owner has pinned (:mod:`.publiclog`);
5. the policy, which includes that the area holds this place;
6. one ledger line for whatever came of it, and the inbox, if anything is to be done.

Nothing here ever speaks to the feed or the requester: a request that is refused,
unmatched or ignored causes no traffic towards either. Callers wait with posts while the
clock is not synced, since expiry is judged here.

A text posted under the id of an earlier one is a request of its own, never open, and
kept beside the first (``jti-reused``): who was told of the first learns of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from agent.config import Place, Requests
from agent.consent import alerts, area, lifecycle, logproof, policy, signing
from agent.consent.signing import PublicKey, RequesterCard
from agent.consent.statements import (
    MAX_STATEMENT_BYTES,
    Alert,
    LogPlace,
    Notice,
    Request,
    Statement,
    Withdrawal,
)
from agent.errors import InternalFault, MalformedStatement, Refused, RequestRefused
from agent.gateway.desk import Desk
from agent.gateway.flood import ANYBODY, Floods
from agent.gateway.inbox import Inbox
from agent.gateway.notices import NoticeBoard
from agent.gateway.publiclog import Post, Publicness, Unsettled
from agent.topics import Topic
from agent.vault.cases import RequestCase
from agent.vault.ledger import Json

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Statement)

_WITHDRAWN_BEFORE = "withdrawal.early"
_MAX_BYTES = MAX_STATEMENT_BYTES * 4 // 3 + 1024 + logproof.MAX_BYTES
_UNHEARD = ("requester-muted", "kind-not-accepted")  # the owner wants to know nothing of these


class Posts:
    """Judges public posts."""

    def __init__(
        self,
        *,
        desk: Desk,
        inbox: Inbox,
        notices: NoticeBoard,
        floods: Floods,
        public_log: Publicness,
        place: Place,
        rules: Requests,
        requesters: Mapping[str, RequesterCard],
        max_clip_age_seconds: float,
        allow_loopback_http: bool,
    ) -> None:
        self._desk = desk
        self._inbox = inbox
        self._notices = notices
        self._floods = floods
        self._log = public_log
        self._place = place
        self._rules = rules
        self._requesters = requesters
        self._keys: dict[str, PublicKey] = {id_: card.key for id_, card in requesters.items()}
        self._max_clip_age_seconds = max_clip_age_seconds
        self._allow_loopback_http = allow_loopback_http

    def start(self) -> None:
        """Pick up what an earlier run left."""
        self._log.start()
        self._notices.start()

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
        key = post.key
        if self._floods.counted_before(bytes.fromhex(key)):
            return
        digest = post.digest
        if self._known(digest):
            self._log.witness(post)
            return
        # A refusal is remembered with its place and proof. Otherwise a copy of somebody's
        # request at a wrong place, or with a false proof, which anybody may post, would keep
        # the request itself from being heard. It is not held against its author either.
        if self._desk.ledger.mentions(key):
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
        """Whether the statement was judged; that it was withdrawn before is no judgement."""
        if self._desk.cases.request(digest) is not None:
            return True
        return self._desk.ledger.mentions(digest, besides=_WITHDRAWN_BEFORE)

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
                    self._judge_request, request, post.jws.decode("ascii"), digest, place
                )
            case "alerts":
                alert = self._verify(post, Alert)
                if not self._has_room(post, alert.iss):
                    return _nothing
                return partial(self._judge_alert, alert, digest, self._log.check(post, alert.iss))
            case "withdrawals":
                return partial(self._withdraw, self._verify(post, Withdrawal), post, digest)
        raise InternalFault(f"the feed has no topic {post.topic.kind}")

    def _has_room(self, post: Post, source: str) -> bool:
        """Whether one more of its author may be kept today; else it has been counted."""
        return not self._floods.is_full(source) or self._floods.take(
            source, bytes.fromhex(post.key)
        )

    def _verify(self, post: Post, kind: type[S]) -> S:
        statement = signing.verify(post.jws, kind, self._keys)
        if post.topic.ids != (statement.jti,):
            raise MalformedStatement("wrong-topic", "posted under another id than its own")
        return statement

    def _refuse(self, post: Post, error: Refused, source: str) -> None:
        if not self._floods.take(source, bytes.fromhex(post.key)):
            return
        detail: dict[str, Json] = {
            "rule": error.rule,
            "why": error.message[:200],
            "topic": post.place,
            "post": post.digest,
        }
        if source:
            detail["requester"] = source
        with self._desk.index.transaction():
            self._desk.note("post.refused", post.key, detail)
        log.info("post %s refused: %s (%s)", post.digest[:16], error.rule, error.message)

    # Requests

    def _judge_request(
        self, request: Request, jws: str, digest: str, place: LogPlace | None
    ) -> None:
        self._floods.take(request.iss)
        now = self._desk.clock.now()
        rule, why = self._refusal(request, now)
        first = self._desk.cases.first_post(request.iss, request.jti)
        about = {**self._about(request, place), "kind": request.kind}
        about["reference"] = request.reference
        if first:
            about["first_post"] = first
        with self._desk.index.transaction():
            self._desk.cases.add_request(
                RequestCase(
                    digest=digest,
                    jws=jws,
                    jti=request.jti,
                    requester=request.iss,
                    reference=request.reference,
                    state=lifecycle.advance(
                        lifecycle.REQUEST, "RECEIVED", "refuse" if rule else "admit"
                    ),
                    rule=rule,
                    received_at=now,
                    window_start=request.window.start,
                    window_end=request.window.end,
                    expires_at=request.exp,
                    kind=request.kind,
                    incident=request.incident,
                    square_miles=_size(request, rule),
                    first_post=first,
                    log_origin=place.origin if place else "",
                    log_index=place.index if place else None,
                    log_size=place.size if place else None,
                )
            )
            self._log.write()
            if rule:
                about |= {"rule": rule, "why": why}
                self._desk.note("request.refused", digest, about)
                if first and rule not in _UNHEARD:
                    self._note_edit(first, request, at=now)
            else:
                self._desk.note("request.opened", digest, about)
                if self._withdrawn_before(digest, request.iss):
                    self._inbox.close(digest, "withdraw", {}, at=now)
                else:
                    self._inbox.match(digest)
        log.info("request %s from %s: %s", digest[:16], about["name"], rule or "open")

    def _about(self, statement: Statement, place: LogPlace | None) -> dict[str, Json]:
        """What the ledger says of any verified post."""
        name = self._requesters[statement.iss].name
        about: dict[str, Json] = {"requester": statement.iss, "name": name}
        if place is not None:
            about["log"] = {"origin": place.origin, "index": place.index, "size": place.size}
        return about

    def _refusal(self, request: Request, now: float) -> tuple[str, str]:
        """The rule that refuses ``request`` and why; two empty texts when it is admitted."""
        history = self._desk.cases.history(request.iss, request.reference, request.jti, now=now)
        try:
            policy.judge(
                request,
                rules=self._current_rules(),
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

    def _current_rules(self) -> Requests:
        """The rules of the configuration, and whom owners have muted since."""
        muted = (*self._rules.muted, *self._desk.cases.muted())
        return msgspec.structs.replace(self._rules, muted=muted)

    def _withdrawn_before(self, digest: str, author: str) -> bool:
        """Whether its author withdrew a request before it came."""
        said = self._desk.ledger.says(_WITHDRAWN_BEFORE, digest)
        return any(detail.get("requester") == author for detail in said)

    def _note_edit(self, first: str, request: Request, *, at: float) -> None:
        """Another text stands under the id of a request that the owner may have read."""
        case = self._desk.cases.request(first)
        if case is None or not self._inbox.told(case):
            return
        self._inbox.renew(first)
        notice = Notice(
            kind="edited",
            at=int(at),
            until=None,
            who=self._requesters[request.iss].name,
            title=f"Edited after it was posted: {request.title}",
            text=(
                f"Another text was posted under the id of the request {request.reference} that"
                " you were told of. Only the first text can be approved. Both are kept; the"
                " letter about the request shows them side by side."
            ),
            subject=first,
        )
        self._notices.add(notice)

    # Withdrawals and alerts

    def _withdraw(self, withdrawal: Withdrawal, post: Post, digest: str) -> None:
        """Close what it names, or, if that has not arrived yet, see that it never opens.

        Retained posts come in any order. What stops something is never too much.
        """
        author, now = withdrawal.iss, self._desk.clock.now()
        case = self._desk.cases.request(withdrawal.request)
        if case is not None and case.requester != author:
            why = "withdraws nothing that its signer posted"
            self._refuse(post, MalformedStatement("no-such-request", why), author)
            return
        stops = case is not None and (case.is_open or self._desk.cases.has_unsent(case.digest))
        if not stops and not self._floods.take(author, bytes.fromhex(post.key)):
            return
        about = {**self._about(withdrawal, None), "request": withdrawal.request}
        with self._desk.index.transaction():
            self._desk.note("withdrawal.received", digest, about)
            if case is None:
                self._desk.ledger.append(
                    _WITHDRAWN_BEFORE,
                    withdrawal.request,
                    {"requester": author, "withdrawal": digest},
                    at=now,
                )
                return
            told = self._inbox.told(case)
            if case.is_open:
                self._inbox.close(case.digest, "withdraw", {}, at=now)
            stopped = self._desk.cases.ask_to_stop("the request was withdrawn", request=case.digest)
            if stops and told:
                self._notices.add(self._withdrawal_notice(case, len(stopped), at=now))

    def _withdrawal_notice(self, case: RequestCase, stopped: int, *, at: float) -> Notice:
        try:
            what = signing.verify(case.jws, Request, self._keys).title
        except Refused:  # somebody exchanged it on the disk
            what = case.reference
        text = f"The request {case.reference} is no longer asked by its author."
        if stopped:
            text += (
                " What you had approved for it and was not sent yet is stopped."
                " What was sent cannot be brought back."
            )
        return Notice(
            kind="withdrawn",
            at=int(at),
            until=None,
            who=self._requesters[case.requester].name,
            title=f"Withdrawn: {what}",
            text=text,
            subject=case.digest,
        )

    def _judge_alert(self, alert: Alert, digest: str, place: LogPlace | None) -> None:
        """Information only: it stands on the owner's record, and nothing answers it."""
        self._floods.take(alert.iss)
        now = self._desk.clock.now()
        about = {**self._about(alert, place), "title": alert.title}
        try:
            alerts.judge(alert, rules=self._current_rules(), place=self._place, now=now)
        except RequestRefused as error:
            about |= {"rule": error.rule, "why": error.message[:200]}
            with self._desk.index.transaction():
                self._log.write()
                self._desk.note("alert.refused", digest, about)
            return
        with self._desk.index.transaction():
            self._log.write()
            self._desk.note("alert.received", digest, about)
            self._notices.add(
                Notice(
                    kind="alert",
                    at=int(now),
                    until=alert.exp,
                    who=self._requesters[alert.iss].name,
                    title=alert.title,
                    text=alert.text,
                    subject=digest,
                )
            )


def _nothing() -> None:
    """What there is to do about a post that was only counted."""


def _size(request: Request, rule: str) -> float | None:
    """The size of the area in square miles; None if it cannot be measured."""
    try:
        if rule:  # or else it has been checked
            area.check(request.area)
    except RequestRefused:
        return None
    return area.square_miles(request.area)
