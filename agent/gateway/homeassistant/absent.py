"""The part that takes Home Assistant's place in a gateway whose owner does not want it."""

from __future__ import annotations

import logging

from agent.errors import NetworkFault
from agent.gateway.homeassistant.memory import Memory, Withdrawal
from agent.mqtt.link import Link, Received

log = logging.getLogger(__name__)


class NoHomeAssistant:
    """Removes what an earlier configuration told Home Assistant, and does nothing else."""

    wish = None

    def __init__(self, memory: Memory, link: Link) -> None:
        self._memory, self._withdrawal = memory, Withdrawal(link)

    def connected(self) -> None:
        """Empty the retained topics of an earlier configuration."""
        try:
            self._withdrawal.begin(self._memory.told.retained)
        except NetworkFault:
            return  # the next connection does it

    def published(self, token: int) -> None:
        """The broker has a message; after the last one nothing is left to remember."""
        if self._withdrawal.published(token):
            self._memory.forget()
            log.info("Home Assistant's entities of this device are removed")

    def receive(self, _received: Received) -> bool:
        """Nothing is for this part."""
        return False

    def disconnected(self) -> None:
        """Nothing is under way."""

    def repeat(self) -> None:
        """Nothing is retained."""

    def tick(self) -> None:
        """Nothing is due."""
