"""State of an owner's cameras as the watcher hears them: their last letters, and lasting faults.

No I/O: :mod:`.watcher` passes on messages of the broker and asks for untold messages. While the
broker is away, nothing is known of a camera; of a silent camera, only its silence is known.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, get_args, get_type_hints

from agent.consent.cards import DeviceCard
from agent.consent.statements import FRESH_SECONDS, Trouble, WatchItem, WatchLetter
from agent.errors import Refused
from agent.mqtt import topics
from agent.owner.watch import letters, text
from agent.owner.watch.faults import Faults
from agent.owner.watch.memory import Memory

BROKER: Final = ""  # in place of a camera's name
_SILENT: Final = "silent"
_UNREACHABLE: Final = "broker"
_CLOCKS_SECONDS: Final = 300.0  # by which the clocks of a camera and this computer may differ
KINDS: Final[tuple[str, ...]] = get_args(get_type_hints(Trouble)["kind"])

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """Something to tell; once it is told, ``items`` and ``begun`` or ``over`` are remembered."""

    device: str  # empty: about the broker
    kind: str
    text: str
    urgent: bool
    until: int | None = None
    items: tuple[str, ...] = ()
    begun: str = ""
    over: str = ""

    def __str__(self) -> str:
        return f"{self.device}: {self.text}" if self.device else self.text


@dataclass(eq=False)
class Household:
    """All cameras of an owner. ``identity`` opens the letters to this owner's watcher."""

    devices: Mapping[str, DeviceCard]
    identity: str
    memory: Memory
    patience_seconds: float
    _letters: dict[str, WatchLetter] = field(default_factory=dict, init=False)
    _offline: set[str] = field(default_factory=set, init=False)
    _complaints: dict[str, str] = field(default_factory=dict, init=False)
    _is_connected: bool = field(default=False, init=False)
    _lost_at: float | None = field(default=None, init=False)  # wall time
    _blind_since: float | None = field(default=None, init=False)  # the same, monotonic

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self._faults = {name: Faults(self.patience_seconds) for name in (BROKER, *self.devices)}

    # From the broker

    def connected(self) -> None:
        """The broker is there; what it holds of the cameras follows."""
        self._is_connected, self._lost_at = True, None

    def disconnected(self, now: float) -> None:
        """The broker is away since ``now``, wall time, if it was not before."""
        self._is_connected = False
        if self._lost_at is None:
            self._lost_at = now

    def take(self, topic: topics.Topic, payload: bytes, now: float) -> None:
        """Take a message of a camera; ``now`` is wall time. Refused letters are logged."""
        card = self.devices.get(topic.device)
        if card is None:
            return
        if topic.kind == "availability":
            if payload == topics.OFFLINE:
                self._offline.add(card.name)
            else:
                self._offline.discard(card.name)
        elif topic.kind == "notice" and payload:
            try:
                said = letters.read(payload, self.identity, card)
            except Refused as error:
                self._complain(card.name, f"letter refused ({error.rule}): {error.message}")
                return
            newest = self.memory.written.get(card.name, 0)
            # A broker may bring an older letter again. If the newest is of the future, a clock was
            # wrong, and the next letter counts.
            if said.iat >= newest or newest > now + _CLOCKS_SECONDS:
                self.memory.written[card.name] = said.iat
                self._letters[card.name] = said
                self._complaints.pop(card.name, None)

    def _complain(self, device: str, why: str) -> None:
        if self._complaints.get(device) != why:
            self._complaints[device] = why
            _log.warning("%s: %s", device, why)

    def look(self, wall: float, monotonic: float) -> None:
        """Note the present faults. Call it often, before :meth:`untold`."""
        lost = [] if self._is_connected else [_UNREACHABLE]
        self._faults[BROKER].note([_UNREACHABLE], lost, monotonic)
        if lost:
            self._blind_since = self._blind_since or monotonic
            return
        if self._blind_since is not None:
            for name in self.devices:
                self._faults[name].pause(monotonic - self._blind_since)
            self._blind_since = None
        for name in self.devices:
            faults, said = self._faults[name], self._letters.get(name)
            is_current = said is not None and _is_current(said, wall)
            is_silent = not is_current or name in self._offline
            faults.note([_SILENT], [_SILENT] if is_silent else [], monotonic)
            if is_silent or said is None:
                faults.forget(KINDS)
            else:
                faults.note(KINDS, [one.kind for one in said.troubles], monotonic)

    # To the owner

    def untold(self, channel: str, wall: float, monotonic: float) -> Iterator[Message]:
        """Messages that ``channel`` has not told yet."""
        for name in (BROKER, *self.devices):
            told = self.memory.of(channel, name)
            faults = self._faults[name]
            for kind in faults.lasting(present=True, now=monotonic):
                if kind not in told.faults and (name == BROKER or self._is_connected):
                    words = text.fault(kind, self._since(name, kind, wall), wall)
                    why = self._why(name, kind, wall)
                    yield Message(name, kind, words + why, True, begun=kind)
            for kind in faults.lasting(present=False, now=monotonic):
                if kind in told.faults and (name == BROKER or self._is_connected):
                    yield Message(name, kind, text.over(kind), False, over=kind)
            yield from self._items(name, set(told.items), wall)

    def _items(self, name: str, told: set[str], wall: float) -> Iterator[Message]:
        letter = self._letters.get(name)
        fresh = [] if letter is None else [one for one in letter.items if _mark(one) not in told]
        for (kind, near), group in groupby(sorted(fresh, key=_group), key=_group):
            found = sorted(group, key=lambda one: one.until or one.at)
            yield Message(
                name,
                kind,
                text.items(found, wall),
                near or kind in text.URGENT_KINDS,
                until=found[0].until,
                items=tuple(map(_mark, found)),
            )

    def _since(self, name: str, kind: str, wall: float) -> float | None:
        """The time from which on a fault is known."""
        if kind == _UNREACHABLE:
            return self._lost_at
        letter = self._letters.get(name)
        if letter is None:
            return None
        if kind == _SILENT:
            return None if _is_ahead(letter, wall) else letter.iat
        return next((float(one.at) for one in letter.troubles if one.kind == kind), None)

    def _why(self, name: str, kind: str, wall: float) -> str:
        """Advice where a camera was never heard, or its clock cannot be right."""
        if kind != _SILENT or name in self._offline:
            return ""
        if (letter := self._letters.get(name)) is not None:
            ahead = ": its last letter is from the future. Compare its clock with this computer's"
            return ahead if _is_ahead(letter, wall) else ""
        why = self._complaints.get(name, "it writes to no watcher of yours")
        return f": {why}. Is your present card among `owners:` in its agent.yaml?"

    def remember(self, channel: str, message: Message) -> None:
        """Note that ``channel`` has told ``message``."""
        told = self.memory.of(channel, message.device)
        told.items += message.items
        told.faults = sorted({*told.faults, message.begun} - {"", message.over})
        self.memory.save()


def _is_ahead(letter: WatchLetter, wall: float) -> bool:
    return letter.iat > wall + _CLOCKS_SECONDS


def _is_current(letter: WatchLetter, wall: float) -> bool:
    """True for a letter of now. One from the future, held for long, would hide a silence."""
    return wall - letter.iat <= FRESH_SECONDS and not _is_ahead(letter, wall)


def _group(item: WatchItem) -> tuple[str, bool]:
    return item.kind, item.near


def _mark(item: WatchItem) -> str:
    """The id of an item in the memory; an item whose end is near is told a second time."""
    return f"{item.id}-near" if item.near else item.id
