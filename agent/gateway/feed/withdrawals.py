"""A requester's word that it no longer asks.

It closes the request that it names and stops what has not been sent yet. Retained posts
come in any order: one that comes before its request sees that the request never opens.
What stops something is never too much, and needs no public log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.consent import signing
from agent.consent.cards import RequesterCard
from agent.consent.statements import Notice, Request, Statement, Withdrawal
from agent.errors import MalformedStatement, Refused
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.rate_limit import RateLimiter
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.ledger import Json
from agent.vault.records.requests import RequestCase

EARLY: Final = "withdrawal.early"  # of a request that had not come yet


class Withdrawals:
    """Acts on verified withdrawals."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        inbox: OpenRequests,
        notices: NoticeBoard,
        floods: RateLimiter,
        requesters: Mapping[str, RequesterCard],
    ) -> None:
        self._work = work
        self._inbox = inbox
        self._notices = notices
        self._floods = floods
        self._requesters = requesters

    def came_before(self, digest: str, author: str) -> bool:
        """Whether its author withdrew a request before it came."""
        said = self._work.ledger.says(EARLY, digest)
        return any(detail.get("requester") == author for detail in said)

    def receive(self, withdrawal: Withdrawal, digest: str) -> None:
        """Close what it names, or, if that has not come yet, see that it never opens.

        Raises :class:`MalformedStatement` if it names what somebody else posted.
        """
        author, now = withdrawal.iss, self._work.clock.now()
        case = self._work.cases.request(withdrawal.request)
        if case is not None and case.requester != author:
            raise MalformedStatement("no-such-request", "withdraws nothing that its signer posted")
        stops = case is not None and (case.is_open or self._work.cases.has_unsent(case.digest))
        if not stops and not self._floods.take(author, bytes.fromhex(digest)):
            return
        about = {**author_of(withdrawal, self._requesters), "request": withdrawal.request}
        with self._work.index.transaction():
            self._work.note("withdrawal.received", digest, about)
            if case is None:
                self._work.ledger.append(
                    EARLY,
                    withdrawal.request,
                    {"requester": author, "withdrawal": digest},
                    at=now,
                )
                return
            told = self._inbox.told(case)
            if case.is_open:
                self._inbox.close(case.digest, "withdraw", {}, at=now)
            stopped = self._work.cases.ask_to_stop("the request was withdrawn", request=case.digest)
            if stops and told:
                self._notices.add(self._notice(case, len(stopped), at=now))

    def _notice(self, case: RequestCase, stopped: int, *, at: float) -> Notice:
        author = self._requesters[case.requester]
        try:
            what = signing.verify(case.jws, Request, {author.fingerprint: author.key}).title
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
            who=author.name,
            title=f"Withdrawn: {what}",
            text=text,
            subject=case.digest,
        )


def author_of(statement: Statement, requesters: Mapping[str, RequesterCard]) -> dict[str, Json]:
    """What the ledger says of the author of a verified post."""
    return {"requester": statement.iss, "name": requesters[statement.iss].name}
