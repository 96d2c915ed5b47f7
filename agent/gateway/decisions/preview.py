"""Sending the owner a stored clip's ciphertext, in chunks, when asked.

What goes over the broker is the sealed file as it lies on disk: only the owners'
identities open it. Chunk ``n`` is the next :data:`agent.mqtt.topics.CHUNK_BYTES` of
it; a shorter chunk, empty if need be, is the last. A few chunks are under way at
a time, so that a slow link holds little memory. A preview does not survive a
lost connection: the owner asks again.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import ExitStack
from typing import BinaryIO

from agent.errors import ClipDamaged, NetworkFault, Refused
from agent.mqtt import topics
from agent.mqtt.link import Link
from agent.vault.clips.store import ClipStore

log = logging.getLogger(__name__)

_MAX_WAITING = 8
_MAX_IN_FLIGHT = 4


class Previews:
    """Streams clips to the owner, one after the other."""

    def __init__(self, *, store: ClipStore, link: Link, device_name: str) -> None:
        self._store = store
        self._link = link
        self._device_name = device_name
        self._waiting: deque[str] = deque()
        self._in_flight: set[int] = set()
        self._clip = ""
        self._number = 0
        self._sealed: BinaryIO | None = None
        self._open = ExitStack()

    def check(self, clip: str) -> None:
        """Raise :class:`Refused` ``too-many-previews`` if ``clip`` cannot wait for its turn.

        Asked before anything is written down: the record must not say that it was sent.
        """
        if clip not in self._waiting and len(self._waiting) >= _MAX_WAITING:
            raise Refused("too-many-previews", f"{_MAX_WAITING} wait already: ask again later")

    def start(self, clip: str) -> None:
        """Send ``clip``, which :meth:`check` admits, once those asked for earlier are through."""
        self.check(clip)
        if clip not in self._waiting:
            self._waiting.append(clip)
        self.pump()

    def pump(self) -> None:
        """Put chunks on the way until enough of them are."""
        while len(self._in_flight) < _MAX_IN_FLIGHT and (self._sealed or self._next_clip()):
            self._send_chunk()

    def published(self, token: int) -> None:
        """The broker confirmed a message; if it was a chunk, the next may go."""
        if token in self._in_flight:
            self._in_flight.discard(token)
            self.pump()

    def stop(self) -> None:
        """The connection is gone, and with it every preview."""
        self._close()
        self._waiting.clear()
        self._in_flight.clear()

    def _next_clip(self) -> bool:
        while self._waiting:
            self._clip, self._number = self._waiting.popleft(), 0
            try:
                self._sealed = self._open.enter_context(self._store.open_sealed(self._clip))
            except ClipDamaged as error:
                log.info("preview of %s: %s", self._clip, error)
                continue
            return True
        return False

    def _send_chunk(self) -> None:
        assert self._sealed is not None
        try:
            chunk = self._sealed.read(topics.CHUNK_BYTES)
        except OSError as error:
            log.warning("preview of %s: cannot be read (%s)", self._clip, error.strerror)
            self._close()  # the owner notices the silence
            return
        topic = topics.preview(self._device_name, self._clip, self._number)
        try:
            self._in_flight.add(self._link.publish(topic, chunk, retained=False))
        except NetworkFault:
            self.stop()
            return
        self._number += 1
        if len(chunk) < topics.CHUNK_BYTES:
            self._close()

    def _close(self) -> None:
        self._open.close()
        self._open = ExitStack()
        self._sealed = None
