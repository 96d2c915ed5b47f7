"""The choice of packets that are not decoded, because the machine is too slow for the stream."""

from __future__ import annotations

from typing import Final

from agent.camera.sources.network.arrivals import Placed

# Packets that waited longer are copied and not looked at. As pictures build on each other,
# looking goes on at a keyframe, once the rest is taken.
_MOST_BEHIND_SECONDS: Final = 1.0
_CAUGHT_UP_SECONDS: Final = 0.4


class CatchUp:
    """Tells which packets to leave out; ask for each, in order."""

    def __init__(self) -> None:
        self._is_behind = False

    def leaves_out(self, one: Placed) -> bool:
        """True if ``one`` must not be decoded."""
        if not self._is_behind:
            self._is_behind = one.behind_seconds > _MOST_BEHIND_SECONDS
        elif one.packet.is_keyframe:
            self._is_behind = one.behind_seconds > _CAUGHT_UP_SECONDS
        return self._is_behind
