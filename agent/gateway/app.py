"""The gateway process: :func:`build` wires its parts, for the command and the tests alike.

The loop that runs them is :class:`agent.gateway.daemon.Gateway`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent import files
from agent.clock import Clock, SystemClock
from agent.config import Config, Feed
from agent.consent.transparency.proof import LogPolicy
from agent.gateway import device_keys, ledger_anchor, restored
from agent.gateway.catalog import Catalog
from agent.gateway.daemon import Gateway, Notify
from agent.gateway.decisions.approvals import Approvals
from agent.gateway.decisions.camera_commands import CameraCommands
from agent.gateway.decisions.commands import Commands
from agent.gateway.decisions.delivery import LetterDelivery
from agent.gateway.decisions.handler import DecisionHandler
from agent.gateway.decisions.holdings import DeviceHoldings
from agent.gateway.decisions.looks import Looks
from agent.gateway.decisions.preview import Previews
from agent.gateway.device_keys import DeviceKeys
from agent.gateway.device_state import DeviceState
from agent.gateway.feed.admission import Admission
from agent.gateway.feed.handler import FeedHandler
from agent.gateway.feed.log_check import LogCheck, NoLog, PinnedLog
from agent.gateway.feed.withdrawals import Withdrawals
from agent.gateway.homeassistant import bridge
from agent.gateway.homeassistant.absent import NoHomeAssistant
from agent.gateway.homeassistant.bridge import HomeAssistant
from agent.gateway.homeassistant.memory import Memory
from agent.gateway.homeassistant.switch import ArmSwitch
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.ledger_anchor import LedgerAnchor
from agent.gateway.letters import readers
from agent.gateway.letters.outbox import Outbox, Replies
from agent.gateway.letters.status import StatusLetters
from agent.gateway.rate_limit import RateLimiter
from agent.gateway.release.authorization import Authorizer
from agent.gateway.release.bundle.contents import BundleContents
from agent.gateway.release.holds import UNANCHORED, Holds
from agent.gateway.release.last_word import LastWord
from agent.gateway.release.receipts import Receipts
from agent.gateway.release.removal import Removals
from agent.gateway.release.tus_client import TusClient
from agent.gateway.release.upload import Receiver, Uploader
from agent.gateway.release.worker import ReleaseWorker
from agent.gateway.unit_of_work import UnitOfWork
from agent.host import systemd
from agent.host.board import Machine, Steady
from agent.host.memory import MemoryReturn, give_memory_back
from agent.mqtt import topics
from agent.mqtt.link import Alarm, Link, connect_broker
from agent.parties import Parties
from agent.vault import locks, migration
from agent.vault.camera_state import StateReader
from agent.vault.clips.reader import ClipReader
from agent.vault.database import gateway
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.stills import StillFiles
from agent.vault.wishes import WishFile


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
    name, rules, folder = config.device.name, config.requests, config.state_dir
    _prepare(folder)
    keys = device_keys.load_or_create(folder, name=name)
    parties = Parties.load(config, device_id=keys.id)
    loopback = config.upload.allow_loopback_http

    store = ClipReader(folder)

    def work_of_a_thread(
        letters_written: Callable[[], object] = lambda: None,
    ) -> tuple[UnitOfWork, Authorizer]:
        work = UnitOfWork(
            GatewayDatabase.open(gateway.path_of(folder)),
            parties=parties,
            keys=keys,
            clock=clock,
            random=random,
            letters_written=letters_written,
        )
        authorizer = Authorizer(
            requests=work.requests, parties=parties, allow_loopback_http=loopback
        )
        return work, authorizer

    work, authorizer = work_of_a_thread()
    anchor = LedgerAnchor(ledger_anchor.path_of(folder), keys, work, clock, random)
    is_unanchored = anchor.check(is_copy=restored.is_marked(folder))
    client_id = device_keys.client_id(folder)
    if owner_link is None:
        owner_link, feed_link = _connect(config, client_id=client_id)
    holds = Holds(work, authorizer, keys)
    if is_unanchored:
        holds.hold_all(UNANCHORED)
    restored.hold_if_marked(folder, holds)
    alarm = Alarm(owner_link.events)
    last_word = LastWord(owner_link, name, clock, random, holds, alarm.ring)
    releases = _release_worker(
        config, *work_of_a_thread(alarm.ring), store, keys, receiver, random, last_word.hears
    )
    notices = NoticeBoard(work, closed=not rules.accept)
    rate_limiter = RateLimiter(work=work, notices=notices, rules=rules)
    inbox = OpenRequests(work, notices)
    log_check = _log_check(config.feed, work, notices, rate_limiter, inbox)
    withdrawals = Withdrawals(work, inbox, notices, rate_limiter)
    admission = Admission(
        *(work, inbox, notices, rate_limiter, log_check, withdrawals),
        place=config.device.place,
        rules=rules,
        max_clip_age_seconds=config.storage.max_age_days * 86_400,
        allow_loopback_http=loopback,
    )
    holdings = DeviceHoldings(work, store, still_alive=partial(notify, "WATCHDOG=1"))
    approvals = Approvals(work, inbox, authorizer, holdings, holds, releases.start, loopback)
    previews = Previews(store=store, link=owner_link, device_name=name)
    looks = Looks(StillFiles(folder), owner_link, name, clock)
    camera = CameraCommands(work, StateReader(folder), looks)
    commands = Commands(work, inbox, Replies(owner_link, name), previews, camera, rules.muted)
    catalog = Catalog(work.database, folder)
    board = Steady(machine or Machine(), clock=clock)
    device_state = DeviceState(folder, work.database, catalog, clock, board)
    decisions = DecisionHandler(work, inbox, rate_limiter, approvals, commands, keys.identity)
    outbox = Outbox(work.database, owner_link, device_name=name, clock=clock, shrink=inbox.shrink)

    wishes = WishFile(folder)

    def warnings() -> list[str]:
        return [*outbox.warnings(), *anchor.warnings()]

    status = StatusLetters(work, owner_link, device_state, config.device.place, warnings)
    return Gateway(
        clock=clock,
        database=work.database,
        catalog=catalog,
        wishes=wishes,
        device_state=device_state,
        status=status,
        homeassistant=_home_assistant(config, work, owner_link, device_state, status, wishes),
        alarm=alarm,
        follow_readers=partial(readers.follow, work, inbox, folder / "gateway"),
        owner_link=owner_link,
        feed_link=feed_link or owner_link,
        feed=FeedHandler(work, notices, rate_limiter, log_check, admission, withdrawals),
        inbox=inbox,
        decisions=decisions,
        letters=LetterDelivery(decisions, owner_link, name, alarm.ring),
        outbox=outbox,
        previews=previews,
        looks=looks,
        releases=releases,
        last_word=last_word,
        anchor=anchor,
        device_name=name,
        feed_topic=config.feed.topic,
        notify=notify,
        memory=MemoryReturn(clock, give_memory_back),
    )


def _prepare(state_dir: Path) -> None:
    """Make the gateway's folder, which nobody else may enter, and fill it from the old layout."""
    files.make_directory(state_dir / "gateway", mode=files.PRIVATE_DIRECTORY_MODE)
    migration.move_gateway(state_dir)
    migration.carry_over(state_dir)
    restored.notice_lost_database(state_dir)


def _release_worker(
    config: Config,
    work: UnitOfWork,
    authorizer: Authorizer,
    store: ClipReader,
    keys: DeviceKeys,
    receiver: Receiver | None,
    random: Callable[[int], bytes],
    owner_heard: Callable[[], bool],
) -> ReleaseWorker:
    upload = config.upload
    receiver = receiver or TusClient(
        timeout_seconds=upload.timeout_seconds,
        ca_file=upload.ca_file,
        allow_loopback_http=upload.allow_loopback_http,
    )
    outbox_dir = config.state_dir / "gateway" / "outbox"
    files.make_directory(outbox_dir, mode=files.PRIVATE_DIRECTORY_MODE)
    return ReleaseWorker(
        work=work,
        contents=BundleContents(database=work.database, store=store, keys=keys, random=random),
        authorizer=authorizer,
        uploader=Uploader(
            work=work,
            receiver=receiver,
            chunk_bytes=upload.chunk_bytes,
            max_rate=upload.max_rate,
            owner_heard=owner_heard,
        ),
        removals=Removals(
            work=work,
            authorizer=authorizer,
            receiver=receiver,
            random=random,
            max_backoff_seconds=upload.max_backoff_seconds,
        ),
        receipts=Receipts(work=work, authorizer=authorizer, receiver=receiver, random=random),
        random=random,
        outbox_dir=outbox_dir,
        max_backoff_seconds=upload.max_backoff_seconds,
    )


def _home_assistant(
    config: Config,
    work: UnitOfWork,
    link: Link,
    device_state: DeviceState,
    status: StatusLetters,
    wishes: WishFile,
) -> HomeAssistant | NoHomeAssistant:
    memory = Memory(config.state_dir)
    if config.homeassistant is None:
        return NoHomeAssistant(memory, link)
    switch = ArmSwitch(work, StateReader(config.state_dir), wishes.written.switch)
    return HomeAssistant(
        section=config.homeassistant,
        memory=memory,
        link=link,
        work=work,
        device_state=device_state,
        facts=status.facts,
        switch=switch,
    )


def _log_check(
    feed: Feed,
    work: UnitOfWork,
    notices: NoticeBoard,
    rate_limiter: RateLimiter,
    inbox: OpenRequests,
) -> LogCheck:
    """The check of the public log; ConfigError for keys of a log that cannot be used."""
    if feed.log_key is None or feed.log == "off":
        return NoLog()
    return PinnedLog(
        work=work,
        notices=notices,
        rate_limiter=rate_limiter,
        policy=LogPolicy.pin(feed.log_key, feed.witness_keys, feed.witnesses_needed),
        required=feed.log != "optional",
        forked=inbox.log_forked,
    )


def feed_topics(feed: Feed) -> list[str]:
    """The filters that a gateway subscribes to on the feed."""
    of_feed = [
        topics.request(feed.topic, topics.ANY),
        topics.alert(feed.topic, topics.ANY),
        topics.withdrawal(feed.topic, topics.ANY),
    ]
    if feed.log_key is not None and feed.log != "off":
        of_feed.append(topics.log_link(feed.topic, topics.ANY))
    return of_feed


def _connect(config: Config, *, client_id: str) -> tuple[Link, Link]:
    """The link to the owner's broker, and one to the feed's if that is another."""
    name, feed = config.device.name, config.feed
    of_feed = feed_topics(feed)
    of_owner = [
        topics.owner(name),
        topics.deferred(name, topics.ANY),
        topics.status(name, topics.ANY),
        *bridge.subscriptions(config.homeassistant, name),
    ]
    owner_link = connect_broker(
        config.mqtt,
        client_id=client_id,
        subscriptions=of_owner if feed.broker else of_owner + of_feed,
        will=(topics.availability(name), topics.OFFLINE),
        clean_session=False,
        renews_subscriptions=True,
    )
    if feed.broker is None:
        return owner_link, owner_link
    # The feed's broker learns nothing of us: no will, no lasting session, a random id, no answer to
    # a post. What is lost with a connection is retained, and comes with the next subscription.
    anonymous = f"clip-feed-{os.urandom(8).hex()}"
    feed_link = connect_broker(
        feed.broker,
        client_id=anonymous,
        subscriptions=of_feed,
        clean_session=True,
        qos=0,
        renews_subscriptions=True,
    )
    return owner_link, feed_link


def run(config: Config) -> int:
    """Run ``clip-agent gateway``."""
    clock = SystemClock(config.time.synced_marker)
    files.make_directory(config.state_dir / "gateway", mode=files.PRIVATE_DIRECTORY_MODE)
    with locks.gateway_at_work(config.state_dir, clock=clock):
        build(config, clock=clock, notify=systemd.notifier()).run()
    return 0
