"""What becomes of the feed's posts: how the parts that hear it hang together.

A piece of :func:`agent.gateway.app.build`, apart because it is a whole of its own: nothing
else of the gateway knows the parts in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent import config as configuration
from agent.config import Config
from agent.consent.cards import PublicKey, RequesterCard
from agent.consent.transparency.proof import LogPolicy
from agent.gateway.feed.admission import Admission
from agent.gateway.feed.handler import FeedHandler
from agent.gateway.feed.log_check import PinnedLog, Publicness
from agent.gateway.feed.withdrawals import Withdrawals
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.rate_limit import RateLimiter
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.feed import Feed


@dataclass(frozen=True, slots=True)
class Receiving:
    """The parts that others talk to."""

    posts: FeedHandler
    inbox: OpenRequests
    floods: RateLimiter


def build(
    config: Config,
    *,
    work: UnitOfWork,
    owners: Mapping[str, PublicKey],
    requesters: Mapping[str, RequesterCard],
) -> Receiving:
    """Wire it to ``work``; ConfigError for keys of a log that cannot be used."""
    feed, muted = Feed(work.index), config.requests.muted
    notices = NoticeBoard(work=work, feed=feed, closed=not config.requests.accept)
    floods = RateLimiter(
        work=work,
        feed=feed,
        notices=notices,
        names={card.fingerprint: card.name for card in requesters.values()},
        muted=lambda requester: requester in (*muted, *work.cases.muted()),
        kept_a_day=config.requests.max_kept_daily_per_requester,
    )
    inbox = OpenRequests(
        work=work,
        notices=notices,
        owners=owners,
        approvals_needed=config.approvals_needed,
        requesters=requesters,
    )
    public_log = _public_log(config.feed, work, feed, notices, floods, inbox)
    withdrawals = Withdrawals(
        work=work, inbox=inbox, notices=notices, floods=floods, requesters=requesters
    )
    judge = Admission(
        work=work,
        inbox=inbox,
        notices=notices,
        floods=floods,
        public_log=public_log,
        withdrawals=withdrawals,
        place=config.device.place,
        rules=config.requests,
        requesters=requesters,
        max_clip_age_seconds=config.storage.max_age_days * 86_400,
        allow_loopback_http=config.upload.allow_loopback_http,
    )
    posts = FeedHandler(
        work=work,
        notices=notices,
        floods=floods,
        public_log=public_log,
        judge=judge,
        withdrawals=withdrawals,
        requesters=requesters,
    )
    return Receiving(posts, inbox, floods)


def _public_log(
    config: configuration.Feed,
    work: UnitOfWork,
    feed: Feed,
    notices: NoticeBoard,
    floods: RateLimiter,
    inbox: OpenRequests,
) -> Publicness:
    """The public log that posts must stand in."""
    if config.log_key is None or config.log == "off":
        return Publicness()
    return PinnedLog(
        work=work,
        feed=feed,
        notices=notices,
        floods=floods,
        policy=LogPolicy.pin(config.log_key, config.witness_keys, config.witnesses_needed),
        required=config.log != "optional",
        forked=inbox.log_forked,
    )
