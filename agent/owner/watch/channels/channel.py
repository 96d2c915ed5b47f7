"""The interface of a channel, and the simplest one."""

from __future__ import annotations

import sys
from typing import Protocol

from agent.owner.watch.household import Message


class Channel(Protocol):
    """A way to the owner, under the name by which the memory knows it."""

    name: str

    def tell(self, message: Message) -> None:
        """Tell ``message``; raises :class:`~agent.errors.EnvironmentFault` if it may be lost."""


class Lines:
    """Lines on the standard output."""

    name = "lines"

    def tell(self, message: Message) -> None:
        """See :class:`Channel`."""
        sys.stdout.write(f"{message}\n")
        sys.stdout.flush()
