"""What becomes of the feed's posts: how the parts that hear it hang together.

A piece of :func:`agent.gateway.app.build`, apart because it is a whole of its own: nothing
else of the gateway knows the parts in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent import config as configuration
from agent.config import Config
from agent.consent.logproof import LogPolicy
from agent.consent.signing import PublicKey, RequesterCard
from agent.gateway.desk import Desk
from agent.gateway.flood import Floods
from agent.gateway.inbox import Inbox
from agent.gateway.judging import Judge
from agent.gateway.notices import NoticeBoard
from agent.gateway.posts import Posts
from agent.gateway.publiclog import PinnedLog, Publicness
from agent.gateway.withdrawals import Withdrawals
from agent.vault.feed import Feed


@dataclass(frozen=True, slots=True)
class Receiving:
    """The parts that others talk to."""

    posts: Posts
    inbox: Inbox
    floods: Floods


def build(
    config: Config,
    *,
    desk: Desk,
    owners: Mapping[str, PublicKey],
    requesters: Mapping[str, RequesterCard],
) -> Receiving:
    """Wire it to ``desk``; ConfigError for keys of a log that cannot be used."""
    feed, muted = Feed(desk.index), config.requests.muted
    notices = NoticeBoard(desk=desk, feed=feed, closed=not config.requests.accept)
    floods = Floods(
        desk=desk,
        feed=feed,
        notices=notices,
        names={card.id: card.name for card in requesters.values()},
        muted=lambda requester: requester in (*muted, *desk.cases.muted()),
        kept_a_day=config.requests.max_kept_daily_per_requester,
    )
    inbox = Inbox(
        desk=desk,
        notices=notices,
        owners=owners,
        approvals_needed=config.approvals_needed,
        requesters=requesters,
    )
    public_log = _public_log(config.feed, desk, feed, notices, floods, inbox)
    withdrawals = Withdrawals(
        desk=desk, inbox=inbox, notices=notices, floods=floods, requesters=requesters
    )
    judge = Judge(
        desk=desk,
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
    posts = Posts(
        desk=desk,
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
    desk: Desk,
    feed: Feed,
    notices: NoticeBoard,
    floods: Floods,
    inbox: Inbox,
) -> Publicness:
    """The public log that posts must stand in."""
    if config.log_key is None or config.log == "off":
        return Publicness()
    return PinnedLog(
        desk=desk,
        feed=feed,
        notices=notices,
        floods=floods,
        policy=LogPolicy.pin(config.log_key, config.witness_keys, config.witnesses_needed),
        required=config.log != "optional",
        forked=inbox.log_forked,
    )
