"""A requester's word that it no longer asks.

It closes the request that it names and stops what has not been sent yet. Retained posts
come in any order: one that comes before its request sees that the request never opens.
What stops something is never too much, and needs no public log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.consent import signing
from agent.consent.signing import RequesterCard
from agent.consent.statements import Notice, Request, Statement, Withdrawal
from agent.errors import MalformedStatement, Refused
from agent.gateway.desk import Desk
from agent.gateway.flood import Floods
from agent.gateway.inbox import Inbox
from agent.gateway.notices import NoticeBoard
from agent.vault.cases import RequestCase
from agent.vault.ledger import Json

EARLY: Final = "withdrawal.early"  # of a request that had not come yet


class Withdrawals:
    """Acts on verified withdrawals."""

    def __init__(
        self,
        *,
        desk: Desk,
        inbox: Inbox,
        notices: NoticeBoard,
        floods: Floods,
        requesters: Mapping[str, RequesterCard],
    ) -> None:
        self._desk = desk
        self._inbox = inbox
        self._notices = notices
        self._floods = floods
        self._requesters = requesters

    def came_before(self, digest: str, author: str) -> bool:
        """Whether its author withdrew a request before it came."""
        said = self._desk.ledger.says(EARLY, digest)
        return any(detail.get("requester") == author for detail in said)

    def receive(self, withdrawal: Withdrawal, digest: str) -> None:
        """Close what it names, or, if that has not come yet, see that it never opens.

        Raises :class:`MalformedStatement` if it names what somebody else posted.
        """
        author, now = withdrawal.iss, self._desk.clock.now()
        case = self._desk.cases.request(withdrawal.request)
        if case is not None and case.requester != author:
            raise MalformedStatement("no-such-request", "withdraws nothing that its signer posted")
        stops = case is not None and (case.is_open or self._desk.cases.has_unsent(case.digest))
        if not stops and not self._floods.take(author, bytes.fromhex(digest)):
            return
        about = {**author_of(withdrawal, self._requesters), "request": withdrawal.request}
        with self._desk.index.transaction():
            self._desk.note("withdrawal.received", digest, about)
            if case is None:
                self._desk.ledger.append(
                    EARLY,
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
                self._notices.add(self._notice(case, len(stopped), at=now))

    def _notice(self, case: RequestCase, stopped: int, *, at: float) -> Notice:
        author = self._requesters[case.requester]
        try:
            what = signing.verify(case.jws, Request, {author.id: author.key}).title
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
