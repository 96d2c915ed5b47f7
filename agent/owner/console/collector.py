"""Fetches the cameras' letters while a browser is unlocked, so that pages show what is new."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from agent.clock import Clock
from agent.errors import ClipAgentError
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.console.sessions import Sessions
from agent.owner.inbox.items import Overview

_log = logging.getLogger(__name__)

PAUSE_SECONDS = 20.0


class Collector:
    """A thread that visits the broker. ``overview`` is the last one, ``fault`` says why not."""

    def __init__(
        self,
        client: Callable[[], OwnerClient],
        sessions: Sessions,
        clock: Clock,
        *,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._client = client
        self._sessions = sessions
        self._clock = clock
        self._collected_at = 0.0  # monotonic
        self._pause_seconds = pause_seconds
        self._collecting = threading.Lock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)
        self.overview: Overview | None = None
        self.fault: ClipAgentError | None = None
        self.count = 0  # of collections: a page asks if there was another

    def start(self) -> None:
        """Begin to visit."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the visit that is under way."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def collect(self, keys: Keys) -> Overview:
        """Visit now, and return what there is; raises NetworkFault."""
        with self._collecting:
            try:
                self.overview, self.fault = self._client().collect(keys), None
                self._collected_at = self._clock.monotonic()
            except ClipAgentError as error:
                self.fault = error
                raise
            finally:
                self.count += 1
            return self.overview

    def refresh(self, keys: Keys, *, older_than_seconds: float) -> Overview:
        """The last overview, or that of a visit now if it is older; raises NetworkFault."""
        overview, at = self.overview, self._collected_at
        if overview is not None and self._clock.monotonic() - at <= older_than_seconds:
            return overview
        return self.collect(keys)

    def forget(self) -> None:
        """Drop the last overview: something was decided since, and the next page must show it."""
        self.overview = None

    def _run(self) -> None:
        while not self._ends.wait(self._pause_seconds):
            session = self._sessions.newest()
            if session is None:
                self.overview = None
                continue
            try:
                self.collect(session.keys)
            except ClipAgentError as error:
                _log.info("cannot collect: %s", error)
