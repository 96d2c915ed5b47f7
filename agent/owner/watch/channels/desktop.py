"""The desktop's notifications (freedesktop.org), by ``notify-send`` of libnotify."""

from __future__ import annotations

import html
import shutil
from collections.abc import Callable, Sequence
from typing import Final

from agent.errors import ConfigError
from agent.owner.watch.channels import command
from agent.owner.watch.household import Message

_PROGRAM: Final = "notify-send"


class Desktop:
    """Shows each message with the camera's name above it."""

    name = "desktop"

    def __init__(self, run: Callable[[Sequence[str]], None] = command.run) -> None:
        if shutil.which(_PROGRAM) is None:
            raise ConfigError(
                f"--desktop: there is no {_PROGRAM}",
                advice="Install the package libnotify-bin of your system",
            )
        self._run = run

    def tell(self, message: Message) -> None:
        """See :class:`~agent.owner.watch.channels.channel.Channel`."""
        # The body is markup (Desktop Notifications Specification 1.2), in which notify-send
        # first reads backslashes as C does.
        body = html.escape(message.text, quote=False).replace("\\", "\\\\")
        urgency = "critical" if message.urgent else "normal"
        options = ["--app-name=clip-agent", f"--urgency={urgency}"]
        self._run([_PROGRAM, *options, "--", message.device or "clip-agent", body])
