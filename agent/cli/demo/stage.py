"""The demo's stage: a folder, commands, daemons, a broker, pictures."""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, get_args

import av
import pyrage
import yaml

from agent import keyfile
from agent.errors import EnvironmentFault
from agent.requester.receiver.server import Receiver
from agent.vault import camera_state

_PATIENCE_SECONDS = 120.0


class Stage:
    """The folder of a run, and what the roles do there."""

    def __init__(
        self, folder: Path, results: Path, port: int, receiver: Receiver, video: str | None
    ) -> None:
        self.folder, self.results = folder, results
        self.config, self.state, self.log = folder / "agent.yaml", folder / "state", folder / "log"
        self.port, self.receiver, self.video = port, receiver, video
        self._step = 0
        self._passphrase = secrets.token_urlsafe(16)
        self._identities: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Print the next step."""
        self._step += 1
        print(f"{self._step:2d}. {text}", flush=True)

    def tell(self, text: str) -> None:
        """Print a detail of the last step."""
        print(f"    {text}", flush=True)

    def command(self, *arguments: str | Path) -> str:
        """Run ``clip-agent ...``; returns its output, and raises its error as ours."""
        role = str(arguments[0])
        if role in get_args(keyfile.Role):
            arguments = (*arguments, "--home", self.folder / role)
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "agent", *map(str, arguments)],
            env={**os.environ, keyfile.PASSPHRASE_VARIABLE: self._passphrase},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            name = " ".join(map(str, arguments[:2]))
            raise EnvironmentFault(f"`clip-agent {name}` failed: {done.stderr.strip()[-500:]}")
        return done.stdout

    def clips(self) -> list[dict[str, Any]]:
        """The clips that the device lists; none before its camera has said how it is."""
        if not camera_state.path_of(self.state).exists():
            return []
        lines = self.command("clips", "--json", "--config", self.config).splitlines()
        return [json.loads(line) for line in lines]

    def sealed(self, clip: str) -> Path:
        """The file of ``clip`` at the camera."""
        return next(self.state.rglob(f"{clip.partition('-')[2]}.mp4.age"))

    def open_as_owner(self, clip: str) -> IO[bytes]:
        """The MP4 of ``clip``, opened with the owner's key."""
        identity = pyrage.x25519.Identity.from_str(self._identities["owner"])
        return io.BytesIO(pyrage.decrypt(self.sealed(clip).read_bytes(), [identity]))

    def write_yaml(self, name: str, content: object) -> Path:
        """Write a file of the demo's folder."""
        path = self.folder / name
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    @contextmanager
    def daemon(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """``clip-agent camera`` or ``gateway``, ended by SIGTERM."""
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
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def wait(self, name: str, ready: Callable[[], Any], *, every_seconds: float = 0.2) -> Any:
        """The value of ``ready`` once it is true; EnvironmentFault after two minutes."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (found := ready()):
            if time.monotonic() > deadline:
                raise EnvironmentFault(f"waited too long for {name}", advice=self.logs())
            time.sleep(every_seconds)
        return found

    def logs(self) -> str:
        """The last lines of both daemons."""
        lines = [
            line
            for path in sorted(self.folder.glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()[-3:]
        ]
        return "The daemons' last words: " + " | ".join(lines)


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


def count(clips: Sized) -> str:
    """``1 clip``, ``2 clips``."""
    return "1 clip" if len(clips) == 1 else f"{len(clips)} clips"


def clip_seconds(video: str) -> float:
    """The length at which to cut clips, so that constant motion in ``video`` gives several."""
    with av.open(video) as container:
        seconds = (container.duration or 0) / av.time_base
    return min(max(10.0, seconds / 3), 30.0)


def take_picture(video: IO[bytes], picture: Path) -> None:
    """Write the middle frame of ``video`` as a PNG."""
    with av.open(video, "r") as container:
        frames = list(container.decode(video=0))
    frame = frames[len(frames) // 2]
    with av.open(str(picture), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "rgb24"
        out.mux(stream.encode(frame.reformat(format="rgb24")))
        out.mux(stream.encode(None))
