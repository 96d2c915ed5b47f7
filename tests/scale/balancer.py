"""The one address of a cluster: each connection goes to the first node that accepts it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

from tests.peers.relay import Relay


class Balancer(Relay):
    """Stands for the load balancer or DNS name in front of a broker's nodes at ``ports``."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(ports[0])
        self._ports = ports

    def connect(self) -> socket.socket:
        """See :class:`Relay`."""
        for port in self._ports:
            with contextlib.suppress(ConnectionRefusedError):
                return socket.create_connection(("127.0.0.1", port))
        raise ConnectionRefusedError("no node accepts connections")
