"""Unlocked browsers: the owner's keys in memory, until the browser is idle for too long.

Each unlocking makes a new session with a cookie of its own. What a thief copied from an earlier one
opens nothing later, also when the owner unlocks the same browser again.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.clock import Clock
from agent.errors import KeyFileError, Refused
from agent.keyfile import Keys

IDLE_SECONDS = 15 * 60.0
LONGEST_SECONDS = 12 * 3_600.0
_FREE_TRIES = 3
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 2.0, 300.0


@dataclass(eq=False)
class Session:
    """One unlocked browser. ``browser`` is its id at the door; times are monotonic.

    The lock forgets the keys and ``memory``, also for jobs that still hold the session.
    """

    id: str = field(repr=False)
    browser: str
    began_at: float
    used_at: float
    _keys: Keys | None = field(repr=False)
    _memory: dict[str, object] = field(default_factory=dict, repr=False)

    @property
    def memory(self) -> dict[str, object]:
        """The values that pages and jobs keep; Refused ``locked`` when the session has ended.

        So a job that ends after the lock keeps nothing.
        """
        if self._keys is None:
            raise _locked()
        return self._memory

    @property
    def keys(self) -> Keys:
        """The owner's keys; Refused ``locked`` when the session has ended."""
        if self._keys is None:
            raise _locked()
        return self._keys

    def end(self) -> None:
        """Forget all."""
        self._keys = None
        self._memory.clear()


def _locked() -> Refused:
    return Refused("locked", "the console was locked meanwhile", advice="Unlock it again")


class Sessions:
    """All unlocked browsers. ``unlock`` opens the owner's keys by a passphrase."""

    def __init__(
        self,
        clock: Clock,
        unlock: Callable[[str], Keys],
        *,
        idle_seconds: float = IDLE_SECONDS,
        token: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._clock = clock
        self._unlock = unlock
        self._idle_seconds = idle_seconds
        self._token = token
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._trying = threading.Lock()  # opening a key file takes 512 MiB
        self._wrong = 0
        self._wait_until = 0.0

    def begin(self, browser: str, passphrase: str) -> Session:
        """A new session of ``browser``.

        Raises KeyFileError for a wrong passphrase, Refused ``too-many-tries`` without trying it.
        """
        return self.begin_with(browser, self.check(passphrase))

    def begin_with(self, browser: str, keys: Keys) -> Session:
        """A new session of ``browser`` with keys that were opened in another way."""
        now = self._clock.monotonic()
        session = Session(self._token(), browser, now, now, keys)
        with self._lock:
            self._drop(lambda one: one.browser == browser)
            self._sessions[session.id] = session
        return session

    def check(self, passphrase: str) -> Keys:
        """The keys that ``passphrase`` opens; each wrong one after the third doubles the wait.

        Raises KeyFileError for a wrong passphrase, Refused ``too-many-tries`` without trying it.
        """
        with self._trying:
            wait = self._wait_until - self._clock.monotonic()
            if wait > 0:
                raise Refused(
                    "too-many-tries",
                    f"too many wrong passphrases; wait {wait:.0f} seconds before the next",
                )
            try:
                keys = self._unlock(passphrase)
            except KeyFileError:
                self._wrong += 1
                if self._wrong >= _FREE_TRIES:
                    wait = _FIRST_WAIT_SECONDS * 2.0 ** min(self._wrong - _FREE_TRIES, 16)
                    self._wait_until = self._clock.monotonic() + min(wait, _LONGEST_WAIT_SECONDS)
                raise
            self._wrong = 0
            return keys

    def find(self, cookie: str, browser: str, *, counts: bool = True) -> Session | None:
        """The session with this cookie, if it is of ``browser`` and was not idle for too long.

        It ``counts`` as used now.
        """
        now = self._clock.monotonic()
        with self._lock:
            self._drop(lambda one: self._is_over(one, now))
            session = self._sessions.get(cookie)
            if session is None or session.browser != browser:
                return None
            if counts:
                session.used_at = now
            return session

    def newest(self) -> Session | None:
        """The session that was used last, for work in the background; it stays as idle as it is."""
        now = self._clock.monotonic()
        with self._lock:
            self._drop(lambda one: self._is_over(one, now))
            return max(self._sessions.values(), key=lambda one: one.used_at, default=None)

    def lock(self, browser: str | None = None) -> None:
        """End the session of ``browser``, or all: their keys are forgotten."""
        with self._lock:
            self._drop(lambda one: browser is None or one.browser == browser)

    def lock_others(self, browser: str) -> None:
        """End all sessions but that of ``browser``: another of them may be in a thief's hand."""
        with self._lock:
            self._drop(lambda one: one.browser != browser)

    def _is_over(self, session: Session, now: float) -> bool:
        idle = now - session.used_at > self._idle_seconds
        return idle or now - session.began_at > LONGEST_SECONDS

    def _drop(self, ends: Callable[[Session], bool]) -> None:
        for session in [one for one in self._sessions.values() if ends(one)]:
            session.end()
            del self._sessions[session.id]
