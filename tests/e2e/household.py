"""Camera and gateway as processes of their own, and the commands that people type.

Commands run in this process, which spares starting Python for each; with ``separately`` they
are processes too.

>>> house = Household(tmp_path, mosquitto, tus_server)
>>> house.start("gateway"); house.enrol(); house.start("camera")
>>> clips = house.wait_for_clips(2)
>>> digest = house.post()
>>> house.owner("inbox", "--wait", "120", "--json")
"""

from __future__ import annotations

import copy
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml

from agent import config
from agent.clock import SystemClock
from agent.parties import load_owners, recipients
from agent.vault.database import gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import ROOT
from tests.support import house
from tests.support.commands import typed

T = TypeVar("T")

PLACE = {"latitude": 42.1015, "longitude": -72.5898}
PATIENCE_SECONDS = 300.0
PASSPHRASE = "correct horse battery"
Window = tuple[timedelta, timedelta]  # from and to, seen from now
LATELY: Window = (timedelta(minutes=-30), timedelta(minutes=5))


class Receiver(Protocol):
    """A tus receiver that runs: its ``host:port``, and where uploads are created."""

    @property
    def host(self) -> str: ...

    @property
    def url(self) -> str: ...


class Household:
    """All roles in ``root``, over a real broker and a real receiver.

    With a broker of its own for the ``feed``, requesters use that. The gateway comes by a
    broker's first address, people by its last: so a capture can tell them apart.
    """

    def __init__(
        self,
        root: Path,
        broker: Mosquitto,
        receiver: Receiver,
        *,
        feed: Mosquitto | None = None,
        separately: bool = False,
    ) -> None:
        self.root = root
        self._separately = separately
        self.config = root / "agent.yaml"
        self.state = root / "state"
        self._receiver = receiver
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        # Other tests measure the coverage of processes; tracing these would double their cost.
        untraced = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
        self._environment = {
            **untraced,
            "CLIP_AGENT_PASSPHRASE": PASSPHRASE,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "120",
        }
        self.owner("init", "--name", "Olive", "--broker", f"{broker.hosts[-1]}:{broker.port}")
        public = feed or broker
        self._public_address = f"{public.hosts[-1]}:{public.port}"
        card = self.new_requester("requester", "Springfield Police Department")
        (root / "requesters.yaml").write_text(yaml.safe_dump({"requesters": [card]}))
        self._write_config(broker, feed)

    def _write_config(self, broker: Mosquitto, feed: Mosquitto | None) -> None:
        settings: dict[str, Any] = {
            "device": {"name": "front-door", "place": PLACE},
            "owners": ["owner/owner.card.yaml"],
            "requesters": "requesters.yaml",
            "state_dir": "state",
            "camera": {
                "source": {"type": "scene", "walkers_per_minute": 12},
                "recording": {"pre_roll_seconds": 1, "post_roll_seconds": 1},
            },
            "mqtt": {"host": broker.host, "port": broker.port},
            "feed": {"broker": None},
            "storage": {"min_free_bytes": 0},
            "upload": {
                "allow_loopback_http": True,
                "chunk_bytes": 131_072,
                "max_backoff_seconds": 1,
            },
            "time": {"synced_marker": None},
        }
        if feed is not None:  # with no ping in a test's time: each byte has a cause
            public = {"host": feed.host, "port": feed.port, "keepalive_seconds": 3600}
            settings["feed"]["broker"] = public
        self.config.write_text(yaml.safe_dump(settings))

    def another(self, device: str) -> Household:
        """A second camera named ``device`` of the same owners; its state stands beside."""
        other = copy.copy(self)
        other.config, other.state = self.root / f"{device}.yaml", self.root / f"state-{device}"
        other._daemons = {}
        settings = yaml.safe_load(self.config.read_text())
        settings["device"]["name"] = device
        settings["state_dir"] = other.state.name
        other.config.write_text(yaml.safe_dump(settings))
        return other

    # Processes

    def start(self, name: str, *, command: Sequence[str] = ("-m", "agent")) -> None:
        """Start a daemon, whose output goes on in ``<name>.log``."""
        with (self.root / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                [sys.executable, *command, name, "--config", str(self.config)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ended(self, name: str) -> int | None:
        """The exit code of a daemon that has ended."""
        return self._daemons[name].poll()

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        daemon = self._daemons[name]
        daemon.kill()
        daemon.wait()

    def stop(self, name: str) -> None:
        """SIGTERM, as systemd does, and wait until it has ended in order."""
        daemon = self._daemons[name]
        daemon.terminate()
        assert daemon.wait(PATIENCE_SECONDS) == 0, self.log(name)

    def kill_all(self) -> None:
        for name in self._daemons:
            self.kill(name)

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text(errors="replace")

    def run(self, *arguments: str | Path, expected: int = 0) -> str:
        """A command as somebody types it; what it prints (stderr if it must fail)."""
        if self._separately and arguments[1] != "init":  # keys are made here, where it is cheap
            done = subprocess.run(
                [sys.executable, "-m", "agent", *map(str, arguments)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
            )
        else:
            done = typed(*arguments, environment=self._environment)
        assert done.returncode == expected, f"{arguments}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout if expected == 0 else done.stderr

    def spawn(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """A command of the owner as a process of its own, which goes on."""
        home = ("--home", self.root / "owner")
        return subprocess.Popen(
            [sys.executable, "-m", "agent", *map(str, (*arguments, *home))],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def device(self, *arguments: str) -> str:
        return self.run(*arguments, "--config", self.config)

    def owner(self, command: str, *arguments: str | Path, expected: int = 0) -> str:
        home = self.root / "owner"
        return self.run("owner", command, "--home", home, *arguments, expected=expected)

    def requester(
        self, command: str, *arguments: str | Path, home: str = "requester", expected: int = 0
    ) -> str:
        folder = self.root / home
        return self.run("requester", command, "--home", folder, *arguments, expected=expected)

    def new_requester(self, home: str, name: str) -> Any:
        """Somebody who may post in public, and is known to houses that have the card returned."""
        self.requester("init", "--name", name, "--broker", self._public_address, home=home)
        return yaml.safe_load(self.requester("card", "--host", self._receiver.host, home=home))

    # Steps of the way

    def wait(self, what: str, ready: Callable[[], T | None]) -> T:
        """The result of ``ready`` as soon as it is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := ready()):
            assert time.monotonic() < deadline, f"waited too long for {what}"
            time.sleep(0.05)
        return found

    def enrol(self) -> None:
        """The owner takes the card that the gateway wrote at its first start."""
        card = self.state / "wishes" / "device.card.yaml"
        self.wait("the device's card", card.exists)
        self.owner("card", "--add", card)

    def clips(self) -> list[dict[str, Any]]:
        lines = self.device("clips", "--json").splitlines()
        return [json.loads(line) for line in lines]

    def wait_for_clips(self, count: int) -> list[dict[str, Any]]:
        """All clips, once there are ``count``; sidecars come last, and are cheap to count."""

        def found() -> list[dict[str, Any]] | None:
            if len(list((self.state / "camera" / "clips").glob("*/*.json"))) < count:
                return None
            return clips if len(clips := self.clips()) >= count else None

        return self.wait("clips", found)

    def record(self, *seconds_ago: float, video: bytes | None = None) -> list[str]:
        """Finished clips that began so long ago, as a camera writes them; their ids."""
        clock, settings = SystemClock(synced_marker=None), config.load(self.config)
        readers = recipients(load_owners(settings.owners))
        return [
            house.record(settings.state_dir, readers, clock, seconds_ago=ago, video=video).id
            for ago in seconds_ago
        ]

    def post(self, *, home: str = "requester", window: Window = LATELY, **changes: Any) -> str:
        """A requester asks in public; the request's digest."""
        path = self.write_request(window, **changes)
        posted = self.requester("post", path, "--allow-loopback-http", "--json", home=home)
        return str(json.loads(posted)["digest"])

    def write_request(self, window: Window, **changes: Any) -> Path:
        """The file of a request, with ``changes`` to its keys."""
        now = datetime.now(UTC)
        path = self.root / "request.yaml"
        posting = {
            "title": "Bicycle theft on Elm Street",
            "text": "We look for whoever rode a red bicycle away.",
            "incident": "theft",
            "reference": "2024-001234",
            "contact": "Det. A. Example, 413 555 0100",
            "window": {
                "from": (now + window[0]).isoformat(),
                "to": (now + window[1]).isoformat(),
            },
            "around": {**PLACE, "square_miles": 0.25},
            "upload": self._receiver.url,
            "open_days": 5,
        }
        path.write_text(yaml.safe_dump(posting | changes))
        return path

    @property
    def receiver_url(self) -> str:
        """The URL that bundles may be uploaded to."""
        return self._receiver.url

    def ledger_lines(self) -> list[dict[str, Any]]:
        """The lines of the ledger, oldest first."""
        return [json.loads(line) for line in self.device("ledger", "export").splitlines()]

    def ledger(self) -> list[str]:
        """The events on the ledger, oldest first, as they stand in the gateway's database."""
        path = gateway.path_of(self.state)
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
            return [event for (event,) in database.execute("SELECT event FROM ledger ORDER BY seq")]

    def offered(self, digest: str) -> dict[str, Any]:
        """The request as it stands in the owner's inbox."""

        def found() -> dict[str, Any] | None:
            plain = json.loads(self.owner("inbox", "--json", "--wait", "5"))
            return next((one for one in plain["requests"] if one["digest"] == digest), None)

        return self.wait("the owner's letter", found)
