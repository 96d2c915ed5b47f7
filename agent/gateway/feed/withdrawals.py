"""A requester's withdrawal of its own request.

It closes the request that it names and stops releases that were not sent yet. Retained posts
come in any order: a withdrawal that comes before its request keeps it from ever opening.
Withdrawals only stop things, so those that stop something skip the rate limit.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.consent import signing
from agent.consent.statements import Notice, Request, Withdrawal
from agent.errors import MalformedStatement, Refused
from agent.gateway.feed.post import Verified
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.rate_limit import RateLimiter
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.events import Event
from agent.vault.records.requests import RequestRow


@dataclass(frozen=True, eq=False)
class Withdrawals:
    """Acts on verified withdrawals."""

    work: UnitOfWork
    inbox: OpenRequests
    notices: NoticeBoard
    rate_limiter: RateLimiter

    def came_before(self, digest: str, author: str) -> bool:
        """True if its author withdrew a request before it came."""
        said = self.work.ledger.says(Event.WITHDRAWAL_EARLY, digest)
        return any(detail.get("requester") == author for detail in said)

    def receive(self, posted: Verified[Withdrawal]) -> None:
        """Close the request it names or, if that has not come yet, keep it from opening.

        Raises :class:`MalformedStatement` if it names somebody else's post.
        """
        author, digest, named = posted.author, posted.digest, posted.statement.request
        request = self.work.requests.get(named)
        if request is not None and request.requester != author:
            raise MalformedStatement("no-such-request", "withdraws nothing that its signer posted")
        stops = request is not None and (
            request.is_open or self.work.releases.has_unsent(request.digest)
        )
        if not stops and not self.rate_limiter.take(author, bytes.fromhex(digest)):
            return
        name = self.work.parties.requesters[author].name
        with self.work.transaction() as change:
            about = {"requester": author, "name": name, "request": named}
            change.note(Event.WITHDRAWAL_RECEIVED, digest, about)
            if request is None:
                early = {"requester": author, "withdrawal": digest}
                change.note(Event.WITHDRAWAL_EARLY, named, early)
                return
            if request.is_open:
                self.inbox.close(change, request.digest, "withdraw", {})
            stopped = change.releases.ask_to_stop("the request was withdrawn", request=named)
            if stops and request.told_at is not None:
                notice = self._notice(request, len(stopped), at=change.now)
                self.notices.add(change, notice)

    def _notice(self, request: RequestRow, stopped: int, *, at: float) -> Notice:
        author = self.work.parties.requesters[request.requester]
        try:
            title = signing.verify(request.jws, Request, {author.fingerprint: author.key}).title
        except Refused:  # somebody exchanged it on the disk
            title = request.reference
        text = f"The request {request.reference} is no longer asked by its author."
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
            title=f"Withdrawn: {title}",
            text=text,
            subject=request.digest,
        )
