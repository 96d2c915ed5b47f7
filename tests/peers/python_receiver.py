"""Upload receivers in Python for tests, each a process of its own: ours and two others.

>>> with PythonReceiver("tuspyserver", tmp_path) as receiver:
...     upload_to(receiver.url)
...     receiver.kill(); receiver.start()      # same port, same files
...     [upload] = receiver.finished()
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, Self

from tests.peers.process import Peer, free_port
from tests.peers.requirements import ROOT
from tests.peers.tus_server import ReceivedUpload

Kind = Literal["own", "tuspyserver", "fastapi-tusd"]
KINDS: Final[tuple[Kind, ...]] = ("own", "tuspyserver", "fastapi-tusd")


class PythonReceiver:
    """A receiver that keeps its uploads in ``folder``; used as a ``TusServer`` is."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.folder = folder / "uploads"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._peer = Peer(folder / f"{kind}.log")
        self.port = free_port()
        self.location = self.url  # as fastapi-tusd must be told; others see it in the request

    @property
    def host(self) -> str:
        """``host:port``, as a requester's card lists it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL at which uploads are created."""
        return f"http://{self.host}/files" + ("/" if self.kind == "own" else "")

    def start(self) -> Self:
        """Start, on the port of the run before if there was one."""
        command = [sys.executable, "-m", "tests.peers.python_receiver", self.kind]
        command += [str(self.folder), str(self.port), self.location]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._peer.run(command, ready="ready", environment=environment)
        return self

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        self._peer.kill()

    def uploads(self) -> list[ReceivedUpload]:
        """All uploads, whether complete or not, in the order of their names."""
        return sorted(self._own() if self.kind == "own" else self._others(), key=lambda u: u.id)

    def finished(self) -> list[ReceivedUpload]:
        """The uploads of which every byte has arrived."""
        return [upload for upload in self.uploads() if upload.complete]

    def received_bytes(self) -> int:
        """The number of bytes of all uploads that have arrived."""
        return sum(upload.offset for upload in self.uploads())

    def _own(self) -> Iterator[ReceivedUpload]:
        state = self.folder / ".uploads"
        for info_file in state.glob("*.json"):
            info = json.loads(info_file.read_bytes())
            path = self.folder / info["name"] if info["name"] else info_file.with_suffix(".part")
            metadata = {"release": info["release"], "sha256": info["sha256"]}
            yield ReceivedUpload(info["id"], path, info["size"], path.stat().st_size, metadata)

    def _others(self) -> Iterator[ReceivedUpload]:
        for info_file in self.folder.glob("*.info"):
            info, path = json.loads(info_file.read_bytes()), info_file.with_suffix("")
            size = path.stat().st_size if path.exists() else 0
            yield ReceivedUpload(path.name, path, info["size"], size, info["metadata"])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.kill()


def _serve(kind: str, folder: Path, port: int, location: str) -> None:
    """Run a receiver in this process, for good."""
    if kind == "own":
        from agent.requester.receiver.server import Receiver

        receiver = Receiver(folder, port=port, idle_seconds=5)
        receiver.start()
        _say_ready()
        return receiver.wait()

    import fastapi
    import uvicorn

    app = fastapi.FastAPI()
    if kind == "tuspyserver":
        from tuspyserver import create_tus_router

        app.include_router(create_tus_router(prefix="files", files_dir=str(folder)))
    else:
        from fastapi_tusd import TusRouter

        app.include_router(TusRouter(store_dir=str(folder), location=location), prefix="/files")
    listener = socket.create_server(("127.0.0.1", port))
    _say_ready()  # connections wait until it serves
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listener])
    return None


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
