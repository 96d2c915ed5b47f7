"""Messages of a daemon to systemd (sd_notify): READY, STATUS, WATCHDOG, STOPPING."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress


def notifier() -> Callable[[str], None]:
    """A function that sends a message to systemd, or does nothing where there is none.

    ``$NOTIFY_SOCKET`` names the socket: a path, or ``@`` and a name in Linux's abstract
    namespace. A message that cannot be sent is dropped: no daemon stops for that.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = f"\0{address[1:]}"

    def notify(message: str) -> None:
        if not address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(message.encode("utf-8", errors="replace"), address)

    return notify
