"""A look through a camera for an unlocked browser: the newest picture, in memory.

It goes on while the browser asks for pictures. One that was closed, or left the page, asks no
more, and the look ends seconds later.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial

from agent.clock import Clock
from agent.errors import ClipAgentError, Refused
from agent.owner.client import OwnerClient
from agent.owner.console.sessions import Session
from agent.owner.pictures.look import Picture

_AWAY_SECONDS = 5.0
_MEMORY = "looking"


class Looking:
    """One look. ``number`` counts its pictures; ``over`` once no more come, ``error`` says why."""

    def __init__(self, camera: str, clock: Clock) -> None:
        self.camera = camera
        self.number = 0
        self.picture: Picture | None = None
        self.error: ClipAgentError | None = None
        self.over = False
        self._clock = clock
        self._stopped = threading.Event()
        self._asked_at = clock.monotonic()

    @classmethod
    def of(cls, session: Session) -> Looking | None:
        """The look of ``session``, also one that is over."""
        found = session.memory.get(_MEMORY)
        return found if isinstance(found, cls) else None

    @classmethod
    def begin(cls, session: Session, client: OwnerClient, camera: str, clock: Clock) -> Looking:
        """Look through ``camera``; an earlier look of this session ends."""
        if (before := cls.of(session)) is not None:
            before.stop()
        looking = cls(camera, clock)
        session.memory[_MEMORY] = looking
        work = partial(looking._run, session, client)
        threading.Thread(target=work, name="look", daemon=True).start()
        return looking

    def asked(self) -> None:
        """Note that the browser is still there."""
        self._asked_at = self._clock.monotonic()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()

    def wanted(self, session: Session) -> bool:
        """False once it was stopped, the browser is away, or the session is locked."""
        is_away = self._clock.monotonic() - self._asked_at > _AWAY_SECONDS
        if self._stopped.is_set() or is_away:
            return False
        with suppress(Refused):  # locked meanwhile
            return session.memory.get(_MEMORY) is self
        return False

    def _run(self, session: Session, client: OwnerClient) -> None:
        try:
            client.pictures.look(
                self.camera, session.keys, self._show, wanted=lambda: self.wanted(session)
            )
        except ClipAgentError as error:
            self.error = error
        finally:
            self.over, self.picture = True, None

    def _show(self, picture: Picture) -> None:
        self.picture = picture
        self.number += 1
