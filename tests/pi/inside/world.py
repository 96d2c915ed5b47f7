"""The machine around the services: sockets that serve somebody, and a name server.

Every socket takes connections and forgets them. The name server, where /etc/resolv.conf points,
knows one address for all names.
"""

from __future__ import annotations

import socket
from pathlib import Path

from agent.host.systemd import notifier

_SOCKETS = (
    "/run/avahi-daemon/socket",
    "/run/cups/cups.sock",
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/of-next-year.sock",
    "/var/lib/other/socket",
    "/srv/socket",
    "\0abstract",
)


def _listen(address: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    if not address.startswith("\0"):
        Path(address).parent.mkdir(parents=True, exist_ok=True)
    server.bind(address)
    if not address.startswith("\0"):
        Path(address).chmod(0o666)
    server.listen(100)
    return server


def _answer(query: bytes) -> bytes:
    """192.0.2.7 for an A record, nothing for any other (RFC 1035, section 4)."""
    end = query.index(b"\0", 12) + 5
    is_address = query[end - 4 : end - 2] == b"\0\1"
    header = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_address else b"\0\0") + bytes(4)
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7" if is_address else b""
    return header + query[12:end] + record


def main() -> None:
    """Serve until the machine ends."""
    servers = [_listen(address) for address in _SOCKETS]
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.53", 53))
    stub = Path("/run/systemd/resolve/stub-resolv.conf")
    stub.write_text("nameserver 127.0.0.53\n")
    notifier()("READY=1")
    while servers:
        query, sender = names.recvfrom(512)
        names.sendto(_answer(query), sender)


if __name__ == "__main__":
    main()
