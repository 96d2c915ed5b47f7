"""What a daemon says to systemd (sd_notify): READY, STATUS, WATCHDOG, STOPPING."""

from __future__ import annotations

from collections.abc import Callable

import sdnotify


def notifier() -> Callable[[str], None]:
    """Says a message to systemd; says it to nobody where there is no systemd.

    systemd wants UTF-8 and throws away a STATUS that is not. The library sends Latin-1
    and drops what that cannot write, so it is handed the bytes as if they were that.
    """
    systemd = sdnotify.SystemdNotifier()

    def notify(said: str) -> None:
        systemd.notify(said.encode("utf-8", errors="replace").decode("latin-1"))

    return notify
