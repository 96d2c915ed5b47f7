"""Power cuts with a revocation waiting: not a byte may leave after the boot, in any order of it.

::

    python -m tests.soak.power_cut        CUTS=12 shortens it, CUTS_SEED repeats it

Broker, receiver and gateway are the real ones, each a process. In each run a release waits for a
receiver that is away when the power fails: the gateway is killed (SIGKILL). The owner revokes,
and the broker takes the letter for it; then broker and receiver lose their power too. The three
come back in one of the six orders, with pauses. Every third broker has forgotten what it was
told: then the release must wait until the owner's next sync repeats the revocation.

So that a gateway which never sends anything does not pass, one more release goes the whole way.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from agent.consent import lifecycle, signing
from agent.consent.statements import HeldDecision, Revoke, Sync
from agent.mqtt import topics
from agent.mqtt.connection import Settings
from agent.mqtt.link import MqttLink
from agent.mqtt.session import Session
from agent.vault.clips.store import Clip
from agent.vault.records.holds import HoldTable
from agent.vault.records.releases import ReleaseTable
from agent.vault.records.requests import RequestTable
from tests.peers.mosquitto import Mosquitto
from tests.peers.python_receiver import PythonReceiver
from tests.peers.requirements import ROOT
from tests.peers.tus_server import TusServer
from tests.support.house import House
from tests.support.statements import upload

CUTS: Final = 100
ORDERS: Final = tuple(itertools.permutations(("broker", "receiver", "gateway")))
_PATIENCE_SECONDS = 120.0
_LONGEST_PAUSE_SECONDS = 3.0
_FEED = "clip-feed"
_AS_THE_UNIT: Final = {"MALLOC_ARENA_MAX": "2"}  # systemd/clip-agent-gateway.service
_TRIES: Final = re.compile(r"owner's broker")  # it connected, or could not


class Evening:
    """A house with one clip, and the three processes around it, in ``folder``."""

    def __init__(
        self,
        folder: Path,
        *,
        command: tuple[str, ...] = ("-m", "agent"),
        receiver: TusServer | PythonReceiver | None = None,
        upload_host: str = "",
        timeout_seconds: float = 30,
    ) -> None:
        self.broker = Mosquitto(folder / "broker").start()
        self.receiver = receiver or TusServer(folder / "receiver").start()
        self._upload_host = upload_host or self.receiver.host
        self._timeout_seconds = timeout_seconds
        self.house = House.build(folder / "house")
        self._command = command
        self._log = folder / "gateway.log"
        self._log_begin = 0
        self._gateway: subprocess.Popen[bytes] | None = None
        self._write_config()
        self.start_gateway()
        self._wait("the device's card", lambda: self._card_is_there())
        # A gateway killed before it has heard its owners once holds what came meanwhile, rightly.
        marked = f"{topics.session(self.house.config.device.name)} (QoS 1)"
        self._wait("the mark of its session", lambda: marked in self.broker.log())
        self._set_clock()
        self._recorded = 0
        self._clip = self.record(seconds_ago=60)

    def _write_config(self) -> None:
        root, place = self.house.root, self.house.config.device.place
        cards = yaml.safe_load((root / "requesters.yaml").read_text())
        cards["requesters"][0]["upload_hosts"] = [self._upload_host]
        (root / "requesters.yaml").write_text(yaml.safe_dump(cards))
        settings = {
            "device": {
                "name": self.house.config.device.name,
                "place": {"latitude": place.latitude, "longitude": place.longitude},
            },
            "owners": ["owner.card.yaml"],
            "requesters": "requesters.yaml",
            "state_dir": "state",
            "requests": {
                "max_open_per_requester": 10_000,
                "max_daily_per_requester": 10_000,
                "max_kept_daily_per_requester": 1_000,
            },
            "mqtt": {"host": self.broker.host, "port": self.broker.port},
            "feed": {"topic": _FEED, "broker": None},
            "upload": {
                "allow_loopback_http": True,
                "max_backoff_seconds": 1,
                "timeout_seconds": self._timeout_seconds,
            },
            "time": {"synced_marker": None},
        }
        (root / "agent.yaml").write_text(yaml.safe_dump(settings))

    # Power

    @property
    def pid(self) -> int:
        """The gateway's process."""
        assert self._gateway is not None
        return self._gateway.pid

    def _said(self) -> str:
        """The log of the gateway since its last start."""
        return self._log.read_text(errors="replace")[self._log_begin :]

    def start_gateway(self) -> None:
        """Start the gateway's process."""
        self._log_begin = len(self._log.read_text(errors="replace")) if self._log.exists() else 0
        arguments = ("gateway", "--config", str(self.house.root / "agent.yaml"))
        with self._log.open("ab") as log:
            self._gateway = subprocess.Popen(
                [sys.executable, *self._command, *arguments],
                env={**os.environ, "PYTHONPATH": str(ROOT), **_AS_THE_UNIT},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill_gateway(self) -> None:
        """End the gateway as a power cut does."""
        if self._gateway is not None:
            self._gateway.kill()
            self._gateway.wait()

    def end(self) -> None:
        """Kill whatever still runs."""
        self.kill_gateway()
        self.broker.kill()
        self.receiver.kill()

    # One cut

    def cut(self, order: tuple[str, ...], *, forgets: bool, draw: random.Random) -> int:
        """The bytes that left after a power cut with a revocation waiting."""
        release = self._sealed_without_receiver()
        self.kill_gateway()
        self._send(Revoke(release=release))
        before = self.receiver.received_bytes()
        self.broker.stop()  # in order: what it confirmed is on its disk
        starts: dict[str, Callable[[], object]] = {
            "broker": self.broker.forget if forgets else self.broker.start,
            "receiver": self.receiver.start,
            "gateway": self.start_gateway,
        }
        for name in order:
            starts[name]()
            if name == "gateway":  # so that it is at work before what comes after it
                self._wait("its first try", lambda: _TRIES.search(self._said()) is not None)
            time.sleep(draw.uniform(0, _LONGEST_PAUSE_SECONDS))
        if forgets:
            self._wait(
                "the hold", lambda: self._is_held(release) or self.state(release) != "SEALED"
            )
            self._send(Sync(decisions=(HeldDecision(decision=release, standing=False),)))
        self._wait("its end", lambda: self.is_over(release))
        return self.receiver.received_bytes() - before

    def deliver(self) -> bool:
        """True if a release that nobody revokes arrives."""
        before = len(self.receiver.finished())
        release = self._sealed_without_receiver()
        self.receiver.start()
        self._wait("the delivery", lambda: self.state(release) == "SENT")
        return len(self.receiver.finished()) == before + 1

    def _sealed_without_receiver(self) -> str:
        """The id of a release whose bundle waits for its receiver, which is away."""
        self.receiver.kill()
        release = self.approve(self.post(self.receiver.url), self._clip)
        self._wait("its bundle", lambda: self.state(release) == "SEALED")
        return release

    def record(self, seconds_ago: float, video: bytes | None = None) -> Clip:
        """A clip that every request finds."""
        self._recorded += 1
        return self.house.record(seconds_ago=seconds_ago, video=video)

    def post(self, url: str) -> str:
        """A public request for clips, to be sent to ``url``, that has found all that are there."""
        self._set_clock()
        request = self.house.request(upload=upload(url))
        post = self.house.post(request)
        self._publish(topics.request(_FEED, request.jti), post.encode(), retained=True)
        digest = signing.digest(post)
        # A new clip joins a while after others did, and an approval of it is refused until then.
        self._wait("the match", lambda: self._matches(digest) == self._recorded)
        return post

    def approve(self, post: str, clip: Clip) -> str:
        """Send the owner's approval of a clip; the release's id."""
        release, letter = self.approval(post, clip)
        self._publish(topics.owner(self.house.config.device.name), letter)
        return release

    def approval(self, post: str, clip: Clip) -> tuple[str, bytes]:
        """The owner's approval of a clip, to be sent: the release's id, and the letter."""
        self._set_clock()
        jws = self.house.owner.signing.sign(self.house.approval(post, [clip]))
        letter = self.house.seal_letter(jws, self.house.clip_keys([clip]))
        return signing.digest(jws)[:16], letter

    # Messages

    def _send(self, command: Revoke | Sync) -> None:
        self._set_clock()
        name = self.house.config.device.name
        self._publish(topics.owner(name), self.house.command(command))

    def _publish(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        settings = Settings(
            client_id=f"owner-{secrets.token_hex(6)}", host=self.broker.host, port=self.broker.port
        )
        with Session(MqttLink(settings)) as session:
            session.publish(topic, payload, retained=retained)

    # What can be seen

    def state(self, release: str) -> str:
        """The state of a release; empty while the gateway does not know it."""
        with self.house.open_database() as database:
            row = ReleaseTable(database).get(release)
        return "" if row is None else row.state

    def is_over(self, release: str) -> bool:
        """True if nothing more of a release leaves or is stopped."""
        return self.state(release) in lifecycle.OVER

    def _is_held(self, release: str) -> bool:
        with self.house.open_database() as database:
            return bool(HoldTable(database).why(release))

    def _matches(self, digest: str) -> int:
        with self.house.open_database() as database:
            return RequestTable(database).match_count(digest)

    def _card_is_there(self) -> bool:
        return (self.house.config.state_dir / "wishes" / "device.card.yaml").exists()

    def _set_clock(self) -> None:
        self.house.clock.wall_seconds = time.time()

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not ready():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited too long for {what}: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)


@contextmanager
def evening(folder: Path, *, command: tuple[str, ...] = ("-m", "agent")) -> Iterator[Evening]:
    """An evening whose processes end with the block."""
    one = Evening(folder, command=command)
    try:
        yield one
    finally:
        one.end()


def run(cuts: int, seed: str) -> Counter[str]:
    """Play ``cuts`` power cuts, the orders in turn; what happened."""
    told, draw = Counter[str](), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="clip-power-") as folder, evening(Path(folder)) as one:
        for number in range(cuts):
            order, forgets = ORDERS[number % len(ORDERS)], number // len(ORDERS) % 3 == 2
            left = one.cut(order, forgets=forgets, draw=draw)
            told["cuts"] += 1
            told["forgetful"] += forgets
            told["bytes"] += left
            told["runs with bytes"] += left > 0
            if not told["cuts"] % len(ORDERS):
                print(f"  {told['cuts']} cuts, {told['bytes']} bytes", flush=True)
            if left:
                print(f"  {left} BYTES LEFT: {' > '.join(order)}, forgets: {forgets}", flush=True)
        told["delivered"] += one.deliver()
    return told


def main() -> int:
    """Print the counts; 1 if a byte left, or nothing ever does."""
    cuts, seed = int(os.environ.get("CUTS", CUTS)), os.environ.get("CUTS_SEED", "power")
    began = time.monotonic()
    told = run(cuts, seed)
    print(
        f"power cuts with a revocation waiting: 0 bytes in {cuts - told['runs with bytes']} of"
        f" {cuts}, in {len(ORDERS)} orders; {told['forgetful']} with a broker that had forgotten;"
        f" {time.monotonic() - began:.0f} s, CUTS_SEED={seed}"
    )
    return 0 if told["delivered"] and not told["bytes"] else 1


if __name__ == "__main__":
    sys.exit(main())
