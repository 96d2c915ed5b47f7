"""How long to leave a lost camera alone before it is tried again."""

from __future__ import annotations

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
STABLE_SECONDS = 60.0  # a connection that stood for this long was a good one


class BackOff:
    """Waits that double from :data:`FIRST_SECONDS`, until a connection was stable again."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def lost(self, *, stood_seconds: float, turned_away: bool = False) -> float:
        """Seconds to wait, now that a connection is lost that stood for ``stood_seconds``.

        ``turned_away``: the camera answered and said no, as to a wrong password. It will
        say no again, and some lock out whoever asks too often.
        """
        if stood_seconds >= STABLE_SECONDS:
            self._next = FIRST_SECONDS
        if turned_away:
            self._next = LONGEST_SECONDS
        wait, self._next = self._next, min(2 * self._next, LONGEST_SECONDS)
        return wait
