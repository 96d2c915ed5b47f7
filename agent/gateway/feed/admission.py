"""Admission of verified posts: requests and alerts, by the policy.

The outcome of a post is one ledger line, in one transaction with all else that changes: the row
of the request, its match set and letter, the view of the public log.

A text posted under the id of an earlier one is a request of its own, never open, and
kept beside the first (``jti-reused``): who was told of the first learns of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from agent.config import Place, Requests
from agent.consent import lifecycle
from agent.consent.policy import alerts, area
from agent.consent.policy import requests as policy
from agent.consent.statements import LEGAL_ORDER, Alert, Notice, Request
from agent.errors import RequestRefused
from agent.gateway.feed.log_check import LogCheck
from agent.gateway.feed.post import Verified
from agent.gateway.feed.withdrawals import Withdrawals
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.rate_limit import RateLimiter
from agent.gateway.unit_of_work import Change, UnitOfWork, reason
from agent.vault.records.events import Event
from agent.vault.records.ledger import Json
from agent.vault.records.requests import RequestRow

log = logging.getLogger(__name__)

_UNHEARD = ("requester-muted", "kind-not-accepted")  # the owner wants to know nothing of these


class _Verdict(NamedTuple):
    """The answer of the policy to a request."""

    survey: area.Survey
    refusal: RequestRefused | None
    is_order_of_muted: bool = False  # a legal order that only the muting refuses

    @property
    def rule(self) -> str:
        return self.refusal.rule if self.refusal else ""


@dataclass(frozen=True, eq=False)
class Admission:
    """Admits or refuses posts whose signature, and whose place in the public log, are good."""

    work: UnitOfWork
    inbox: OpenRequests
    notices: NoticeBoard
    rate_limiter: RateLimiter
    log_check: LogCheck
    withdrawals: Withdrawals
    place: Place
    rules: Requests
    max_clip_age_seconds: float
    allow_loopback_http: bool

    def request(self, posted: Verified[Request]) -> None:
        """Open a request, or refuse it by the name of a rule."""
        request, digest = posted.statement, posted.digest
        self.rate_limiter.take(posted.author)
        verdict = self._judge(request)
        first = self.work.requests.first_post(request.iss, request.jti)
        about = self._about(posted) | {"kind": request.kind, "reference": request.reference}
        if first:
            about["first_post"] = first
        with self.work.transaction() as change:
            change.requests.add(self._row(posted, verdict, first, now=change.now))
            self.log_check.write(change)
            if verdict.refusal:
                about |= reason(verdict.refusal)
                change.note(Event.REQUEST_REFUSED, digest, about)
                if first and verdict.rule not in _UNHEARD:
                    self._note_edit(change, first, request)
                if verdict.is_order_of_muted:
                    notice = self._order_of_muted(request, digest, at=change.now)
                    self.notices.add(change, notice)
            else:
                change.note(Event.REQUEST_OPENED, digest, about)
                if self.withdrawals.came_before(digest, request.iss):
                    self.inbox.close(change, digest, "withdraw", {})
                else:
                    self.inbox.match(change, digest)
        log.info("request %s: %s", digest[:16], verdict.rule or "open", extra={"request": digest})

    def alert(self, posted: Verified[Alert]) -> None:
        """Show an alert to the owners, or refuse it; nothing answers it."""
        alert, digest = posted.statement, posted.digest
        self.rate_limiter.take(posted.author)
        about = self._about(posted) | {"title": alert.title}
        refusal = None
        now = self.work.clock.now()
        try:
            alerts.judge(alert, rules=self._current_rules(), place=self.place, now=now)
        except RequestRefused as error:
            refusal = error
        with self.work.transaction() as change:
            self.log_check.write(change)
            if refusal:
                change.note(Event.ALERT_REFUSED, digest, about | reason(refusal))
                return
            change.note(Event.ALERT_RECEIVED, digest, about)
            notice = Notice(
                kind="alert",
                at=int(now),
                until=alert.exp,
                who=self._name(alert.iss),
                title=alert.title,
                text=alert.text,
                subject=digest,
            )
            self.notices.add(change, notice)

    def review(self) -> None:
        """Close the open requests of a kind or an author that the configuration hears no more.

        Legal orders of a muted requester stay open, as they do when an owner mutes it.
        """
        for request in self.work.requests.open():
            if request.requester not in self.work.parties.requesters:
                why = "the requester's card was taken away"
            elif request.kind not in self.rules.accept:
                why = "requests of its kind are not accepted any more"
            elif request.requester in self.rules.muted and request.kind != LEGAL_ORDER:
                why = "the configuration mutes the requester"
            else:
                continue
            with self.work.transaction() as change:
                self.inbox.decline(change, request.digest, {"why": why})
            log.info(
                "request %s closed: %s",
                request.digest[:16],
                why,
                extra={"request": request.digest},
            )

    def _judge(self, request: Request) -> _Verdict:
        survey = area.survey(request.area)  # costs the most: once, and outside the transaction
        refusal = self._refusal(request, survey, self._current_rules())
        if request.kind == LEGAL_ORDER and refusal and refusal.rule == "requester-muted":
            unmuted = msgspec.structs.replace(self.rules, muted=())
            return _Verdict(survey, refusal, self._refusal(request, survey, unmuted) is None)
        return _Verdict(survey, refusal)

    def _refusal(
        self, request: Request, survey: area.Survey, rules: Requests
    ) -> RequestRefused | None:
        now = self.work.clock.now()
        history = self.work.requests.history(request.iss, request.reference, request.jti, now=now)
        try:
            policy.judge(
                policy.Case(
                    request=request,
                    rules=rules,
                    place=self.place,
                    requester=self.work.parties.requesters[request.iss],
                    history=history,
                    now=now,
                    max_clip_age_seconds=self.max_clip_age_seconds,
                    allow_loopback_http=self.allow_loopback_http,
                    surveyed=survey,
                )
            )
        except RequestRefused as error:
            return error
        return None

    def _current_rules(self) -> Requests:
        """The rules of the configuration, and the requesters that owners have muted since."""
        muted = (*self.rules.muted, *self.work.decisions.muted())
        return msgspec.structs.replace(self.rules, muted=muted)

    @staticmethod
    def _row(
        posted: Verified[Request], verdict: _Verdict, first_post: str, *, now: float
    ) -> RequestRow:
        request, log_place = posted.statement, posted.log_place
        event = "refuse" if verdict.refusal else "admit"
        return RequestRow(
            digest=posted.digest,
            jws=posted.post.jws.decode("ascii"),
            jti=request.jti,
            requester=request.iss,
            reference=request.reference,
            state=lifecycle.advance(lifecycle.REQUEST, "RECEIVED", event),
            rule=verdict.rule,
            received_at=now,
            window_start=request.window.start,
            window_end=request.window.end,
            expires_at=request.exp,
            kind=request.kind,
            incident=request.incident,
            square_miles=verdict.survey.square_miles,
            first_post=first_post,
            log_origin=log_place.origin if log_place else "",
            log_index=log_place.index if log_place else None,
            log_size=log_place.size if log_place else None,
        )

    def _about(self, posted: Verified[Request | Alert]) -> dict[str, Json]:
        """The author and the log place of a post, as a ledger line names them."""
        about: dict[str, Json] = {"requester": posted.author, "name": self._name(posted.author)}
        if (place := posted.log_place) is not None:
            about["log"] = {"origin": place.origin, "index": place.index, "size": place.size}
        return about

    def _name(self, requester: str) -> str:
        return self.work.parties.requesters[requester].name

    def _order_of_muted(self, request: Request, digest: str, *, at: float) -> Notice:
        """Tell the owner of a muted requester's legal order (docs/decisions/stopping.md)."""
        order, name = request.order, self._name(request.iss)
        claimed = "" if order is None else f" ({order.court}, docket {order.docket})"
        return Notice(
            kind="muted-order",
            at=int(at),
            until=request.exp,
            who=name,
            title=f"A muted requester claims a legal order: {request.title}",
            text=(
                f"{name}, whom an owner has muted, posted a request that claims a legal"
                f" order{claimed}. Your camera refused it, and has checked nothing. Ask the court,"
                " by a number that you looked up yourself, or a lawyer. To be shown what they ask"
                " from now on, unmute them; this one they would have to post anew. Clips of the"
                " time they ask about are not kept for it: save what you may need."
            ),
            subject=digest,
        )

    def _note_edit(self, change: Change, first: str, request: Request) -> None:
        """Tell the owners that another text stands under the id of a request they may have read."""
        row = change.requests.get(first)
        if row is None or row.told_at is None:
            return
        self.inbox.renew(change, first)
        notice = Notice(
            kind="edited",
            at=int(change.now),
            until=None,
            who=self._name(request.iss),
            title=f"Edited after it was posted: {request.title}",
            text=(
                f"Another text was posted under the id of the request {request.reference} that"
                " you were told of. Only the first text can be approved. Both are kept; the"
                " letter about the request shows them side by side."
            ),
            subject=first,
        )
        self.notices.add(change, notice)
