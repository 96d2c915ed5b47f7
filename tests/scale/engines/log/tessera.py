"""A public log: Tessera's server of tiles on a folder, and litewitness, which cosigns for it.

>>> with TesseraLog(tmp_path) as log, Witness(tmp_path, log) as witness:
...     index = log.add(jws)
...     note = witness.cosign(log.checkpoint())
...     path = log.tree(log.size()).inclusion(index, log.size())
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import time
import urllib.request
from functools import cache
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.consent.transparency import proof
from agent.consent.transparency.checkpoint import WITNESS_KEY, VerifierKey
from agent.consent.transparency.tree import Tree
from agent.requester.demo_log.log import NoteKey
from tests.peers.process import Peer, free_port
from tests.peers.requirements import ROOT, missing, program

_ORIGIN = "example.org/clip-log"
_WITNESS = "witness.example.org/w1"
_TILE = 256  # hashes of a full tile (C2SP tlog-tiles)
_HASH_BYTES = 32
_PATIENCE_SECONDS = 120.0


@cache
def _built(name: str) -> str:
    """The path of a program that ``build`` made."""
    path = ROOT / ".cache/log" / name
    if not path.exists():
        missing(f"{name} is not built", "run make test-scale on Debian, with its archive's key")
    return str(path)


def _http(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, body, timeout=60) as answer:
        data: bytes = answer.read()
        return data


class TesseraLog:
    """The log, with a key of its own; ``key`` is what owners pin."""

    def __init__(self, folder: Path) -> None:
        self._program = _built("tessera")
        self._folder = folder / "log"
        self._folder.mkdir(parents=True)
        key = NoteKey(_ORIGIN, Ed25519PrivateKey.generate())
        (folder / "log.key").write_text(key.text().strip())
        self._key_file = folder / "log.key"
        self.key = key.public.text
        self._peer = Peer(folder / "tessera.log")
        self._url = f"http://127.0.0.1:{free_port()}"

    def add(self, entry: bytes) -> int:
        """Append ``entry`` and return its index, which the log's next checkpoint includes."""
        index = int(_http(f"{self._url}/add", entry))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self.size() <= index:
            assert time.monotonic() < deadline, self._peer.output()
            time.sleep(0.1)
        return index

    def checkpoint(self) -> str:
        """The signed note of the newest state."""
        return _http(f"{self._url}/checkpoint").decode()

    def size(self) -> int:
        """The entries that the newest checkpoint counts."""
        return int(self.checkpoint().split("\n")[1])

    def tree(self, size: int) -> Tree:
        """The Merkle tree of the first ``size`` entries, from the lowest row of tiles."""
        tree = Tree()
        for number in range((size + _TILE - 1) // _TILE):
            width = min(size - number * _TILE, _TILE)
            name = f"{number:03}" if width == _TILE else f"{number:03}.p/{width}"
            tile = _http(f"{self._url}/tile/0/{name}")
            for at in range(0, width * _HASH_BYTES, _HASH_BYTES):
                tree.append(tile[at : at + _HASH_BYTES])
        return tree

    def __enter__(self) -> Self:
        address = self._url.removeprefix("http://")
        command = [self._program, "-listen", address, "-storage_dir", str(self._folder)]
        # Debian builds in GOPATH mode, for which Go keeps the old meaning of HTTP routes.
        environment = {**os.environ, "GODEBUG": "httpmuxgo121=0"}
        self._peer.start([*command, "-private_key", str(self._key_file)], environment=environment)
        _wait_for(self._peer, f"{self._url}/checkpoint")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._peer.kill()


class Witness:
    """litewitness, whose key an ssh-agent holds; it cosigns checkpoints that only grew."""

    def __init__(self, folder: Path, log: TesseraLog) -> None:
        self._log, self._folder = log, folder
        self._program, control = _built("litewitness"), _built("witnessctl")
        self._database, self._socket = folder / "witness.db", folder / "agent.sock"
        for command in (["add-log"], ["add-key", "-key", log.key]):
            known = ["-db", str(self._database), "-origin", _ORIGIN]
            subprocess.run([control, command[0], *known, *command[1:]], check=True)
        self._agent, self._peer = Peer(folder / "agent.log"), Peer(folder / "witness.log")
        self._url = f"http://127.0.0.1:{free_port()}"
        self._seen = 0  # the size that it cosigned last
        key = folder / "witness"
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
        subprocess.run(make, check=True)
        public = base64.b64decode(key.with_suffix(".pub").read_text().split()[1])
        self.key = VerifierKey(_WITNESS, WITNESS_KEY, public[-_HASH_BYTES:]).text

    def cosign(self, checkpoint: str) -> str:
        """``checkpoint`` with the witness's signature, which it gives for a proof of growth."""
        size = int(checkpoint.split("\n")[1])
        path = self._log.tree(size).consistency(self._seen, size) if self._seen else []
        link = proof.format_link(self._seen, path, checkpoint)
        line = _http(f"{self._url}/add-checkpoint", link.encode()).decode()
        self._seen = size
        return checkpoint + line

    def __enter__(self) -> Self:
        self._agent.start([program("ssh-agent"), "-D", "-a", str(self._socket)])
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._socket.exists():
            assert time.monotonic() < deadline, self._agent.output()
            time.sleep(0.02)
        key, told = (
            str(self._folder / "witness"),
            {**os.environ, "SSH_AUTH_SOCK": str(self._socket)},
        )
        subprocess.run([program("ssh-add"), "-q", key], env=told, check=True)
        shown = subprocess.run(
            ["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True
        )
        where = ["-db", str(self._database), "-ssh-agent", str(self._socket)]
        who = ["-name", _WITNESS, "-key", shown.stdout.split()[1]]
        listen = ["-listen", self._url.removeprefix("http://")]
        self._peer.start([self._program, *where, *who, *listen])
        _wait_for(self._peer, f"{self._url}/")
        return self

    def __exit__(self, *_: object) -> None:
        for peer in (self._peer, self._agent):
            with contextlib.suppress(OSError):
                peer.kill()


def _wait_for(peer: Peer, url: str) -> None:
    """Until the server at ``url`` answers."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            _http(url)
        except OSError:
            assert time.monotonic() < deadline, peer.output()
            time.sleep(0.05)
        else:
            return
