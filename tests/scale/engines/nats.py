"""A cluster of three NATS servers that speak MQTT 3.1.1 and keep each message three times.

>>> with NatsCluster(tmp_path) as cluster:
...     connect("127.0.0.1", cluster.ports[0])
...     cluster.kill(0)                 # two of three are a majority, and go on
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self

from tests.peers.process import Peer, free_port
from tests.peers.requirements import program

_NODES = 3
_CONFIG = """\
listen: "127.0.0.1:{client}"
server_name: {name}
jetstream {{ store_dir: "{store}", max_file: 4G }}
mqtt {{ listen: "127.0.0.1:{mqtt}", stream_replicas: 3, consumer_replicas: 3 }}
cluster {{ name: city, listen: "127.0.0.1:{route}", routes: [{routes}] }}
"""


class NatsCluster:
    """Three nodes in ``folder``. A subscriber that comes soon after the first start is "fresh":
    the nodes do not know all retained messages of each other yet.
    """

    def __init__(self, folder: Path) -> None:
        self._program = program("nats-server")
        self._folder = folder
        taken: set[int] = set()
        while len(taken) < 3 * _NODES:
            taken.add(free_port())
        clients, routes, self.ports = ([taken.pop() for _ in range(_NODES)] for _ in range(3))
        urls = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
        self._peers = []
        for number, (client, route, mqtt) in enumerate(
            zip(clients, routes, self.ports, strict=True)
        ):
            name = f"node{number}"
            (folder / name).mkdir(parents=True)
            (folder / f"{name}.conf").write_text(
                _CONFIG.format(
                    client=client,
                    name=name,
                    store=folder / name,
                    mqtt=mqtt,
                    route=route,
                    routes=urls,
                )
            )
            self._peers.append(Peer(folder / f"{name}.log"))

    def start(self, number: int) -> None:
        """Start a node, with all that it had stored."""
        configuration = self._folder / f"node{number}.conf"
        command = [self._program, "-c", str(configuration)]
        self._peers[number].run(command, ready="Server is ready")

    def kill(self, number: int) -> None:
        """End a node without warning (SIGKILL)."""
        self._peers[number].kill()

    def restart(self) -> None:
        """Stop all nodes in order and start them with all that they had stored."""
        for peer in self._peers:
            peer.terminate()
        for number in range(_NODES):
            self.start(number)

    def __enter__(self) -> Self:
        for number in range(_NODES):
            self.start(number)
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.kill()
