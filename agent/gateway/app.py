"""The gateway process: wiring, and the loop.

:func:`build` makes the one picture of how the parts hang together, for the
command and for the end-to-end tests alike. :class:`Gateway` takes what the links
received off their queues and hands each message to the part it is for; it decides
nothing itself. Releases run on a thread of their own, because sealing and sending
take long. If that thread ends, even quietly, the process ends, and systemd
starts it again: everything is on disk or still with the broker.

While the clock is not synced, posts and letters wait, unacknowledged.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import sdnotify

from agent import config as configuration
from agent import topics
from agent.clock import Clock, SystemClock
from agent.config import Config
from agent.consent import signing
from agent.consent.signing import OwnerCard
from agent.errors import InternalFault, NetworkFault, StorageFault
from agent.gateway import keys as device_keys
from agent.gateway.decisions import Decisions
from agent.gateway.inbox import Inbox
from agent.gateway.outbox import Letters, Outbox
from agent.gateway.preview import Previews
from agent.gateway.release import Receiver, Releases
from agent.gateway.reports import Reports
from agent.gateway.sealing import Sealer
from agent.gateway.tus import TusClient
from agent.link import Connected, Disconnected, Event, Link, Published, Received, connect_broker
from agent.vault.cases import Cases
from agent.vault.clips import ClipStore
from agent.vault.index import Index
from agent.vault.ledger import Ledger

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
_STOP_SECONDS = 10.0
Notify = Callable[[str], object]


class Gateway:
    """The loop that hands messages to the parts. ``feed_link`` is None if the owner's
    broker carries the feed too.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        index: Index,
        cases: Cases,
        owner_link: Link,
        feed_link: Link | None,
        inbox: Inbox,
        decisions: Decisions,
        outbox: Outbox,
        previews: Previews,
        releases: Releases,
        device_name: str,
        feed_topic: str,
        acknowledged: queue.SimpleQueue[Received],
        notify: Notify,
    ) -> None:
        self._clock = clock
        self._index = index
        self._cases = cases
        self._owner_link = owner_link
        self._feed_link = feed_link
        self._inbox = inbox
        self._decisions = decisions
        self._outbox = outbox
        self._previews = previews
        self.releases = releases
        self._device_name = device_name
        self._feed_topic = feed_topic
        self._acknowledged = acknowledged
        self._notify = notify
        self._waiting: deque[tuple[Link, Received]] = deque()
        self._state = b""
        self._stop = threading.Event()
        self._worker_ended = threading.Event()

    # The loop

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; any fault of a part ends the process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        worker = threading.Thread(target=self._work, name="releases", daemon=True)
        self.start()
        worker.start()
        self._notify("READY=1")
        try:
            while not self._stop.is_set():
                if self._worker_ended.is_set():
                    raise InternalFault("the thread that sends releases ended")
                self.step(wait_seconds=_TICK_SECONDS)
                self._notify("WATCHDOG=1")
        finally:
            self._notify("STOPPING=1")
            self._stop.set()
            self.stop()
        worker.join(_STOP_SECONDS)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                if not self.releases.step():
                    self._stop.wait(_TICK_SECONDS)
        except Exception:
            log.exception("releases cannot go on")
        finally:
            self._worker_ended.set()

    def start(self) -> None:
        """Pick up what an earlier run left, and connect."""
        self.releases.recover()
        self._owner_link.start()
        if self._feed_link is not None:
            self._feed_link.start()

    def stop(self) -> None:
        """Say goodbye and hang up."""
        try:
            self._owner_link.publish(
                topics.availability(self._device_name), topics.OFFLINE, retained=True
            )
        except NetworkFault:
            log.info("not connected: the broker says our last will")
        self._owner_link.stop()
        if self._feed_link is not None:
            self._feed_link.stop()

    def step(self, *, wait_seconds: float = 0.0) -> None:
        """Handle what arrived, then whatever time or the camera brought."""
        self._drain(self._owner_link, wait_seconds)
        if self._feed_link is not None:
            self._drain(self._feed_link, 0.0)
        self._tick()

    def _drain(self, link: Link, wait_seconds: float) -> None:
        while True:
            try:
                event = link.events.get(timeout=wait_seconds) if wait_seconds else (
                    link.events.get_nowait()
                )
            except queue.Empty:
                return
            self._handle(link, event)
            wait_seconds = 0.0

    def _tick(self) -> None:
        if self._clock.synced():
            while self._waiting:
                self._dispatch(*self._waiting.popleft())
            self._inbox.expire()
        if self._index.changed():
            self._inbox.clips_changed()
        self._outbox.flush()
        self._publish_state()
        while not self._acknowledged.empty():
            self._owner_link.acknowledge(self._acknowledged.get())

    # Events

    def _handle(self, link: Link, event: Event) -> None:
        ours = link is self._owner_link
        match event:
            case Received():
                self._waiting.append((link, event))
                if self._clock.synced():
                    self._dispatch(*self._waiting.popleft())
            case Connected() if ours:
                log.info("connected to the owner's broker")
                self._greet()
            case Connected():
                log.info("connected to the feed's broker")
            case Disconnected(reason):
                log.warning("%s: %s", "owner's broker" if ours else "feed's broker", reason)
                if ours:
                    self._outbox.disconnected()
                    self._previews.stop()
            case Published(token) if ours:
                self._outbox.published(token)
                self._previews.published(token)

    def _greet(self) -> None:
        """A new connection knows nothing: say everything again."""
        try:
            self._owner_link.publish(
                topics.availability(self._device_name), topics.ONLINE, retained=True
            )
        except NetworkFault:
            return  # gone again already; the next connection comes back here
        self._outbox.reconnected()
        self._state = b""

    def _dispatch(self, link: Link, received: Received) -> None:
        topic = topics.parse(received.topic, feed=self._feed_topic)
        carries_feed = link is self._feed_link or self._feed_link is None
        if topic is None:
            log.info("ignored a message on %r", received.topic[:100])
        elif topic.kind in ("requests", "alerts", "withdrawals") and carries_feed:
            self._inbox.receive(topic, received.payload)
        elif topic.kind == "owner" and link is self._owner_link:
            if topic.device == self._device_name and received.payload:
                done = partial(self._acknowledged.put, received)
                self._decisions.receive(received.payload, retained=received.retained, done=done)
                return  # acknowledged when its effect is on disk
        link.acknowledge(received)

    # State

    def _publish_state(self) -> None:
        """Counts and health, when they changed: nothing about what was seen or asked."""
        totals, camera = self._index.totals(), self._index.health("camera")
        state = {
            "camera": camera.state if camera else "never started",
            "recording": camera is not None and camera.state == "recording",
            "last_motion": int(camera.last_motion_at)
            if camera and camera.last_motion_at
            else None,
            "clips": totals.count,
            "bytes": totals.bytes,
            "pending": len(self._cases.open_requests()),
            "clock_synced": self._clock.synced(),
        }
        payload = json.dumps(state).encode()
        if payload == self._state:
            return
        try:
            self._owner_link.publish(topics.state(self._device_name), payload, retained=True)
        except NetworkFault:
            return  # said at the next connection
        self._state = payload
        self._notify(f"STATUS={totals.count} clips, {state['pending']} open requests")


def load_owners(paths: tuple[Path, ...]) -> list[OwnerCard]:
    """The owners' cards; :class:`~agent.errors.ConfigError` names a bad one."""
    return [
        signing.parse_card(configuration.read_text(path), OwnerCard, str(path)) for path in paths
    ]


def build(
    config: Config,
    *,
    clock: Clock,
    owner_link: Link | None = None,
    feed_link: Link | None = None,
    receiver: Receiver | None = None,
    random: Callable[[int], bytes] = os.urandom,
    notify: Notify = lambda _: None,
) -> Gateway:
    """Wire a gateway. Links and receiver are given by tests; else they are the real ones.

    Raises :class:`~agent.errors.ConfigError` for cards and passwords that cannot be
    used, :class:`~agent.errors.StorageFault` for a state folder that cannot.
    """
    name, loopback = config.device.name, config.upload.allow_loopback_http
    owners = load_owners(config.owners)
    owner_keys = {owner.id: owner.key for owner in owners}
    requesters = signing.parse_requesters(
        configuration.read_text(config.requesters), str(config.requesters)
    )
    keys = device_keys.load_or_create(config.state_dir, name=name)
    outbox_dir = _make(config.state_dir / "outbox")
    recipients = [card for owner in owners for card in (owner.seal, owner.recovery)]
    reports = Reports(device_name=name, keys=keys, owners=owners, random=random)
    acknowledged: queue.SimpleQueue[Received] = queue.SimpleQueue()

    index = Index.open(config.state_dir / "agent.sqlite")
    cases, ledger, letters = Cases(index), Ledger(index), Letters(index)
    store = ClipStore(config.state_dir, index, recipients=recipients, clock=clock)
    if owner_link is None:
        owner_link, feed_link = _connect(config, client_id=f"{name}-{keys.id[:8]}")

    # The thread of releases has a connection to the index of its own.
    their_index = Index.open(config.state_dir / "agent.sqlite")
    their_store = ClipStore(config.state_dir, their_index, recipients=recipients, clock=clock)
    releases = Releases(
        index=their_index,
        cases=Cases(their_index),
        ledger=Ledger(their_index),
        letters=Letters(their_index),
        reports=reports,
        sealer=Sealer(index=their_index, store=their_store, keys=keys, random=random),
        receiver=receiver
        or TusClient(
            timeout_seconds=config.upload.timeout_seconds,
            ca_file=config.upload.ca_file,
            allow_loopback_http=loopback,
        ),
        clock=clock,
        random=random,
        device_name=name,
        owners=owner_keys,
        requesters=requesters,
        outbox_dir=outbox_dir,
        chunk_bytes=config.upload.chunk_bytes,
        max_backoff_seconds=config.upload.max_backoff_seconds,
    )
    inbox = Inbox(
        index=index,
        cases=cases,
        ledger=ledger,
        letters=letters,
        reports=reports,
        clock=clock,
        device_name=name,
        place=config.device.place,
        rules=config.requests,
        requesters=requesters,
        max_clip_age_seconds=config.storage.max_age_days * 86_400,
        allow_loopback_http=loopback,
    )
    previews = Previews(store=store, link=owner_link, device_name=name)
    decisions = Decisions(
        index=index,
        cases=cases,
        ledger=ledger,
        letters=letters,
        reports=reports,
        inbox=inbox,
        store=store,
        clock=clock,
        device_name=name,
        keys=keys,
        owners=owner_keys,
        requesters=requesters,
        start_release=releases.start,
        start_preview=previews.start,
        allow_loopback_http=loopback,
    )
    return Gateway(
        clock=clock,
        index=index,
        cases=cases,
        owner_link=owner_link,
        feed_link=feed_link,
        inbox=inbox,
        decisions=decisions,
        outbox=Outbox(index, owner_link),
        previews=previews,
        releases=releases,
        device_name=name,
        feed_topic=config.feed.topic,
        acknowledged=acknowledged,
        notify=notify,
    )


def _connect(config: Config, *, client_id: str) -> tuple[Link, Link | None]:
    """The link to the owner's broker, and one to the feed's if that is another."""
    name, feed = config.device.name, config.feed
    of_feed = [
        topics.requests_filter(feed.topic),
        topics.alerts_filter(feed.topic),
        topics.withdrawals_filter(feed.topic),
    ]
    of_owner = [topics.owner(name)]
    owner_link = connect_broker(
        config.mqtt,
        client_id=f"clip-agent-{client_id}",
        subscriptions=of_owner if feed.broker else of_owner + of_feed,
        will=(topics.availability(name), topics.OFFLINE),
        clean_session=False,
    )
    if feed.broker is None:
        return owner_link, None
    # The feed's broker learns nothing of us: no will, no lasting session, a random id.
    anonymous = f"clip-feed-{os.urandom(8).hex()}"
    feed_link = connect_broker(
        feed.broker, client_id=anonymous, subscriptions=of_feed, clean_session=True
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
    notifier = sdnotify.SystemdNotifier()
    build(config, clock=clock, notify=notifier.notify).run()
    return 0
