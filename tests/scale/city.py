"""One requester who posts to a city's feed, and real gateways that read it.

>>> with City(tmp_path, mosquitto) as city:
...     posts = city.post(200, cluster.ports[0])
...     city.add_gateway("north", cluster.ports[1])
...     city.wait_until_heard(posts)           # by every gateway
"""

from __future__ import annotations

import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self

import msgspec

from agent import config
from agent.consent import signing
from agent.errors import NetworkFault
from agent.mqtt import topics
from agent.mqtt.link import connect_broker
from agent.mqtt.session import Session
from agent.requester.posts import publish
from agent.requester.posts.publish import Publication
from agent.vault.database import gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import ROOT
from tests.support.clock import SimulatedClock
from tests.support.house import House

PATIENCE_SECONDS = 240.0
_FEED = "clip-feed"
# The rules are not in question here: every post is admitted.
_LENIENT = config.Requests(
    max_open_per_requester=9_999, max_daily_per_requester=9_999, max_kept_daily_per_requester=9_999
)


class City:
    """Gateways as processes of their own, each with an owner's broker at home."""

    def __init__(self, root: Path, home: Mosquitto) -> None:
        clock = SimulatedClock(wall_seconds=time.time())
        mqtt = config.Broker(host=home.host, port=home.port)
        self._root = root
        self._house = House.build(root, clock=clock, mqtt=mqtt, requests=_LENIENT)
        self.unsure: list[Publication] = []
        self._gateways: dict[str, subprocess.Popen[bytes]] = {}

    def post(self, count: int, port: int) -> set[str]:
        """Post ``count`` requests in one go by the broker at ``port``; their digests."""
        publications = [self._publication() for _ in range(count)]
        with _session(port) as session:
            for one in publications:
                session.publish(one.topic, one.payload, retained=True)
        return {signing.digest(one.jws) for one in publications}

    def ask(self, count: int, port: int) -> set[str]:
        """Post ``count`` requests as requesters do; those they are told to repeat are kept."""
        publications = [self._publication() for _ in range(count)]
        for one in publications:
            try:
                publish.send(one, config.Broker(port=port))
            except NetworkFault:
                self.unsure.append(one)
        return {signing.digest(one.jws) for one in publications}

    def ask_again(self, port: int) -> int:
        """Repeat those requests until the broker keeps them; how many they were."""
        deadline, count = time.monotonic() + PATIENCE_SECONDS, len(self.unsure)
        while self.unsure:
            try:
                publish.send(self.unsure[-1], config.Broker(port=port))
            except NetworkFault as error:
                assert time.monotonic() < deadline, error
            else:
                self.unsure.pop()
        return count

    def _publication(self) -> Publication:
        request = self._house.request()
        return Publication(topics.request(_FEED, request.jti), self._house.post(request))

    def add_gateway(self, name: str, port: int) -> None:
        """Start a gateway that nobody has seen before, with its feed at ``port``."""
        settings = msgspec.structs.replace(
            self._house.config,
            device=msgspec.structs.replace(self._house.config.device, name=name),
            state_dir=self._root / name,
            feed=config.Feed(broker=config.Broker(port=port)),
        )
        path = self._root / f"{name}.yaml"
        path.write_text(config.effective(settings))
        with (self._root / f"{name}.log").open("wb") as log:
            self._gateways[name] = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.scale.hasty_gateway",
                    "gateway",
                    "--config",
                    str(path),
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def heard(self, name: str) -> set[str]:
        """The digests of the requests that a gateway has admitted."""
        path = gateway.path_of(self._root / name)
        if not path.exists():
            return set()
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
            try:
                rows = database.execute("SELECT digest FROM request WHERE state = 'OPEN'")
                return {digest for (digest,) in rows}
            except sqlite3.OperationalError:  # its tables are not there yet
                return set()

    def wait_until_heard(self, posts: set[str]) -> None:
        """Wait until every gateway has admitted all ``posts``."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while missing := {
            name: len(left) for name in self._gateways if (left := posts - self.heard(name))
        }:
            assert time.monotonic() < deadline, f"not heard: {missing}\n{self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        """The end of what each gateway has logged."""
        return "\n".join(
            f"{name}: {(self._root / f'{name}.log').read_text(errors='replace')[-600:]}"
            for name in self._gateways
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._gateways.values():
            process.kill()
            process.wait()


@contextmanager
def onlookers(ports: Sequence[int]) -> Iterator[Callable[[], list[int]]]:
    """Subscribers that subscribe once, now; how many posts each has got when they are asked."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(_session(port, f"{_FEED}/#")) for port in ports]

        def count() -> list[int]:
            got = [one.collect(quiet_seconds=2, at_most_seconds=60) for one in sessions]
            return [len({post.topic for post in posts}) for posts in got]

        yield count


@contextmanager
def _session(port: int, *subscriptions: str) -> Iterator[Session]:
    """A session at the broker as soon as it accepts one: a cluster elects first."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        link = connect_broker(
            config.Broker(port=port),
            client_id=f"city-{secrets.token_hex(6)}",
            subscriptions=subscriptions,
            clean_session=True,
            qos=0,  # as cameras do
        )
        session = Session(link, seconds=PATIENCE_SECONDS)
        try:
            session.__enter__()
        except NetworkFault:
            assert time.monotonic() < deadline, f"the broker at {port} accepts nobody"
            time.sleep(0.05)
        else:
            break
    try:
        yield session
    finally:
        link.stop()
