"""Two Aedes brokers (Node.js) that share what they keep through one Redis.

>>> with AedesPair(tmp_path) as pair:
...     connect("127.0.0.1", pair.ports[1])
...     pair.kill(0)                    # the other one goes on
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self

from tests.peers.npm import install
from tests.peers.process import Peer, free_port
from tests.peers.requirements import program

NODE_SOURCE = Path(__file__).parent / "node"


class AedesPair:
    """The brokers and their Redis, which keeps its data in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._script = install(NODE_SOURCE) / "aedes.mjs"
        self._node, self._redis_program = program("node"), program("redis-server")
        self._folder = folder
        folder.mkdir(parents=True)
        self._redis = Peer(folder / "redis.log")
        self._brokers = [Peer(folder / f"aedes{number}.log") for number in range(2)]
        self.ports: list[int] = []

    def kill(self, number: int) -> None:
        """End a broker without warning (SIGKILL)."""
        self._brokers[number].kill()

    def __enter__(self) -> Self:
        port = free_port()
        settings = {"port": port, "bind": "127.0.0.1", "dir": self._folder, "appendonly": "yes"}
        options = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
        self._redis.run([self._redis_program, *options], ready="Ready to accept connections")
        for broker in self._brokers:
            said = broker.run([self._node, str(self._script), str(port)], ready="ready ")
            self.ports.append(int(said.rpartition("ready ")[2].split()[0]))
        return self

    def __exit__(self, *_: object) -> None:
        for peer in (*self._brokers, self._redis):
            with contextlib.suppress(OSError):
                peer.kill()
