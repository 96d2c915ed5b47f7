"""HTTP connections that try a few addresses of a host, and no more.

Whoever owns a name decides how many addresses it has. With a thousand that do not answer, one
receiver would hold up all releases for hours.
"""

from __future__ import annotations

import socket
from collections import Counter
from typing import Final

from urllib3.connection import HTTPConnection, HTTPSConnection

_MOST_OF_A_FAMILY: Final = 2  # IPv4 and IPv6: either may be broken in a house


def connect(host: str, port: int, *, timeout_seconds: float) -> socket.socket:
    """A TCP connection to the first address that answers; each gets the whole time-out."""
    tried: Counter[int] = Counter()
    fault: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        tried[family] += 1
        if tried[family] > _MOST_OF_A_FAMILY:
            continue
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(timeout_seconds)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.connect(address)
        except OSError as error:
            made.close()
            fault = error
        else:
            return made
    raise fault


class PlainConnection(HTTPConnection):
    """For loopback addresses."""

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class TlsConnection(HTTPSConnection):
    """For all others."""

    def _new_conn(self) -> socket.socket:
        return _connected(self)


def _connected(connection: HTTPConnection) -> socket.socket:
    assert isinstance(connection.timeout, int | float)
    return connect(connection.host, connection.port, timeout_seconds=connection.timeout)
