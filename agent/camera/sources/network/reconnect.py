"""Pauses before a network camera that is lost, or not there yet, is tried again."""

from __future__ import annotations

from agent.backoff import pause_seconds

# A camera that boots, a restreamer or a limit on viewers says no for a while; somebody may walk by
# as soon as it is over.
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 8.0
STABLE_SECONDS = 60.0  # a connection that lasted this long resets the pauses
# Cameras count wrong passwords, and after a handful lock out the sender, or the account,
# which may be the owner's own: twelve an hour at most. A login that the camera took before is
# tried somewhat sooner: a camera that boots may not know its users yet.
FIRST_TURNED_AWAY_SECONDS, TURNED_AWAY_SECONDS = 30.0, 300.0


class BackOff:
    """Pauses that double until a connection was stable again."""

    def __init__(self) -> None:
        self._losses = self._refusals = 0
        self._admitted = False  # once, by this camera

    def lost(self, *, stood_seconds: float, turned_away: bool = False) -> float:
        """Seconds to wait after the loss of a connection that lasted ``stood_seconds``; 0 if it
        never stood.

        ``turned_away``: the camera refused the login, and will refuse it again. These pauses are
        :data:`TURNED_AWAY_SECONDS`; if it took it once, they double up to that.
        """
        self._admitted = self._admitted or stood_seconds > 0
        if stood_seconds >= STABLE_SECONDS:
            self._losses = self._refusals = 0
        if turned_away:
            self._losses = 99  # the pause after the next plain loss is the longest, too
            self._refusals += 1
            first = FIRST_TURNED_AWAY_SECONDS if self._admitted else TURNED_AWAY_SECONDS
            return pause_seconds(self._refusals, first=first, longest=TURNED_AWAY_SECONDS)
        self._losses += 1
        return pause_seconds(self._losses, first=FIRST_SECONDS, longest=LONGEST_SECONDS)
