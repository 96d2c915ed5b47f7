"""Loop of the watcher: from the broker to the household, and from there to the channels."""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Final

from agent.backoff import pause_seconds
from agent.clock import Clock
from agent.errors import EnvironmentFault
from agent.mqtt import topics
from agent.mqtt.link import Connected, Disconnected, Event, Link, Received
from agent.owner.watch.channels.channel import Channel
from agent.owner.watch.household import Household, Message

_FIRST_SECONDS: Final = 10.0  # pause after a channel's first failure
_LONGEST_SECONDS: Final = 900.0
TICK_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Watcher:
    """Tells each channel what it has not told. A channel that fails waits and holds up no other."""

    def __init__(
        self, household: Household, link: Link, channels: Sequence[Channel], clock: Clock
    ) -> None:
        self._household = household
        self._link = link
        self._channels = channels
        self._clock = clock
        self._failures = dict.fromkeys((one.name for one in channels), 0)
        self._next = dict.fromkeys((one.name for one in channels), clock.monotonic())

    def step(self, wait_seconds: float = 0.0) -> None:
        """Take what the broker has brought, after at most ``wait_seconds``; tell one message."""
        try:
            while True:
                self._take(self._link.events.get(block=wait_seconds > 0, timeout=wait_seconds))
                wait_seconds = 0.0
        except queue.Empty:
            pass
        self._household.look(self._clock.now(), self._clock.monotonic())
        for channel in self._channels:
            if self._clock.monotonic() >= self._next[channel.name]:
                self._serve(channel)

    def _take(self, event: Event) -> None:
        match event:
            case Connected():
                _log.info("connected to the broker")
                self._household.connected()
            case Disconnected(reason):
                _log.warning("%s", reason)
                self._household.disconnected(self._clock.now())
            case Received(topic, payload):
                place = topics.parse(topic, feed="")
                if place is not None:
                    self._household.take(place, payload, self._clock.now())
                self._link.acknowledge(event)

    def _serve(self, channel: Channel) -> None:
        """Tell one message: each may take a minute, and systemd's watchdog expects us between."""
        now = self._clock.now(), self._clock.monotonic()
        message = next(self._household.untold(channel.name, *now), None)
        if message is not None and self._told(channel, message):
            self._household.remember(channel.name, message)

    def _told(self, channel: Channel, message: Message) -> bool:
        """Tell ``message``; False if the channel failed, which then pauses."""
        try:
            channel.tell(message)
        except EnvironmentFault as fault:
            failures = self._failures[channel.name] = self._failures[channel.name] + 1
            pause = pause_seconds(failures, first=_FIRST_SECONDS, longest=_LONGEST_SECONDS)
            self._next[channel.name] = self._clock.monotonic() + pause
            _log.warning("%s; next try in %g s", fault, pause)
            return False
        self._failures[channel.name] = 0
        return True


def run(
    link: Link, watcher: Watcher, notify: Callable[[str], None], is_current: Callable[[], bool]
) -> bool:
    """Watch until SIGTERM or SIGINT; False if it ended because ``is_current`` no longer holds."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    link.start()
    notify("READY=1")
    try:
        while not stop.is_set():
            watcher.step(TICK_SECONDS)
            notify("WATCHDOG=1")
            if not is_current():
                return False
    finally:
        link.stop()
    notify("STOPPING=1")
    return True
