"""``clip-agent demo``: all roles on one machine, with real parts, in about a minute.

An MQTT broker (amqtt) and a tus receiver run inside this process on loopback. Camera and
gateway are the two daemons, as on a Pi; owner and requester use the commands that people
type. Keys are new for each run. Each step prints one line.
"""

from __future__ import annotations

import json
import logging
import secrets
import shlex
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import yaml

from agent import keyfile
from agent.cli.demo.stage import Stage, broker, clip_seconds, count, take_picture
from agent.errors import ClipAgentError, EnvironmentFault
from agent.requester.receiver.server import Receiver

DEVICE = "front-door"
PLACE = {"latitude": 42.1015, "longitude": -72.5898}
REQUESTER = "Springfield Police Department"
RESULT_FOLDER = Path("demo-output")
_ENOUGH_CLIPS = 3


def run(*, video: str | None, yes: bool, keep: str | None) -> int:
    """Play the demo. ``keep`` names a folder to leave everything in."""
    if video is not None and not Path(video).is_file():
        raise EnvironmentFault(f"{video}: there is no such file")
    for chatty in ("amqtt", "transitions", "agent"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clip-agent-")))
            results = RESULT_FOLDER / f"{datetime.now():%Y-%m-%d-%H%M%S}"  # noqa: DTZ005 - local
        else:
            folder = results = Path(keep).resolve()
            if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
                raise EnvironmentFault(f"{folder} is not empty", advice="Name a new folder")
        for path in (folder, results):
            path.mkdir(parents=True, exist_ok=True)
        port = stack.enter_context(broker())
        receiver = Receiver(folder / "received")
        receiver.start()
        stack.callback(receiver.stop)
        Demo(folder, results, port, receiver, video).play(stack, yes=yes)
    return 0


class Demo(Stage):
    """The steps of the story."""

    def play(self, stack: ExitStack, *, yes: bool) -> None:
        """All steps in their order."""
        self.say(f"broker: MQTT on 127.0.0.1:{self.port}, inside this process (amqtt)")
        self.make_people()
        self.write_config(self.make_log())
        stack.enter_context(self.daemon("gateway"))
        card = self.state / "wishes" / "device.card.yaml"
        self.wait("the gateway", card.exists)
        self.command("owner", "card", "--add", card)
        self.say(f"gateway: started, holds no key that opens a clip; the owner enrolled {DEVICE}")
        recorded = self.record()
        request = self.post()
        offered = [str(clip["id"]) for clip in self.inbox(request)["clips"]]
        number = len(offered) // 2 + 1
        asked_for = offered[number - 1]
        self.tell(f"received before approval: {len(self.receiver.finished())}")
        picture = self.results / f"clip-{number}.png"
        take_picture(self.open_as_owner(asked_for), picture)
        self.tell(f"only the owner's key opens clip {number}; a picture of it: {picture}")
        if self.decide(number, yes=yes):
            self.command("owner", "approve", request, str(number), "--yes", "--wait", "60")
            self.say(f"owner: approved clip {number}, {asked_for}; the approval carried its key")
            self.check_bundle(asked_for, recorded)
        else:
            self.command("owner", "decline", request, "--yes")
            self.say("owner: declined; the requester learned nothing")
            self.tell(f"received: {len(self.receiver.finished())}")
        kept = next((clip for clip in offered if clip != asked_for), asked_for)
        self.leave_proof(offered.index(kept) + 1, kept)

    def make_people(self) -> None:
        """Keys for owner and requester, and the card by which the owner knows the requester."""
        address = f"127.0.0.1:{self.port}"
        self.command("owner", "init", "--name", "Olive", "--broker", address)
        self.say("owner: made keys under a passphrase, and a recovery sheet for paper")
        self.command("requester", "init", "--name", REQUESTER, "--broker", address)
        card = yaml.safe_load(self.command("requester", "card", "--host", self.receiver.address))
        self.write_yaml("requesters.yaml", {"requesters": [card]})
        self.say(f"requester: {REQUESTER}, known to the owner, receives at {self.receiver.url}")
        for role in get_args(keyfile.Role):
            keys = keyfile.unlock(self.folder / role / f"{role}.age", role, self._passphrase)
            self._identities[role] = keys.identity

    def make_log(self) -> str:
        """Make a small public log; returns its key, which the owner pins."""
        told = self.command(
            "requester", "log", self.log, "--name", "demo.example/requests", "--json"
        )
        self.say("public log: made; the owner believes no request that is not in it")
        return str(json.loads(told)["key"])

    def write_config(self, log_key: str) -> None:
        """The device's ``agent.yaml``."""
        recording: dict[str, float] = {"pre_roll_seconds": 1, "post_roll_seconds": 1}
        source: dict[str, Any] = {
            "type": "scene",
            "walkers_per_minute": 8,
            "seed": secrets.randbelow(1000),
        }
        if self.video is not None:
            source = {"type": "stream", "record": str(Path(self.video).resolve()), "pace": "import"}
            longest = clip_seconds(self.video)
            recording = {"pre_roll_seconds": 3, "post_roll_seconds": 5, "max_clip_seconds": longest}
        settings = {
            "device": {"name": DEVICE, "place": PLACE},
            "owners": ["owner/owner.card.yaml"],
            "requesters": "requesters.yaml",
            "state_dir": "state",
            "camera": {"source": source, "recording": recording},
            "storage": {"min_free_bytes": 0},
            "mqtt": {"port": self.port},
            "feed": {"log": "required", "log_key": log_key},
            "upload": {"allow_loopback_http": True},
            "time": {"synced_marker": None},
        }
        self.write_yaml(self.config.name, settings)

    def record(self) -> list[str]:
        """Run the camera until there are clips to choose from, or the video has ended."""
        film = "a drawn street, live" if self.video is None else f"{Path(self.video).name}, quickly"
        self.say(f"camera: watching {film}")
        with self.daemon("camera") as camera:
            self.wait(
                "clips",
                lambda: (
                    camera.poll() is not None
                    or (self.video is None and len(self.clips()) >= _ENOUGH_CLIPS)
                ),
                every_seconds=1.0,
            )
        clips = self.clips()
        if not clips:
            raise EnvironmentFault("nothing moved, so no clip was recorded", advice=self.logs())
        for clip in clips:
            self.tell(f"{clip['id']}  {clip['seconds']:5.1f} s  {clip['bytes']:>9,} bytes, sealed")
        self.say(f"camera: {count(clips)}, sealed to the owner during recording")
        return [str(clip["id"]) for clip in clips]

    def post(self) -> str:
        """The requester posts in public; returns the request's digest."""
        now = datetime.now(UTC)
        posting = {
            "title": "Bicycle theft on Elm Street",
            "text": "A red bicycle was taken. We look for the person who rode it away.",
            "incident": "theft",
            "reference": "2024-001234",
            "contact": "Det. A. Example, 413 555 0100",
            "window": {
                "from": (now - timedelta(minutes=30)).isoformat(),
                "to": (now + timedelta(minutes=5)).isoformat(),
            },
            "around": {**PLACE, "square_miles": 0.25},
            "upload": self.receiver.url,
            "open_days": 5,
        }
        path = self.write_yaml("request.yaml", posting)
        told = self.command(
            "requester", "post", path, "--allow-loopback-http", "--log", self.log, "--json"
        )
        digest = str(json.loads(told)["digest"])
        self.say(f"requester: posted {posting['title']!r} in public, {digest[:16]}")
        return digest

    def inbox(self, request: str) -> dict[str, Any]:
        """The owner's view of ``request``, once the camera's letter is there."""
        plain = json.loads(self.command("owner", "inbox", "--json", "--wait", "60"))
        (asked,) = [item for item in plain["requests"] if item["digest"] == request]
        title, found, place = asked["request"]["title"], len(asked["clips"]), asked["log"]
        matches = f"{count(asked['clips'])} {'matches' if found == 1 else 'match'}"
        self.say(f"owner: {asked['requester']} asks for {title!r}; {matches}")
        self.tell(f"the request is in the public log: entry {place['index']} of {place['size']}")
        return dict(asked)

    def decide(self, number: int, *, yes: bool) -> bool:
        """Ask the visitor, who is the owner. Without a terminal the demo's owner approves."""
        if yes:
            return True
        if not sys.stdin.isatty():
            self.tell("no terminal to ask at: the demo's owner approves")
            return True
        answer = input(f"    You are the owner. Release clip {number} to {REQUESTER}? [y/N] ")
        return answer.strip().lower() in ("y", "yes")

    def check_bundle(self, approved: str, recorded: list[str]) -> None:
        """Open the bundle as the requester, and check that it holds the approved clip alone."""
        (bundle,) = self.wait("the upload", self.receiver.finished)
        self.say(f"receiver: 1 bundle of {bundle.stat().st_size:,} bytes, sealed to the requester")
        folder = self.results / bundle.stem
        opened = json.loads(self.command("requester", "open", bundle, "--output", folder, "--json"))
        videos = [Path(path) for path in opened["clips"]]
        if [path.stem for path in videos] != [approved]:
            raise ClipAgentError(f"the bundle holds {videos}, approved was {approved}")
        self.tell(f"bundle: {opened['bundle']}")
        self.say(f"requester: opened the bundle: 1 of {count(recorded)}, the approved one")
        self.tell(self.command("ledger", "verify", "--config", self.config).strip())
        video = self.results / f"{approved}.mp4"
        shutil.copyfile(videos[0], video)
        self.say(f"opened clip: {video}")

    def leave_proof(self, number: int, clip: str) -> None:
        """A clip as the camera keeps it, the keys of both, and the commands that try them."""
        sealed = f"clip-{number}.mp4.age"
        shutil.copyfile(self.sealed(clip), self.results / sealed)
        for role, identity in self._identities.items():
            key = self.results / f"{role}.key"
            key.write_text(f"# the demo's {role}\n{identity}\n")
            key.chmod(0o600)
        self.say("proof: a clip that stayed sealed; try both keys on it (apt install age)")
        self.tell(f"cd {shlex.quote(str(self.results))}")
        self.tell(f"age -d -i requester.key {sealed} > opened.mp4   # fails")
        self.tell(f"age -d -i owner.key {sealed} > opened.mp4       # opens it")
