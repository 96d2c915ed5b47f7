"""A gateway wired by its own ``build()`` among simulated peers, run step by step.

>>> world = World(tmp_path)
>>> clip = world.house.record()
>>> post = world.post()                       # public, judged, matched
>>> world.to_device(world.house.approve(post, [clip]))
>>> world.receiver.finished                   # what reached the requester

``crash_after`` kills the gateway after so many more commits (nothing in memory survives),
or, with ``crash_uncommitted``, just before the next one is done; ``restart`` builds a new
one on the same disk. ``meanwhile`` holds what others do, one before each of its next steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import yaml

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.statements import Outcome, Request
from agent.gateway import app
from agent.gateway.daemon import Gateway
from agent.host.board import Machine
from agent.mqtt import topics
from agent.vault.clips.store import ClipStore
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.ledger import Ledger
from agent.vault.records.requests import RequestTable
from tests.support.house import House
from tests.support.peers import Crash, FakeBroker, FakeLink, FakeReceiver

FEED = "clip-feed"
DEVICE = "front-door"


class World:
    """One house, its gateway, and the peers."""

    def __init__(self, root: Path, *, machine: Machine | None = None, **changes: Any) -> None:
        self._machine = machine or Machine(root / "no sysfs")
        self.house = House.build(root, **changes)
        self.clock = self.house.clock
        self.broker = FakeBroker()
        self.receiver = FakeReceiver()
        self.crash_after: int | None = None
        self.crash_uncommitted = False
        self.crashes = 0
        self.meanwhile: list[Callable[[], object]] = []
        self.notified: list[str] = []  # what systemd was told
        self.gateway: Gateway | None = None
        self.restart()

    # The gateway's life

    def restart(self) -> None:
        """Stop the gateway, if it runs, without a word, and start a new one."""
        self.kill()
        self.gateway = app.build(
            self.house.config,
            clock=self.clock,
            owner_link=FakeLink(self.broker),
            receiver=self.receiver,
            notify=self.notified.append,
            machine=self._machine,
        )
        if self._guard(self.gateway.start):
            self.run()
        else:
            self.restart()

    def kill(self) -> None:
        self.broker.client = None
        self.gateway = None

    def correct_times(self) -> None:
        """Correct the clips' times, as the camera does once the clock is set."""
        house = self.house
        with house.open_index() as index:
            store = ClipStore(house.config.state_dir, index, recipients=[], clock=house.clock)
            assert store.correct_times()
        self.run()

    def run(self) -> None:
        """Until nothing more happens by itself; a gateway that crashes is started again."""
        idle = 0
        for _ in range(50):
            if self.gateway is None:
                return self.restart()
            worked: list[bool] = []
            for part in (self.gateway.step, partial(self._send, self.gateway, worked)):
                self.let_others_act()
                if not self._guard(part):
                    return self.restart()
            idle = 0 if worked[0] else idle + 1
            word = self.gateway.last_word
            if idle > (word._wanted or word._marker != b""):  # a turn more: the broker is asked
                return None
        raise AssertionError("the gateway does not come to rest")

    def let_others_act(self) -> None:
        """Let whoever shares the disk do the next thing of theirs."""
        if self.meanwhile:
            self.meanwhile.pop(0)()

    @staticmethod
    def _send(gateway: Gateway, worked: list[bool]) -> None:
        """One turn of the releases' thread, and of the loop that notices it."""
        worked.append(gateway.releases.step())
        gateway.step()

    def _guard(self, step: Any) -> bool:
        """Run ``step``; False if the gateway died in it."""
        try:
            with self._commits_counted():
                step()
        except Crash:
            self.crashes += 1
            self.kill()
            return False
        return True

    @contextmanager
    def _commits_counted(self) -> Iterator[None]:
        """Let the process die right after the commit that ``crash_after`` names, or before it."""
        real = GatewayDatabase.transaction
        world = self

        @contextmanager
        def counted(database: GatewayDatabase) -> Iterator[Connection]:
            with real(database) as connection:
                yield connection
                if world.crash_after == 0 and world.crash_uncommitted:
                    world.crash_after = None
                    raise Crash
            if world.crash_after is not None:
                world.crash_after -= 1
                if world.crash_after < 0:
                    world.crash_after = None
                    raise Crash

        GatewayDatabase.transaction = counted  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            GatewayDatabase.transaction = real  # type: ignore[method-assign]

    # Messages

    def post(self, request: Request | None = None) -> str:
        """Post a request on the feed and let the gateway judge it."""
        request = request or self.house.request()
        jws = self.house.post(request)
        self.to_feed(jws, request.jti)
        return jws

    def to_feed(self, jws: str | bytes, jti: str, *, retained: bool = True) -> None:
        payload = jws.encode() if isinstance(jws, str) else jws
        self.broker.send(topics.request(FEED, jti), payload, retained=retained)
        self.run()

    def to_device(self, letter: bytes, *, retained: bool = False) -> None:
        name = self.house.config.device.name
        self.broker.send(topics.owner(name), letter, retained=retained)
        self.run()

    # What can be seen from outside

    @property
    def inbox(self) -> dict[str, bytes]:
        """The owner's open letters, by topic."""
        prefix = f"clip-agent/{self.house.config.device.name}/inbox/"
        return {k: v for k, v in self.broker.retained.items() if k.startswith(prefix)}

    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes that the owner was told, by release id."""
        prefix = f"clip-agent/{self.house.config.device.name}/release/"
        keys = {self.house.device_card().fingerprint: self.house.device_card().key}
        told = {}
        for topic, payload in self.broker.retained.items():
            if topic.startswith(prefix):
                letter = mail.open_letter(payload, self.house.owner.identity)
                outcome = signing.verify(letter.jws, Outcome, keys)
                told[topic.removeprefix(prefix)] = outcome
        return told

    def events(self, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
        """The ledger: events with their details, oldest first."""
        database = self.house.open_database()
        try:
            entries = list(Ledger(database).entries())
        finally:
            database.close()
        return [(e.event, dict(e.detail)) for e in entries if e.event.startswith(prefix)]

    def request_state(self, post: str) -> str:
        database = self.house.open_database()
        try:
            request = RequestTable(database).get(signing.digest(post))
        finally:
            database.close()
        return "" if request is None else request.state


def rules(world: World, prefix: str) -> list[str]:
    """The rules that the ledger names in lines whose event begins so."""
    return [detail["rule"] for _, detail in world.events(prefix) if "rule" in detail]


def state_of(world: World, release_id: str) -> str:
    """The state of a release as the owner was last told."""
    return world.outcomes()[release_id].event


def change_cards(world: World, change: Any) -> None:
    """Edit ``requesters.yaml``, which is read at the next start."""
    path = world.house.config.requesters
    book = yaml.safe_load(path.read_text())
    change(book["requesters"])
    path.write_text(yaml.safe_dump(book))
