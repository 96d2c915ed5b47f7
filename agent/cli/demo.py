"""``clip-agent demo``: all roles on one machine, with real parts, in about a minute.

An MQTT broker (amqtt) and a tus receiver run inside this process on loopback; the
camera and the gateway are the two daemons, started as they are on a Pi; owner and
requester act through the same commands that people type. Only the keys are fresh
and the folder is temporary. Each step prints one line. Nothing here is needed by
the rest of the program.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import yaml

from agent.errors import ClipAgentError, EnvironmentFault, Refused
from agent.keyfile import PASSPHRASE_VARIABLE
from agent.requester.receiver.server import Receiver

DEVICE = "front-door"
PLACE = {"latitude": 42.1015, "longitude": -72.5898}
RESULT_FOLDER = Path("demo-output")
_ENOUGH_CLIPS = 3
_PATIENCE_SECONDS = 120.0


class Demo:
    """The stage: a folder, the roles' commands, and the two daemons."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "agent.yaml"
        self.state = folder / "state"
        self.log = folder / "log"
        self._step = 0
        self._environment = {**os.environ, PASSPHRASE_VARIABLE: secrets.token_urlsafe(16)}

    def say(self, text: str) -> None:
        """One step, one line."""
        self._step += 1
        print(f"{self._step:2d}. {text}", flush=True)

    def command(self, *arguments: str | Path) -> str:
        """What ``clip-agent ...`` prints; its error is ours."""
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "agent", *map(str, arguments)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            what = " ".join(map(str, arguments[:2]))
            raise EnvironmentFault(f"`clip-agent {what}` failed: {done.stderr.strip()[-500:]}")
        return done.stdout

    def owner(self, command: str, *arguments: str | Path) -> str:
        """A command of the owner."""
        return self.command("owner", command, "--home", self.folder / "owner", *arguments)

    def requester(self, command: str, *arguments: str | Path) -> str:
        """A command of the requester."""
        return self.command("requester", command, "--home", self.folder / "requester", *arguments)

    @contextmanager
    def daemon(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """``clip-agent camera`` or ``gateway``, told to stop at the end."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "agent", name, "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                yield process
            finally:
                stop(process)

    def wait(self, what: str, ready: Callable[[], Any]) -> Any:
        """What ``ready`` gives as soon as it is true; EnvironmentFault after two minutes."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (found := ready()):
            if time.monotonic() > deadline:
                raise EnvironmentFault(f"waited too long for {what}", advice=self._logs())
            time.sleep(0.2)
        return found

    def _logs(self) -> str:
        lines = [
            line
            for path in sorted(self.folder.glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()[-3:]
        ]
        return "The daemons' last words: " + " | ".join(lines)


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for what does not listen."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def broker() -> Iterator[int]:
    """An MQTT broker on a free loopback port, on a thread of its own."""
    from amqtt.broker import Broker

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    loop = asyncio.new_event_loop()

    async def start() -> Any:
        made = Broker({"listeners": {"default": listener}, "plugins": anonymous})
        await made.start()
        return made

    thread = threading.Thread(target=loop.run_forever, name="broker", daemon=True)
    thread.start()
    running = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(running.shutdown(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def run(*, video: str | None, yes: bool, keep: str | None) -> int:
    """Play it. ``keep`` names a folder to leave everything in."""
    if video is not None and not Path(video).is_file():
        raise EnvironmentFault(f"{video}: there is no such file")
    if not yes and not sys.stdin.isatty():
        raise Refused(
            "not-confirmed", "there is no terminal to ask the demo's owner", advice="Give --yes"
        )
    for talkative in ("amqtt", "transitions", "agent"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    with ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clip-agent-")))
            results = RESULT_FOLDER
        else:
            folder = results = Path(keep).resolve()
            if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
                raise EnvironmentFault(f"{folder} is not empty", advice="Name a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        results.mkdir(parents=True, exist_ok=True)
        _play(Demo(folder), stack, video=video, yes=yes, results=results)
    return 0


def _play(demo: Demo, stack: ExitStack, *, video: str | None, yes: bool, results: Path) -> None:
    port = stack.enter_context(broker())
    demo.say(f"broker: MQTT on 127.0.0.1:{port}, inside this process (amqtt)")
    receiver = Receiver(demo.folder / "received")
    receiver.start()
    stack.callback(receiver.stop)
    _make_people(demo, port, receiver)
    _write_config(demo, port, video, _make_log(demo))

    stack.enter_context(demo.daemon("gateway"))
    card = demo.state / "device.card.yaml"
    demo.wait("the gateway", card.exists)
    demo.owner("card", "--add", card)
    demo.say(f"gateway: started, holds no key that opens a clip; the owner enrolled {DEVICE}")
    clips = _record(demo, video)
    request = _ask(demo, receiver)
    offered = _show(demo, request)
    print(f"    received before approval: {len(receiver.finished())}", flush=True)

    number = len(offered["clips"]) // 2 + 1
    if not _consents(yes, number):
        demo.owner("decline", request, "--yes")
        demo.say("owner: declined; the requester learns nothing, and received nothing")
        return
    demo.owner("approve", request, str(number), "--yes", "--wait", "60")
    approved = offered["clips"][number - 1]["id"]
    demo.say(f"owner: approved clip {number}, {approved}; the approval brought its key")
    (bundle,) = demo.wait("the upload", receiver.finished)
    demo.say(f"receiver: 1 bundle of {bundle.stat().st_size:,} bytes, sealed to the requester")
    _check(demo, bundle, approved, recorded=len(clips), results=results)


def _make_people(demo: Demo, port: int, receiver: Receiver) -> None:
    """Fresh keys for owner and requester, and the card by which the owner lets it ask."""
    address = f"127.0.0.1:{port}"
    demo.owner("init", "--name", "Olive", "--broker", address)
    demo.say("owner: made keys under a passphrase, and a recovery sheet for paper")
    name = "Springfield Police Department"
    demo.requester("init", "--name", name, "--broker", address)
    card = yaml.safe_load(demo.requester("card", "--host", receiver.address))
    book = yaml.safe_dump({"requesters": [card]}, sort_keys=False)
    (demo.folder / "requesters.yaml").write_text(book)
    demo.say(f"requester: {name}, known to the owner, receives at {receiver.url}")


def _make_log(demo: Demo) -> str:
    """A small public log; its key, which the owner pins."""
    told = json.loads(demo.requester("log", demo.log, "--name", "demo.example/requests", "--json"))
    demo.say("public log: made; the owner believes no request that is not in it")
    return str(told["key"])


def _write_config(demo: Demo, port: int, video: str | None, log_key: str) -> None:
    source: dict[str, Any]
    if video is None:
        source = {"type": "scene", "walkers_per_minute": 8, "seed": secrets.randbelow(1000)}
    else:
        source = {"type": "stream", "record": str(Path(video).resolve()), "pace": "import"}
    settings = {
        "device": {"name": DEVICE, "place": PLACE},
        "owners": ["owner/owner.card.yaml"],
        "requesters": "requesters.yaml",
        "state_dir": "state",
        "camera": {
            "source": source,
            "recording": {
                "pre_roll_seconds": 1 if video is None else 3,
                "post_roll_seconds": 1 if video is None else 5,
            },
        },
        "storage": {"min_free_bytes": 0},
        "mqtt": {"port": port},
        "feed": {"log": "required", "log_key": log_key},
        "upload": {"allow_loopback_http": True},
        "time": {"synced_marker": None},
    }
    demo.config.write_text(yaml.safe_dump(settings, sort_keys=False))


def _record(demo: Demo, video: str | None) -> list[dict[str, Any]]:
    """Run the camera until there are clips to choose from, or the video has ended."""

    def clips() -> list[dict[str, Any]]:
        lines = demo.command("clips", "--json", "--config", demo.config).splitlines()
        return [json.loads(line) for line in lines]

    what = "a drawn street, live" if video is None else f"{Path(video).name}, as if just recorded"
    demo.say(f"camera: watching {what}")
    with demo.daemon("camera") as camera:
        demo.wait(
            "clips",
            lambda: (
                camera.poll() is not None
                or (video is None and _waited(1.0) and len(clips()) >= _ENOUGH_CLIPS)
            ),
        )
    found = clips()
    if not found:
        raise EnvironmentFault("nothing moved, so no clip was recorded", advice=demo._logs())
    for clip in found:
        print(f"    {clip['id']}  {clip['seconds']:5.1f} s  {clip['bytes']:>9,} bytes, sealed")
    demo.say(f"camera: {len(found)} clips, sealed to the owner while they were recorded")
    return found


def _waited(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _ask(demo: Demo, receiver: Receiver) -> str:
    """The requester posts in public; returns the request's digest."""
    now = datetime.now(UTC)
    posting = {
        "title": "Bicycle theft on Elm Street",
        "text": "A red bicycle was taken. We look for whoever rode it away.",
        "incident": "theft",
        "reference": "2024-001234",
        "contact": "Det. A. Example, 413 555 0100",
        "window": {
            "from": (now - timedelta(minutes=30)).isoformat(),
            "to": (now + timedelta(minutes=5)).isoformat(),
        },
        "around": {**PLACE, "square_miles": 0.25},
        "upload": receiver.url,
        "open_days": 5,
    }
    path = demo.folder / "request.yaml"
    path.write_text(yaml.safe_dump(posting, sort_keys=False))
    told = demo.requester("post", path, "--allow-loopback-http", "--log", demo.log, "--json")
    digest = str(json.loads(told)["digest"])
    demo.say(f"requester: posted {posting['title']!r} in public, {digest[:16]}")
    return digest


def _show(demo: Demo, request: str) -> dict[str, Any]:
    """The owner's inbox, once the letter about ``request`` is there."""
    plain = json.loads(demo.owner("inbox", "--json", "--wait", "60"))
    (asked,) = [item for item in plain["requests"] if item["digest"] == request]
    found = len(asked["clips"])
    title = asked["request"]["title"]
    demo.say(f"owner: {asked['requester']} asks for {title!r}; {found} clips match")
    place = asked["log"]
    print(
        f"    the request stands in the public log: entry {place['index']} of {place['size']}",
        flush=True,
    )
    return dict(asked)


def _consents(yes: bool, number: int) -> bool:
    if yes:
        return True
    return input(f"    You are the owner. Let clip {number} go? [y/N] ").lower() in ("y", "yes")


def _check(demo: Demo, bundle: Path, approved: str, *, recorded: int, results: Path) -> None:
    """Open the bundle as the requester, and show that it holds what was approved."""
    opened = json.loads(demo.requester("open", bundle, "--output", results / bundle.stem, "--json"))
    videos = [Path(path) for path in opened["clips"]]
    if [path.stem for path in videos] != [approved]:
        raise ClipAgentError(f"the bundle holds {videos}, approved was {approved}")
    print(f"    bundle: {opened['bundle']}", flush=True)
    demo.say(f"requester: opened the bundle: 1 of {recorded} clips, the approved one")
    print(f"    {demo.command('ledger', 'verify', '--config', demo.config).strip()}", flush=True)
    video = results / f"{approved}.mp4"
    shutil.copyfile(videos[0], video)
    picture = video.with_suffix(".png")
    _take_picture(video, picture)
    demo.say(f"opened clip: {video}\n    a picture from it: {picture}")


def _take_picture(video: Path, picture: Path) -> None:
    """The frame in the middle of ``video`` as a PNG."""
    with av.open(str(video)) as container:
        frames = list(container.decode(video=0))
    frame = frames[len(frames) // 2]
    with av.open(str(picture), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "rgb24"
        out.mux(stream.encode(frame.reformat(format="rgb24")))
        out.mux(stream.encode(None))
