"""The gateway process: how its parts hang together.

:func:`build` is the one place where they meet, called by the command and by the
end-to-end tests alike. What runs is :class:`agent.gateway.daemon.Gateway`.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent import config as configuration
from agent.clock import Clock, SystemClock
from agent.config import Config
from agent.consent.cards import OwnerCard, PublicKey, RequesterCard, parse_card, parse_requesters
from agent.errors import ConfigError, StorageFault
from agent.gateway import device_keys
from agent.gateway.daemon import Gateway, Notify
from agent.gateway.decisions.approvals import Approvals
from agent.gateway.decisions.commands import Commands, Replies
from agent.gateway.decisions.handler import DecisionHandler
from agent.gateway.decisions.preview import Previews
from agent.gateway.device_keys import DeviceKeys
from agent.gateway.device_state import DeviceState
from agent.gateway.feed import build as receiving
from agent.gateway.feed.build import Receiving
from agent.gateway.letters.outbox import Letters, Outbox
from agent.gateway.letters.writer import LetterWriter
from agent.gateway.release.authorization import Authorizer
from agent.gateway.release.contents import BundleContents
from agent.gateway.release.tus_client import TusClient
from agent.gateway.release.upload import Receiver, Uploader
from agent.gateway.release.worker import ReleaseWorker, SealJob
from agent.gateway.unit_of_work import UnitOfWork
from agent.host import systemd as service
from agent.host.board import Machine, Steady
from agent.mqtt import topics
from agent.mqtt.link import Link, Received, connect_broker
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Index
from agent.vault.records.ledger import Ledger
from agent.vault.records.requests import Cases


def load_owners(paths: tuple[Path, ...]) -> list[OwnerCard]:
    """The owners' cards; :class:`~agent.errors.ConfigError` names a bad one.

    A key stands there once: one person with two cards could agree with themselves.
    """
    owners: dict[str, OwnerCard] = {}
    for path in paths:
        card = parse_card(configuration.read_text(path), OwnerCard, str(path))
        if card.fingerprint in owners:
            raise ConfigError(f"{path}: the key of {card.name!r} is on another owner's card too")
        owners[card.fingerprint] = card
    return list(owners.values())


def build(
    config: Config,
    *,
    clock: Clock,
    owner_link: Link | None = None,
    feed_link: Link | None = None,
    receiver: Receiver | None = None,
    random: Callable[[int], bytes] = os.urandom,
    notify: Notify = lambda _: None,
    machine: Machine | None = None,
) -> Gateway:
    """Wire a gateway. Links, receiver and machine are given by tests; else they are the real ones.

    An ``owner_link`` given alone carries the feed too.

    Raises :class:`~agent.errors.ConfigError` for cards and passwords that cannot be
    used, :class:`~agent.errors.StorageFault` for a state folder that cannot.
    """
    name = config.device.name
    owners = load_owners(config.owners)
    owner_keys = {owner.fingerprint: owner.key for owner in owners}
    requesters = parse_requesters(
        configuration.read_text(config.requesters), str(config.requesters)
    )
    keys = device_keys.load_or_create(config.state_dir, name=name)
    recipients = [card for owner in owners for card in (owner.seal, owner.recovery)]
    reports = LetterWriter(device_name=name, keys=keys, owners=owners, random=random)
    acknowledged: queue.SimpleQueue[Received] = queue.SimpleQueue()

    index = Index.open(config.state_dir / "agent.sqlite")
    cases, ledger, letters = Cases(index), Ledger(index), Letters(index)
    store = ClipStore(config.state_dir, index, recipients=recipients, clock=clock)
    if owner_link is None:
        owner_link, feed_link = _connect(config, client_id=f"{name}-{keys.id[:8]}")
    elif feed_link is None:
        feed_link = owner_link

    releases = _releases(
        config,
        clock=clock,
        keys=keys,
        owners=owner_keys,
        requesters=requesters,
        recipients=recipients,
        reports=reports,
        receiver=receiver,
        random=random,
    )
    work = UnitOfWork(index, cases, ledger, letters, reports, clock, name)
    hearing = receiving.build(config, work=work, owners=owner_keys, requesters=requesters)
    previews = Previews(store=store, link=owner_link, device_name=name)
    decisions = _decisions(
        config,
        work=work,
        hearing=hearing,
        store=store,
        keys=keys,
        owners=owner_keys,
        requesters=requesters,
        answers=Replies(link=owner_link, device_name=name),
        start_release=releases.start,
        previews=previews,
        still_alive=lambda: notify("WATCHDOG=1"),
    )
    board = Steady(machine or Machine(), clock=clock)
    return Gateway(
        clock=clock,
        index=index,
        state=DeviceState(
            state_dir=config.state_dir, index=index, letters=letters, clock=clock, board=board
        ),
        owner_link=owner_link,
        feed_link=feed_link,
        posts=hearing.posts,
        inbox=hearing.inbox,
        decisions=decisions,
        outbox=Outbox(index, owner_link, device_name=name),
        previews=previews,
        releases=releases,
        device_name=name,
        feed_topic=config.feed.topic,
        acknowledged=acknowledged,
        notify=notify,
    )


def _releases(
    config: Config,
    *,
    clock: Clock,
    keys: DeviceKeys,
    owners: Mapping[str, PublicKey],
    requesters: Mapping[str, RequesterCard],
    recipients: Sequence[str],
    reports: LetterWriter,
    receiver: Receiver | None,
    random: Callable[[int], bytes],
) -> ReleaseWorker:
    """What runs on the thread of releases: with a connection to the index of its own."""
    upload = config.upload
    index = Index.open(config.state_dir / "agent.sqlite")
    cases = Cases(index)
    store = ClipStore(config.state_dir, index, recipients=recipients, clock=clock)
    client = receiver or TusClient(
        timeout_seconds=upload.timeout_seconds,
        ca_file=upload.ca_file,
        allow_loopback_http=upload.allow_loopback_http,
    )
    letters, name = Letters(index), config.device.name
    return ReleaseWorker(
        work=UnitOfWork(index, cases, Ledger(index), letters, reports, clock, name),
        sealer=BundleContents(index=index, store=store, keys=keys, random=random),
        papers=_papers(config, cases, keys, owners, requesters),
        uploader=Uploader(
            index=index,
            cases=cases,
            receiver=client,
            clock=clock,
            chunk_bytes=upload.chunk_bytes,
        ),
        random=random,
        outbox_dir=_make(config.state_dir / "outbox"),
        max_backoff_seconds=upload.max_backoff_seconds,
    )


def _decisions(
    config: Config,
    *,
    work: UnitOfWork,
    hearing: Receiving,
    store: ClipStore,
    keys: DeviceKeys,
    owners: Mapping[str, PublicKey],
    requesters: Mapping[str, RequesterCard],
    answers: Replies,
    start_release: Callable[[SealJob], None],
    previews: Previews,
    still_alive: Callable[[], object],
) -> DecisionHandler:
    """What acts on the owners' letters."""
    proposals = Approvals(
        work=work,
        inbox=hearing.inbox,
        papers=_papers(config, work.cases, keys, owners, requesters),
        store=store,
        device_id=keys.id,
        owners=owners,
        approvals_needed=config.approvals_needed,
        requesters=requesters,
        start_release=start_release,
        allow_loopback_http=config.upload.allow_loopback_http,
        still_alive=still_alive,
    )
    commands = Commands(
        work=work,
        inbox=hearing.inbox,
        answers=answers,
        requesters=requesters,
        muted_for_good=config.requests.muted,
        check_preview=previews.check,
        start_preview=previews.start,
    )
    return DecisionHandler(
        work=work,
        inbox=hearing.inbox,
        floods=hearing.floods,
        proposals=proposals,
        commands=commands,
        keys=keys,
        owners=owners,
    )


def _papers(
    config: Config,
    cases: Cases,
    keys: DeviceKeys,
    owners: Mapping[str, PublicKey],
    requesters: Mapping[str, RequesterCard],
) -> Authorizer:
    return Authorizer(
        cases=cases,
        owners=owners,
        approvals_needed=config.approvals_needed,
        device_id=keys.id,
        requesters=requesters,
        allow_loopback_http=config.upload.allow_loopback_http,
    )


def _connect(config: Config, *, client_id: str) -> tuple[Link, Link]:
    """The link to the owner's broker, and one to the feed's if that is another."""
    name, feed = config.device.name, config.feed
    of_feed = [
        topics.requests_filter(feed.topic),
        topics.alerts_filter(feed.topic),
        topics.withdrawals_filter(feed.topic),
    ]
    if feed.log_key is not None and feed.log != "off":
        of_feed.append(topics.log_filter(feed.topic))
    of_owner = [topics.owner(name)]
    owner_link = connect_broker(
        config.mqtt,
        client_id=f"clip-agent-{client_id}",
        subscriptions=of_owner if feed.broker else of_owner + of_feed,
        will=(topics.availability(name), topics.OFFLINE),
        clean_session=False,
    )
    if feed.broker is None:
        return owner_link, owner_link
    # The feed's broker learns nothing of us: no will, no lasting session, a random id, and
    # from when a post is confirmed to it not how long it was looked at.
    anonymous = f"clip-feed-{os.urandom(8).hex()}"
    feed_link = connect_broker(
        feed.broker,
        client_id=anonymous,
        subscriptions=of_feed,
        clean_session=True,
        acknowledge_at_once=True,
    )
    return owner_link, feed_link


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFault(f"{folder}: cannot be made ({error.strerror})") from error
    return folder


def run(config: Config) -> int:
    """What ``clip-agent gateway`` does."""
    clock = SystemClock(config.time.synced_marker)
    build(config, clock=clock, notify=service.notifier()).run()
    return 0
