"""Visits to the broker: each reads the cameras' letters, and repeats what they may have missed.

Every call of the owner's unlocked tool that connects is a visit, whatever it came for: a camera
that holds releases, or that a broker kept a revocation from, then learns at the next occasion
how things stand (:mod:`.decisions.repeat`). A visit that brings a decision sends that first, so
a release that is just being revoked is never named as standing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from agent.clock import Clock
from agent.consent.cards import DeviceCard
from agent.consent.statements import Outcome
from agent.errors import NetworkFault
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.mqtt.session import Session
from agent.owner.decisions.repeat import Repeats
from agent.owner.decisions.sign import Decision
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import Presence
from agent.owner.visit import broker


@dataclass(frozen=True, eq=False)
class Visit:
    """An open connection whose retained letters are read; ``presence`` is by camera."""

    session: Session
    presence: Mapping[str, Presence]
    _repeats: Repeats
    _inbox: Inbox
    _devices: Mapping[str, DeviceCard]
    _keys: Keys
    _clock: Clock

    def require(self, device: str) -> None:
        """Raise :class:`NetworkFault` if the camera ``device`` is offline."""
        if self.presence[device].offline:
            raise NetworkFault(f"{device} is offline", advice=broker.ONLINE_AGAIN)

    def repeat(self, *, but: str = "") -> None:
        """Send each camera that is online what it may have missed, without the decision ``but``."""
        there = [self._devices[name] for name, one in self.presence.items() if not one.offline]
        self._repeats.send(self.session, there, self._keys, self._clock.now(), but=but)

    def wait_for_request(self, seconds: float) -> None:
        """Wait up to ``seconds`` for a request if none is open."""
        broker.wait_for_request(self.session, self._inbox, self._keys, self._clock, seconds)

    def follow(
        self,
        decision: Decision,
        *,
        wait_seconds: float,
        report: Callable[[Outcome], None] | None,
        joins: str | None,
    ) -> Outcome | None:
        """The last outcome of ``decision``: see :func:`.broker.follow`."""
        return broker.follow(
            self.session,
            decision,
            self._keys,
            wait_seconds=wait_seconds,
            report=report if report is not None else lambda _: None,
            others=lambda said: broker.take(self._inbox, said, self._keys, self._clock),
            joins=joins,
        )


class Visits:
    """Begins visits for the owner whose ``folder`` this is."""

    def __init__(
        self,
        folder: OwnerFolder,
        devices: Mapping[str, DeviceCard],
        inbox: Inbox,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._devices = devices
        self._inbox = inbox
        self._clock = clock
        self._repeats = Repeats(folder, inbox)

    @contextmanager
    def brief(self, command: Decision, *answers: str) -> Iterator[Session]:
        """Connect to ask one thing, without reading letters; ``answers`` are topics to follow."""
        device = command.device.name
        filters = [topics.availability(device), topics.release(device, command.subject), *answers]
        with broker.connect(self._folder.settings().mqtt, filters) as session:
            yield session

    @contextmanager
    def begin(
        self, keys: Keys, names: Iterable[str], *more: str, will: Decision | None = None
    ) -> Iterator[Visit]:
        """Connect and read the letters of the cameras ``names``; ``more`` are topics to follow.

        ``will``: a decision that reaches its camera if this computer goes away without a word.
        """
        devices = {name: self._devices[name] for name in names}
        filters = [*broker.letter_filters(devices, self._folder.card().fingerprint), *more]
        with broker.connect(self._folder.settings().mqtt, filters, will=will) as session:
            presence = broker.collect(session, self._inbox, devices, keys, self._clock)
            yield Visit(
                *(session, presence, self._repeats, self._inbox, devices, keys, self._clock)
            )
