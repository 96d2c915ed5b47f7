"""The gateway's loop: passes each message to its part, and decides nothing itself.

Releases run on a thread of their own, because sealing and sending take long. If that thread
ends, even quietly, the process ends, and systemd starts it again: everything is on disk or
still with the broker. The two threads wake each other, so no approval and no letter waits for
the next look around. While the clock is not synced, posts and letters wait, unacknowledged.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.clock import Clock
from agent.errors import InternalFault, NetworkFault
from agent.gateway.catalog import Catalog
from agent.gateway.decisions.delivery import LetterDelivery
from agent.gateway.decisions.handler import DecisionHandler
from agent.gateway.decisions.looks import Looks
from agent.gateway.decisions.preview import Previews
from agent.gateway.device_state import DeviceState
from agent.gateway.feed.handler import FeedHandler
from agent.gateway.homeassistant.absent import NoHomeAssistant
from agent.gateway.homeassistant.bridge import HomeAssistant
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.ledger_anchor import LedgerAnchor
from agent.gateway.letters.outbox import Outbox
from agent.gateway.letters.status import StatusLetters
from agent.gateway.release.last_word import LastWord
from agent.gateway.release.worker import ReleaseWorker
from agent.host.memory import MemoryReturn
from agent.mqtt import topics
from agent.mqtt.link import Alarm, Connected, Disconnected, Event, Link, Published, Received, Woken
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.camera_commands import CameraCommandTable
from agent.vault.wishes import MAX_HELD, Wishes, WishFile

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
_STOP_SECONDS = 10.0
_REPEAT_SECONDS = 3_600.0  # from one publication of a retained message to the next
_EVENTS_A_STEP = 50  # of one link: a flood on the feed must not keep the rest from its turn
_MAX_WAITING_BYTES = 8_000_000  # of messages, while the clock is not synced
_FEED_KINDS = ("requests", "alerts", "withdrawals", "log")
Notify = Callable[[str], object]


@dataclass(eq=False)
class Gateway:
    """Runs the parts. ``feed_link`` may be ``owner_link``: one broker then carries both."""

    clock: Clock
    database: GatewayDatabase
    catalog: Catalog
    wishes: WishFile
    owner_link: Link
    feed_link: Link
    feed: FeedHandler
    inbox: OpenRequests
    decisions: DecisionHandler
    letters: LetterDelivery
    outbox: Outbox
    previews: Previews
    looks: Looks
    releases: ReleaseWorker
    last_word: LastWord
    anchor: LedgerAnchor
    device_state: DeviceState
    status: StatusLetters
    homeassistant: HomeAssistant | NoHomeAssistant
    follow_readers: Callable[[], None]
    alarm: Alarm  # ends the loop's wait for its first link
    device_name: str
    feed_topic: str
    notify: Notify
    memory: MemoryReturn

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        self._links = list(dict.fromkeys((self.owner_link, self.feed_link)))
        self._waiting: deque[tuple[Link, Received]] = deque()
        self._waiting_bytes = 0
        self._repeat_at = self.clock.monotonic() + _REPEAT_SECONDS
        self._published: dict[str, Any] = {}  # the last state that was published
        self._counts = ""  # the last ones that systemd was told
        self._is_synced = False  # and everything that waited for it is done
        self._clips_changed = True  # since the inbox looked
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
        self.notify("READY=1")
        try:
            while not self._stop.is_set():
                if self._worker_ended.is_set():
                    raise InternalFault("the thread that sends releases ended")
                self.step(wait_seconds=_TICK_SECONDS)
                self.notify("WATCHDOG=1")
        finally:
            self.notify("STOPPING=1")
            self._stop.set()
            self.releases.wake()
            self.stop()
        worker.join(_STOP_SECONDS)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                worked = self.releases.step()
                self.memory.look(self.releases.sealed)
                if not worked:
                    self.releases.wait(_TICK_SECONDS)
        except Exception:
            log.exception("releases cannot go on")
        finally:
            self._worker_ended.set()

    def start(self) -> None:
        """Pick up what an earlier run left, and connect."""
        self.releases.recover()
        self.feed.start()
        self._note("connecting")
        for link in self._links:
            link.start()

    def stop(self) -> None:
        """Publish that the device is offline, and disconnect."""
        try:
            if self._published:  # once more, so that owners see how long it ran
                self._send_state(self._published)
            self.owner_link.publish(
                topics.availability(self.device_name), topics.OFFLINE, retained=True
            )
        except NetworkFault:
            log.info("not connected: the broker says our last will")
        for link in self._links:
            link.stop()
        self.feed.stop()
        self._note("stopped")

    def step(self, *, wait_seconds: float = 0.0) -> None:
        """Look for new clips, handle the messages that arrived, then everything that is due."""
        self._clips_changed |= self.catalog.look()
        for link in self._links:
            self._drain(link, wait_seconds)
            wait_seconds = 0.0
        self._tick()

    def _drain(self, link: Link, wait_seconds: float) -> None:
        for _ in range(_EVENTS_A_STEP):
            if self._waiting_bytes > _MAX_WAITING_BYTES and link is self.feed_link:
                self._stop.wait(wait_seconds)
                return  # the link stops reading in its turn, so that memory is bounded
            try:
                event = link.events.get(block=wait_seconds > 0, timeout=wait_seconds)
            except queue.Empty:
                return
            self._handle(link, event)
            wait_seconds = 0.0

    def _tick(self) -> None:
        if self._synced():
            for _ in range(min(len(self._waiting), _EVENTS_A_STEP)):
                self._dispatch_next()
            self.inbox.expire()
            self.feed.tick()
            self.outbox.tidy(self.clock.now())
            if self._clips_changed:
                self._clips_changed = False
                self.inbox.clips_changed()
        self.decisions.settle()
        self.homeassistant.tick()
        self.looks.tick()
        self._wish()
        if self.clock.monotonic() >= self._repeat_at:
            self._repeat()
        self.anchor.keep()  # before a letter tells the head
        self.outbox.flush()
        self.last_word.tick()
        self._publish_state()
        if self.last_word.may_tell():
            self.status.tick()
        self.letters.settle()

    def _synced(self) -> bool:
        """True if times may be judged; the first time, do what comes before all else."""
        if not self.clock.synced():
            return False
        if not self._is_synced:
            self._is_synced = True
            self.decisions.begin()
            self.follow_readers()
            self.feed.review()
        return True

    # Events

    def _handle(self, link: Link, event: Event) -> None:
        ours = link is self.owner_link
        match event:
            case Received() if ours and self.last_word.takes(event):
                link.acknowledge(event)
            case Received():
                self._waiting.append((link, event))
                self._waiting_bytes += _weight(event)
                if self._synced():
                    self._dispatch_next()
            case Connected() if ours:
                log.info("connected to the owner's broker")
                self._note("connected")
                self._greet()
            case Connected():
                log.info("connected to the feed's broker")
            case Disconnected(reason):
                log.warning("%s: %s", "owner's broker" if ours else "feed's broker", reason)
                # Waiting messages were never acknowledged: the next connection brings them again.
                self._waiting = deque(item for item in self._waiting if item[0] is not link)
                self._waiting_bytes = sum(_weight(received) for _, received in self._waiting)
                if ours:
                    self._note("broker-away", reason)
                    self.last_word.disconnected()
                    self.outbox.disconnected()
                    self.previews.stop()
                    self.looks.disconnected()
                    self.letters.disconnected()
                    self.homeassistant.disconnected()
            case Published(token) if ours:
                self.outbox.published(token)
                self.previews.published(token)
                self.looks.published(token)
                self.letters.published(token)
                self.homeassistant.published(token)
            case Woken():
                self.alarm.heard()

    def _greet(self) -> None:
        """Publish everything again: a new connection knows nothing."""
        try:
            self.owner_link.publish(
                topics.availability(self.device_name), topics.ONLINE, retained=True
            )
            self.last_word.connected()
        except NetworkFault:
            return  # gone again already; the next connection comes back here
        self.outbox.reconnected()
        self.status.connected()
        self.homeassistant.connected()
        self._published = {}
        self._repeat_at = self.clock.monotonic() + _REPEAT_SECONDS

    def _repeat(self) -> None:
        """Publish again what is retained: a broker may have lost it, or somebody deleted it."""
        self._repeat_at = self.clock.monotonic() + _REPEAT_SECONDS
        with contextlib.suppress(NetworkFault):  # the next connection brings it
            self.owner_link.publish(
                topics.availability(self.device_name), topics.ONLINE, retained=True
            )
        self.outbox.repeat()
        self.homeassistant.repeat()
        self._published = {}

    def _dispatch_next(self) -> None:
        link, received = self._waiting.popleft()
        self._waiting_bytes -= _weight(received)
        marked = self.last_word.is_marker(received.topic, received.payload)
        if marked and link is self.owner_link:
            self.last_word.marker_came()
            if self.last_word.heard():
                self.outbox.heard()
            link.acknowledge(received)
        else:
            self.notify("WATCHDOG=1")  # a post may take its time, and fifty of them a step
            self._dispatch(link, received)
        if link is self.owner_link:
            self.releases.wake()  # to stop, to go on, or to send what may be sent now

    def _dispatch(self, link: Link, received: Received) -> None:
        topic = topics.parse(received.topic, feed=self.feed_topic)
        if topic is not None and topic.kind in _FEED_KINDS and link is self.feed_link:
            self.feed.receive(topic, received.payload)
            link.acknowledge(received)
        elif link is self.owner_link and received.topic == topics.owner(self.device_name):
            self.letters.receive(received)
        elif link is self.owner_link and topic is not None and topic.kind == "deferred":
            self.letters.receive_deferred(topic.ids[0], received)
        elif link is self.owner_link and self.homeassistant.receive(received):
            link.acknowledge(received)
        else:
            log.debug("ignored a message on %r", received.topic[:100])
            link.acknowledge(received)

    def _wish(self) -> None:
        """Tell the camera which clips to spare and what owners want, when that has changed."""
        if self.database.changed():
            held = self.database.held_clips(at_most=MAX_HELD)
            commands = CameraCommandTable(self.database).waiting()
            signed, switch = tuple(one.jws for one in commands), self.homeassistant.wish
            self.wishes.write(Wishes(held=tuple(held), commands=signed, switch=switch))

    # State

    def _note(self, state: str, detail: str = "") -> None:
        """Note the health of the gateway for `clip-agent status`."""
        self.database.set_health(state, detail, self.clock.now())

    def _publish_state(self) -> None:
        """Publish the health, and tell systemd the counts, when they changed."""
        if (counts := self.device_state.counts()) != self._counts:
            self._counts = counts
            self.notify(f"STATUS={counts}")
        state = self.device_state.now()
        if state == self._published:
            return
        try:
            self._send_state(state)
        except NetworkFault:
            return  # the next connection brings it
        self._published = state

    def _send_state(self, state: dict[str, Any]) -> None:
        at = int(self.clock.now()) if self.clock.synced() else None
        payload = json.dumps({"at": at, **state}).encode()
        self.owner_link.publish(topics.state(self.device_name), payload, retained=True)


def _weight(received: Received) -> int:
    """The approximate bytes of memory that a message takes."""
    return len(received.payload) + 500
