"""The last word first: uploads wait until all that the owners said before has been handled.

A broker keeps the letters of owners for a gateway that is away. After each connection the
gateway therefore sends itself two messages, in this order:

1. a **probe** on its session topic, to which it subscribes once for each session and never
   at a connection. It comes back only if the broker still knows the session, and with it
   the letters that were kept. A broker that forgot the session, or a stranger who ended it,
   has lost the subscription too.
2. a **marker** on the owner topic, where the broker puts it behind all letters that it has.

When the marker has come back, every earlier letter was handled. If the probe has not come
before it, letters may have been lost, and all releases are held first (:mod:`.holds`). The
session topic is subscribed to only after that, so a power cut in between changes nothing.
The same is done if a status letter that this device left at the broker is ahead of its state:
a broker delivers retained messages when they are subscribed to, before the marker.

A connection can also be open in name alone: a broker that lost its power, or a router that
swallows everything, says nothing, and the keep-alive ends after minutes. So while something is
to be uploaded the marker is sent again, and uploads stop when the last one that came back was
sent too long ago: the broker would not have brought a revocation either.

Each marker carries a random number. Those of earlier ones, or of anybody else, are dropped
without a word.
"""

from __future__ import annotations

import hmac
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from agent.clock import Clock
from agent.errors import NetworkFault
from agent.gateway.release.holds import FORGOTTEN, RESTORED, Holds
from agent.mqtt import topics
from agent.mqtt.link import Link, Received

log = logging.getLogger(__name__)

MARK: Final = b"clip-agent: heard up to here "  # no sealed letter begins like this
_PATIENCE_SECONDS: Final = 60.0
_ASK_SECONDS: Final = 5.0  # from marker to marker while something is to be uploaded
FRESH_SECONDS: Final = 20.0  # an upload stops so long after the last marker that came back


@dataclass(eq=False)
class LastWord:
    """Knowledge that the owners were heard; used by the threads of the loop and the releases."""

    link: Link
    device_name: str
    clock: Clock
    random: Callable[[int], bytes]
    holds: Holds
    wake: Callable[[], object] = lambda: None  # the loop, to have the broker asked at once
    _marker: bytes = field(default=b"", init=False)  # of this connection; empty: none waits
    _session_known: bool = field(default=False, init=False)
    _restored: bool = field(default=False, init=False)
    _asked_at: float = field(default=0.0, init=False)  # monotonic
    _heard: bool = field(default=False, init=False)
    _fresh_at: float = field(default=-math.inf, init=False)  # monotonic: as heard() was true
    _wanted: bool = field(default=False, init=False)  # since the last marker was sent
    _silent: bool = field(default=False, init=False)  # and that was logged

    def heard(self) -> bool:
        """True if all that the owners said before this connection has been handled."""
        return self._heard

    def hears(self) -> bool:
        """True if the owners can be heard now, for an upload: the broker has just shown that.

        May be called on any thread; an answer of no has the broker asked again.
        """
        is_first, self._wanted = not self._wanted, True
        if self._heard and self._age() <= FRESH_SECONDS:
            return True
        if is_first:
            self.wake()
        return False

    def may_tell(self) -> bool:
        """True if a new status letter hides no earlier one that shows that our state is old."""
        return self._heard or not (self._restored or self.clock.synced())

    def connected(self) -> None:
        """Send the probe and the marker; raises :class:`NetworkFault`."""
        self._heard = self._session_known = False
        self._fresh_at, self._silent = -math.inf, False
        self._ask(topics.session(self.device_name), topics.owner(self.device_name))

    def disconnected(self) -> None:
        """Forget what was heard: an owner may say more until the next connection."""
        self._heard = self._session_known = self._restored = False
        self._marker, self._fresh_at = b"", -math.inf

    def takes(self, said: Received) -> bool:
        """True for messages that need not wait their turn: probes, status letters, old markers."""
        if said.topic == topics.session(self.device_name):
            self._session_known |= self._is_ours(said.payload)
            return True
        if said.topic.startswith(topics.status(self.device_name, "")):
            if said.retained:  # else it is a letter of this run
                self._restored |= self.holds.is_ahead(said.payload)
            return True
        return said.payload.startswith(MARK) and not self.is_marker(said.topic, said.payload)

    def is_marker(self, topic: str, payload: bytes) -> bool:
        """True for the last marker of this connection."""
        return topic == topics.owner(self.device_name) and self._is_ours(payload)

    def marker_came(self) -> None:
        """The marker came back, and everything before it was handled."""
        self._marker, self._fresh_at, self._silent = b"", self._asked_at, False
        if self._heard:
            return
        if self._restored:
            self.holds.hold_all(RESTORED)
        elif not self._session_known:
            self.holds.hold_all(FORGOTTEN)
        if not self._session_known:
            try:
                self.link.subscribe(topics.session(self.device_name))
            except NetworkFault:
                return  # gone again already; the next connection asks anew
        self._heard = True

    def tick(self) -> None:
        """Ask the broker again if need be; warn, once, of a marker that does not come back."""
        waited = self.clock.monotonic() - self._asked_at
        if self._heard:
            self._tick_open(waited)
        elif self._marker and waited > _PATIENCE_SECONDS:
            self._asked_at = math.inf
            topic = topics.owner(self.device_name)
            log.warning(
                "the broker does not return what this device publishes on %s: nothing is sent"
                " until it may read and write this topic",
                topic,
            )

    def _tick_open(self, waited: float) -> None:
        """Send a marker while an upload waits for one, after the last came back or is overdue."""
        if self._wanted and waited >= (FRESH_SECONDS if self._marker else _ASK_SECONDS):
            if self._age() > FRESH_SECONDS and self._marker and not self._silent:
                self._silent = True
                log.warning("the owner's broker does not answer: uploads wait until it does")
            self._wanted = False
            with suppress(NetworkFault):  # gone: the next connection asks anew
                self._ask(topics.owner(self.device_name))

    def _ask(self, *names: str) -> None:
        self._marker = MARK + self.random(16).hex().encode()
        self._asked_at = self.clock.monotonic()
        for name in names:
            self.link.publish(name, self._marker, retained=False)

    def _age(self) -> float:
        """Seconds since the last marker that came back was sent."""
        return self.clock.monotonic() - self._fresh_at

    def _is_ours(self, payload: bytes) -> bool:
        return bool(self._marker) and hmac.compare_digest(payload, self._marker)
