"""Pauses before a lost network camera is tried again."""

from __future__ import annotations

from agent.backoff import pause_seconds

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
STABLE_SECONDS = 60.0  # a connection that lasted this long resets the pauses
# Cameras count wrong passwords, and after a handful lock out the sender, or the account,
# which may be the owner's own: twelve an hour at most.
TURNED_AWAY_SECONDS = 300.0


class BackOff:
    """Pauses that double until a connection was stable again."""

    def __init__(self) -> None:
        self._losses = self._refusals = 0

    def lost(self, *, stood_seconds: float, turned_away: bool = False) -> float:
        """Seconds to wait after the loss of a connection that lasted ``stood_seconds``.

        ``turned_away``: the camera answered and refused, as after a wrong password. It will
        refuse again, so these pauses double from :data:`LONGEST_SECONDS` to
        :data:`TURNED_AWAY_SECONDS`.
        """
        if stood_seconds >= STABLE_SECONDS:
            self._losses = self._refusals = 0
        if turned_away:
            self._losses = 99  # the pause after the next plain loss is the longest, too
            self._refusals += 1
            return pause_seconds(self._refusals, first=LONGEST_SECONDS, longest=TURNED_AWAY_SECONDS)
        self._losses += 1
        return pause_seconds(self._losses, first=FIRST_SECONDS, longest=LONGEST_SECONDS)
