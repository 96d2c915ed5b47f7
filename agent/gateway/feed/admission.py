"""Whether a verified post reaches the owner: requests and alerts, by the policy.

Whatever comes of a post is one ledger line, in one transaction with all else that changes:
the row of the request, its match set and letter, what is believed of the public log.

A text posted under the id of an earlier one is a request of its own, never open, and
kept beside the first (``jti-reused``): who was told of the first learns of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from agent.config import Place, Requests
from agent.consent import lifecycle
from agent.consent.cards import RequesterCard
from agent.consent.policy import alerts, area
from agent.consent.policy import requests as policy
from agent.consent.statements import (
    LEGAL_ORDER,
    Alert,
    LogPlace,
    Notice,
    Request,
    Statement,
)
from agent.errors import RequestRefused
from agent.gateway.feed.log_check import Publicness
from agent.gateway.feed.withdrawals import Withdrawals, author_of
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.rate_limit import RateLimiter
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.ledger import Json
from agent.vault.records.requests import RequestCase

log = logging.getLogger(__name__)

_UNHEARD = ("requester-muted", "kind-not-accepted")  # the owner wants to know nothing of these


class Admission:
    """Judges posts whose signature, and whose place in the public log, are good."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        inbox: OpenRequests,
        notices: NoticeBoard,
        floods: RateLimiter,
        public_log: Publicness,
        withdrawals: Withdrawals,
        place: Place,
        rules: Requests,
        requesters: Mapping[str, RequesterCard],
        max_clip_age_seconds: float,
        allow_loopback_http: bool,
    ) -> None:
        self._work = work
        self._inbox = inbox
        self._notices = notices
        self._floods = floods
        self._log = public_log
        self._withdrawals = withdrawals
        self._place = place
        self._rules = rules
        self._requesters = requesters
        self._max_clip_age_seconds = max_clip_age_seconds
        self._allow_loopback_http = allow_loopback_http

    def request(self, request: Request, jws: str, digest: str, place: LogPlace | None) -> None:
        """Admit ``request``, posted as ``jws`` and standing at ``place``, or refuse it."""
        self._floods.take(request.iss)
        now = self._work.clock.now()
        surveyed = area.survey(request.area)  # costs the most: once, and outside the transaction
        rule, why = self._refusal(request, surveyed, now, self._current_rules())
        unmuted = msgspec.structs.replace(self._rules, muted=())
        is_order_of_muted = (
            rule == "requester-muted"
            and request.kind == LEGAL_ORDER
            and not any(self._refusal(request, surveyed, now, unmuted))
        )
        first = self._work.cases.first_post(request.iss, request.jti)
        about = {**self._about(request, place), "kind": request.kind}
        about["reference"] = request.reference
        if first:
            about["first_post"] = first
        with self._work.index.transaction():
            self._work.cases.add_request(
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
                    square_miles=surveyed.square_miles,
                    first_post=first,
                    log_origin=place.origin if place else "",
                    log_index=place.index if place else None,
                    log_size=place.size if place else None,
                )
            )
            self._log.write()
            if rule:
                about |= {"rule": rule, "why": why}
                self._work.note("request.refused", digest, about)
                if first and rule not in _UNHEARD:
                    self._note_edit(first, request, at=now)
                if is_order_of_muted:
                    self._notices.add(self._order_of_muted(request, digest, at=now))
            else:
                self._work.note("request.opened", digest, about)
                if self._withdrawals.came_before(digest, request.iss):
                    self._inbox.close(digest, "withdraw", {}, at=now)
                else:
                    self._inbox.match(digest)
        log.info("request %s from %s: %s", digest[:16], about["name"], rule or "open")

    def review(self) -> None:
        """Close the open requests of a kind or an author that the configuration hears no more.

        A legal demand of somebody it mutes stays, as it does when an owner mutes them.
        """
        now = self._work.clock.now()
        for case in self._work.cases.open_requests():
            if case.requester not in self._requesters:
                why = "the requester's card was taken away"
            elif case.kind not in self._rules.accept:
                why = "requests of its kind are not accepted any more"
            elif case.requester in self._rules.muted and case.kind != LEGAL_ORDER:
                why = "the configuration mutes the requester"
            else:
                continue
            with self._work.index.transaction():
                self._inbox.decline(case.digest, {"why": why}, at=now)
            log.info("request %s closed: %s", case.digest[:16], why)

    def alert(self, alert: Alert, digest: str, place: LogPlace | None) -> None:
        """Information only: it stands on the owner's record, and nothing answers it."""
        self._floods.take(alert.iss)
        now = self._work.clock.now()
        about = {**self._about(alert, place), "title": alert.title}
        try:
            alerts.judge(alert, rules=self._current_rules(), place=self._place, now=now)
        except RequestRefused as error:
            about |= {"rule": error.rule, "why": error.message[:200]}
            with self._work.index.transaction():
                self._log.write()
                self._work.note("alert.refused", digest, about)
            return
        with self._work.index.transaction():
            self._log.write()
            self._work.note("alert.received", digest, about)
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

    def _about(self, statement: Statement, place: LogPlace | None) -> dict[str, Json]:
        """What the ledger says of a post: who wrote it, and where it stands."""
        about = author_of(statement, self._requesters)
        if place is not None:
            about["log"] = {"origin": place.origin, "index": place.index, "size": place.size}
        return about

    def _refusal(
        self, request: Request, surveyed: area.Survey, now: float, rules: Requests
    ) -> tuple[str, str]:
        """The rule that refuses ``request`` and why; two empty texts when it is admitted."""
        history = self._work.cases.history(request.iss, request.reference, request.jti, now=now)
        try:
            policy.judge(
                policy.Case(
                    request=request,
                    rules=rules,
                    place=self._place,
                    requester=self._requesters[request.iss],
                    history=history,
                    now=now,
                    max_clip_age_seconds=self._max_clip_age_seconds,
                    allow_loopback_http=self._allow_loopback_http,
                    surveyed=surveyed,
                )
            )
        except RequestRefused as error:
            return error.rule, error.message[:200]
        return "", ""

    def _current_rules(self) -> Requests:
        """The rules of the configuration, and whom owners have muted since."""
        muted = (*self._rules.muted, *self._work.cases.muted())
        return msgspec.structs.replace(self._rules, muted=muted)

    def _order_of_muted(self, request: Request, digest: str, *, at: float) -> Notice:
        """Tell the owner of a muted requester's legal order (docs/decisions/stopping.md)."""
        order, name = request.order, self._requesters[request.iss].name
        claimed = "" if order is None else f" ({order.court}, docket {order.docket})"
        return Notice(
            kind="muted-order",
            at=int(at),
            until=request.exp,
            who=name,
            title=f"A muted requester claims a court's order: {request.title}",
            text=(
                f"{name}, whom an owner has muted, posted a request that claims a court's"
                f" order{claimed}. Your camera refused it, and has checked nothing. Ask the court,"
                " by a number that you looked up yourself, or a lawyer. To be shown what they ask"
                " from now on, unmute them; this one they would have to post anew. Clips of the"
                " time they ask about are not kept for it: save what you may need."
            ),
            subject=digest,
        )

    def _note_edit(self, first: str, request: Request, *, at: float) -> None:
        """Another text stands under the id of a request that the owner may have read."""
        case = self._work.cases.request(first)
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
