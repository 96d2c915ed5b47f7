"""Camera, gateway, owner and requester as separate processes, as people run them.

>>> house = Household(tmp_path, mosquitto, tus_server)
>>> house.start("gateway"); house.enrol(); house.start("camera")
>>> clips = house.wait_for_clips(2)
>>> digest = house.post()
>>> house.owner("inbox", "--wait", "30", "--json")
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import ROOT
from tests.peers.tus_server import TusServer

T = TypeVar("T")

PLACE = {"latitude": 42.1015, "longitude": -72.5898}
PATIENCE_SECONDS = 150.0


class Household:
    """All roles in ``root``, over a real broker and a real receiver."""

    def __init__(self, root: Path, broker: Mosquitto, receiver: TusServer) -> None:
        self.root = root
        self.config = root / "agent.yaml"
        self.state = root / "state"
        self._receiver = receiver
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            **os.environ,
            "CLIP_AGENT_PASSPHRASE": "correct horse battery",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "120",
        }
        address = f"{broker.host}:{broker.port}"
        self.owner("init", "--name", "Olive", "--broker", address)
        self.requester("init", "--name", "Springfield Police Department", "--broker", address)
        card = yaml.safe_load(self.requester("card", "--host", receiver.host))
        (root / "requesters.yaml").write_text(yaml.safe_dump({"requesters": [card]}))
        self._write_config(broker.port)

    def _write_config(self, port: int) -> None:
        settings = {
            "device": {"name": "front-door", "place": PLACE},
            "owners": ["owner/owner.card.yaml"],
            "requesters": "requesters.yaml",
            "state_dir": "state",
            "camera": {
                "source": {"type": "scene", "walkers_per_minute": 12},
                "recording": {"pre_roll_seconds": 1, "post_roll_seconds": 1},
            },
            "mqtt": {"port": port},
            "storage": {"min_free_bytes": 0},
            "upload": {
                "allow_loopback_http": True,
                "chunk_bytes": 131_072,
                "max_backoff_seconds": 1,
            },
            "time": {"synced_marker": None},
        }
        self.config.write_text(yaml.safe_dump(settings))

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

    def kill_all(self) -> None:
        for name in self._daemons:
            self.kill(name)

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text(errors="replace")

    def run(self, *arguments: str | Path, expected: int = 0) -> str:
        """A command as a process of its own; what it prints (stderr if it must fail)."""
        done = subprocess.run(
            [sys.executable, "-m", "agent", *map(str, arguments)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == expected, f"{arguments}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout if expected == 0 else done.stderr

    def device(self, *arguments: str) -> str:
        return self.run(*arguments, "--config", self.config)

    def owner(self, command: str, *arguments: str | Path, expected: int = 0) -> str:
        home = self.root / "owner"
        return self.run("owner", command, "--home", home, *arguments, expected=expected)

    def requester(self, command: str, *arguments: str | Path, expected: int = 0) -> str:
        home = self.root / "requester"
        return self.run("requester", command, "--home", home, *arguments, expected=expected)

    # Steps of the way

    def wait(self, what: str, ready: Callable[[], T | None]) -> T:
        """What ``ready`` gives as soon as it is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := ready()):
            assert time.monotonic() < deadline, f"waited too long for {what}"
            time.sleep(0.1)
        return found

    def enrol(self) -> None:
        """The owner takes the card that the gateway wrote at its first start."""
        card = self.state / "device.card.yaml"
        self.wait("the device's card", card.exists)
        self.owner("card", "--add", card)

    def clips(self) -> list[dict[str, Any]]:
        lines = self.device("clips", "--json").splitlines()
        return [json.loads(line) for line in lines]

    def wait_for_clips(self, count: int) -> list[dict[str, Any]]:
        self.wait("the index", (self.state / "agent.sqlite").exists)
        return self.wait("clips", lambda: found if len(found := self.clips()) >= count else None)

    def post(self) -> str:
        """The requester asks in public; the request's digest."""
        now = datetime.now(UTC)
        path = self.root / "request.yaml"
        posting = {
            "title": "Bicycle theft on Elm Street",
            "text": "We look for whoever rode a red bicycle away.",
            "incident": "theft",
            "reference": "2024-001234",
            "contact": "Det. A. Example, 413 555 0100",
            "window": {
                "from": (now - timedelta(minutes=30)).isoformat(),
                "to": (now + timedelta(minutes=5)).isoformat(),
            },
            "around": {**PLACE, "square_miles": 0.25},
            "upload": self._receiver.url,
            "open_days": 5,
        }
        path.write_text(yaml.safe_dump(posting))
        posted = self.requester("post", path, "--allow-loopback-http", "--json")
        return str(json.loads(posted)["digest"])

    def ledger(self) -> list[str]:
        """The events on the owner's record, oldest first."""
        lines = self.device("ledger", "export").splitlines()
        return [str(json.loads(line)["event"]) for line in lines]

    def offered(self, digest: str) -> dict[str, Any]:
        """The request as it stands in the owner's inbox."""

        def found() -> dict[str, Any] | None:
            plain = json.loads(self.owner("inbox", "--json", "--wait", "5"))
            return next((one for one in plain["requests"] if one["digest"] == digest), None)

        return self.wait("the owner's letter", found)
