"""A line to a server on loopback that can die without anybody hanging up.

>>> with DeadLine(broker.port) as line:
...     connect("127.0.0.1", line.port)
...     line.is_dead = True        # from here on every byte is swallowed, both ways
"""

from __future__ import annotations

from tests.peers.relay import Relay


class DeadLine(Relay):
    """Passes on what comes, to ``port`` of 127.0.0.1 and back, until it is dead."""

    is_dead = False

    def passes(self, piece: bytes, *, of_client: bool) -> bool:
        """See :class:`Relay`."""
        return not self.is_dead
