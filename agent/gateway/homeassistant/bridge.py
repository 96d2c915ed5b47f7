"""Bridge to Home Assistant, on the gateway's loop: discovery, state, events and the switch.

- The discovery message and the state are retained. They are sent after each connection, each hour,
  and when Home Assistant says that it has come (its birth message).
- An event is not retained, and Home Assistant loses those that come before its entity is there. So
  events wait while it is away, for some seconds after its birth message, and after our own start
  and reconnections, since both may come back from the same power cut or restart of the broker.
- An event counts as told once the broker has it. After a crash in between it is told again.
- Without ``motion`` among what may be told, the number and size of clips are told each hour only:
  each new clip is a motion.
- Nothing here waits for the owner's last word or decides; :mod:`.switch` alone changes anything.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent import config
from agent.errors import MalformedStatement, NetworkFault, Refused
from agent.gateway.device_state import DeviceState
from agent.gateway.homeassistant import discovery, life
from agent.gateway.homeassistant.memory import Memory, Withdrawal
from agent.gateway.homeassistant.state import snapshot
from agent.gateway.homeassistant.switch import ArmSwitch
from agent.gateway.unit_of_work import UnitOfWork
from agent.mqtt import topics
from agent.mqtt.link import Link, Received
from agent.vault.wishes import Switch

_LOOK_SECONDS: Final = 5.0
_SEEN_SECONDS: Final = 300.0  # from one state to the next that differs in its time alone
_HOUR_SECONDS: Final = 3_600.0
_BIRTH_SECONDS: Final = 5.0  # from Home Assistant's birth until its entities are there
_UNKNOWN_SECONDS: Final = 120.0  # for a birth message, after our own start
_RETURN_SECONDS: Final = 20.0  # after a reconnection; Home Assistant tries every ten seconds
_MAX_EVENTS: Final = 20  # on their way at once
_QUIET: Final = ("clips", "used", "free")
_FORGED: Final = (Refused, MalformedStatement, ValueError, OverflowError, OSError, KeyError)

log = logging.getLogger(__name__)


def subscriptions(section: config.HomeAssistant | None, device: str) -> list[str]:
    """The topics that a gateway hears for Home Assistant."""
    if section is None:
        return []
    switch = [topics.homeassistant(device, "arm")] if section.may_arm else []
    return [topics.homeassistant_status(section.discovery_prefix), *switch]


def written(section: config.HomeAssistant | None, device: str) -> list[str]:
    """The topics that a gateway publishes to for Home Assistant."""
    if section is None:
        return []
    return [
        topics.discovery(section.discovery_prefix, device),
        topics.homeassistant(device, "state"),
        topics.homeassistant(device, "request"),
    ]


@dataclass(eq=False)
class HomeAssistant:
    """Tells Home Assistant what ``section`` allows; ``facts`` are those of a status letter."""

    section: config.HomeAssistant
    memory: Memory
    link: Link
    work: UnitOfWork
    device_state: DeviceState
    facts: Callable[[], Mapping[str, Any]]
    switch: ArmSwitch
    _is_connected: bool = field(default=False, init=False)
    _look_at: float = field(default=-math.inf, init=False)
    _looked: object = field(default=None, init=False)
    _state: dict[str, Any] = field(default_factory=dict, init=False)  # as it was last told
    _state_at: float = field(default=-math.inf, init=False)  # when it is told again
    _slow: dict[str, Any] = field(default_factory=dict, init=False)
    _slow_at: float = field(default=-math.inf, init=False)
    _introduced_at: float = field(default=-math.inf, init=False)
    _events_at: float = field(default=math.inf, init=False)
    _sent: dict[int, tuple[str, str]] = field(default_factory=dict, init=False)
    _failed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Name the topics."""
        self._device = self.work.parties.device_name
        self._config = topics.discovery(self.section.discovery_prefix, self._device)
        self._state_topic = topics.homeassistant(self._device, "state")
        self._birth = topics.homeassistant_status(self.section.discovery_prefix)
        self._withdrawal = Withdrawal(self.link)

    @property
    def wish(self) -> Switch | None:
        """The switch's last word for the camera."""
        return self.switch.word if self.section.may_arm else None

    def connected(self) -> None:
        """Say all again: a new connection knows nothing."""
        self._sent.clear()
        self._is_connected = True
        if math.isinf(self._events_at):
            self._events_at = self._now() + _UNKNOWN_SECONDS
        else:
            self._events_at = max(self._events_at, self._now() + _RETURN_SECONDS)
        mine, known = (self._config, self._state_topic), self.memory.told.retained
        self.memory.keep(retained=tuple(dict.fromkeys((*mine, *known))))
        try:
            self._withdrawal.begin(tuple(one for one in known if one not in mine))
        except NetworkFault:
            return  # the next connection comes back here
        self.repeat()

    def disconnected(self) -> None:
        """Events that were not confirmed are told again."""
        self._is_connected = False
        self._sent.clear()

    def published(self, token: int) -> None:
        """The broker has a message."""
        if self._withdrawal.published(token):
            self.memory.keep(retained=(self._config, self._state_topic))
        if (told := self._sent.pop(token, None)) is not None:
            self.memory.keep(stages={**(self.memory.told.stages or {}), told[0]: told[1]})

    def receive(self, received: Received) -> bool:
        """Take a message if it is for this part."""
        if received.topic == self._birth:
            self._hear(received.payload)
            return True
        if self.section.may_arm and received.topic == topics.homeassistant(self._device, "arm"):
            self.switch.receive(received)
            return True
        return False

    def repeat(self) -> None:
        """Send what is retained once more."""
        message = discovery.message(
            self.section, device=self._device, device_id=self.work.parties.device_id
        )
        self._introduced_at, self._state_at, self._look_at = self._now(), -math.inf, -math.inf
        try:
            self.link.publish(self._config, message, retained=True)
        except NetworkFault:
            log.info("not connected: the next connection brings Home Assistant's entities")

    def tick(self) -> None:
        """Tell what is new; call it often, with a clock that may be unset."""
        if self.work.clock.synced():
            self.switch.tick()
        if not self._is_connected or not self._is_due():
            return
        try:
            self._tell_state()
            if self.work.clock.synced() and self._now() >= self._events_at and not self._sent:
                self._tell_events()
            self._failed = False
        except NetworkFault:
            return  # the next connection brings it
        except _FORGED as error:
            if not self._failed:
                self._failed = True
                log.warning("Home Assistant cannot be told: %s", error)

    def _hear(self, payload: bytes) -> None:
        """Home Assistant came or went. A forger delays events, or has us repeat ourselves."""
        now = self._now()
        if payload == topics.OFFLINE:
            self._events_at = math.inf
        elif payload == topics.ONLINE:
            self._events_at = now + _BIRTH_SECONDS
            if now >= self._introduced_at + _BIRTH_SECONDS:
                self.repeat()

    def _is_due(self) -> bool:
        """True if the camera or our records have changed, or some seconds have passed."""
        now, camera = self._now(), self.device_state.camera()
        looked = (camera, self.work.database.own_changes(), now >= self._events_at)
        if looked == self._looked and now < self._look_at:
            return False
        self._looked, self._look_at = looked, now + _LOOK_SECONDS
        return True

    def _tell_state(self) -> None:
        now = self._now()
        state = snapshot(self.section.tells, self.facts(), self.device_state.camera()[0])
        if "motion" not in self.section.tells:
            if now >= self._slow_at:
                self._slow_at = now + _HOUR_SECONDS
                self._slow = {key: state[key] for key in _QUIET}
            state |= self._slow
        if state == self._state and now < self._state_at:
            return
        clock = self.work.clock
        seen = {"last_seen": life.moment(clock.now()) if clock.synced() else None}
        self.link.publish(self._state_topic, json.dumps(state | seen).encode(), retained=True)
        self._state, self._state_at = state, now + _SEEN_SECONDS

    def _tell_events(self) -> None:
        if "requests" not in self.section.tells:
            return
        stages, told = life.stages(self.work), self.memory.told.stages
        known = {id_: event for id_, event in (told or {}).items() if id_ in stages}
        news = list(life.news(told, stages))
        known |= {id_: stages[id_].event for id_, is_event in news if not is_event}
        self.memory.keep(stages=known)
        for id_, is_event in news:
            if is_event and len(self._sent) < _MAX_EVENTS:
                self._tell_event(id_, stages[id_])

    def _tell_event(self, id_: str, stage: life.Stage) -> None:
        payload = {"event_type": stage.event, "id": id_, **stage.facts, "url": self.section.url}
        topic = topics.homeassistant(self._device, "request")
        token = self.link.publish(topic, json.dumps(payload).encode(), retained=False)
        self._sent[token] = id_, stage.event

    def _now(self) -> float:
        return self.work.clock.monotonic()
