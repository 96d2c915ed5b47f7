"""A watcher's household with two cameras, and the letters that they write."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyrage
import pytest

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import DeviceCard
from agent.consent.letters import Letter
from agent.consent.signing import SigningKey
from agent.consent.statements import Trouble, WatchItem, WatchLetter
from agent.mqtt import topics
from agent.owner.watch.household import Household, Message
from agent.owner.watch.memory import Memory
from tests.support.clock import SimulatedClock

ME = "A" * 43
PATIENCE = 300.0


@dataclass
class Camera:
    """A camera's gateway, as a watcher meets it."""

    name: str
    signing: SigningKey = field(default_factory=SigningKey.generate)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(100_000))

    @property
    def card(self) -> DeviceCard:
        seal = str(pyrage.x25519.Identity.generate().to_public())
        return DeviceCard(role="device", name=self.name, sign=self.signing.public.text, seal=seal)

    def letter(
        self,
        recipient: str,
        at: float,
        items: Sequence[WatchItem] = (),
        *troubles: str,
        device: str = "",
        by: SigningKey | None = None,
        keys: dict[str, str] | None = None,
    ) -> bytes:
        signer = by or self.signing
        said = WatchLetter(
            iss=signer.public.fingerprint,
            jti=signing.new_jti(f"{next(self._numbers):016}".encode()),
            iat=int(at),
            device=device or self.name,
            items=tuple(items),
            troubles=tuple(
                Trouble(kind=kind, at=int(at))  # type: ignore[arg-type]
                for kind in troubles
            ),
        )
        return mail.seal(Letter(jws=signer.sign(said), keys=keys or {}), [recipient])


@dataclass
class Home:
    """A household that hears two cameras, at a clock that tests move."""

    path: Path
    clock: SimulatedClock = field(default_factory=SimulatedClock)

    def __post_init__(self) -> None:
        identity = pyrage.x25519.Identity.generate()
        self.identity, self.recipient = str(identity), str(identity.to_public())
        self.front, self.garage = Camera("front-door"), Camera("garage")
        self.begin()

    def begin(self) -> None:
        """Start the watcher (again)."""
        self.household = Household(
            devices={one.name: one.card for one in (self.front, self.garage)},
            identity=self.identity,
            memory=Memory(self.path),
            patience_seconds=PATIENCE,
        )

    def connect(self) -> None:
        self.household.connected()
        for camera in (self.front, self.garage):
            self.says(camera)

    def says(self, camera: Camera, *items: WatchItem, troubles: Sequence[str] = ()) -> None:
        self.take(camera, camera.letter(self.recipient, self.clock.now(), items, *troubles))

    def take(self, camera: Camera, payload: bytes) -> None:
        topic = topics.parse(topics.notice(camera.name, ME), feed="")
        assert topic is not None
        self.household.take(topic, payload, self.clock.now())

    def availability(self, camera: Camera, payload: bytes) -> None:
        topic = topics.parse(topics.availability(camera.name), feed="")
        assert topic is not None
        self.household.take(topic, payload, self.clock.now())

    def wait(self, seconds: float) -> None:
        """Let time pass; the household looks each minute."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.household.look(self.clock.now(), self.clock.monotonic())
            self.clock.advance(min(60.0, end - self.clock.monotonic()))
        self.household.look(self.clock.now(), self.clock.monotonic())

    def untold(self, channel: str = "ntfy") -> list[Message]:
        now = self.clock.now(), self.clock.monotonic()
        self.household.look(*now)
        return list(self.household.untold(channel, *now))

    def tell(self, channel: str = "ntfy") -> list[str]:
        """All that is untold, which is told now."""
        messages = self.untold(channel)
        for message in messages:
            self.household.remember(channel, message)
        return [str(message) for message in messages]


def item(number: int, kind: str = "request", **changes: object) -> WatchItem:
    plain: dict[str, object] = {"id": f"{number:016x}", "kind": kind, "at": 1_706_121_000}
    return WatchItem(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.fixture
def house(tmp_path: Path) -> Home:
    made = Home(tmp_path / "watch.json")
    made.connect()
    return made
