"""How long to leave a lost camera alone before it is tried again."""

from __future__ import annotations

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
STABLE_SECONDS = 60.0  # a connection that stood for this long was a good one
# Cameras count wrong passwords, and after a handful lock out who sent them, or the account,
# which may be the owner's own: twelve an hour at most.
TURNED_AWAY_SECONDS = 300.0


class BackOff:
    """Waits that double from :data:`FIRST_SECONDS`, until a connection was stable again."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS
        self._next_turned_away = LONGEST_SECONDS

    def lost(self, *, stood_seconds: float, turned_away: bool = False) -> float:
        """Seconds to wait, now that a connection is lost that stood for ``stood_seconds``.

        ``turned_away``: the camera answered and said no, as to a wrong password. It will
        say no again, so these waits begin at :data:`LONGEST_SECONDS` and double up to
        :data:`TURNED_AWAY_SECONDS`.
        """
        if stood_seconds >= STABLE_SECONDS:
            self._next, self._next_turned_away = FIRST_SECONDS, LONGEST_SECONDS
        if turned_away:
            wait, self._next = self._next_turned_away, LONGEST_SECONDS
            self._next_turned_away = min(2 * wait, TURNED_AWAY_SECONDS)
        else:
            wait, self._next = self._next, min(2 * self._next, LONGEST_SECONDS)
        return wait
