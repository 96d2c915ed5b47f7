"""Previews: a stored clip's ciphertext, or sealed thumbnails of many, sent when an owner asks.

The sealed file goes over the broker as it lies on disk: only the owners' identities open it.
Chunk ``n`` is the next :data:`agent.mqtt.topics.CHUNK_BYTES` of it; a shorter chunk, empty if
need be, is the last. Thumbnails go in messages of that size, under the name of the command that
asks for them (:mod:`agent.vault.clips.thumbnails`). A few messages are under way at a time, so that
a slow link holds little memory. A preview does not survive a lost connection: the owner asks again.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Generator, Iterator, Sequence

from agent.errors import ClipDamaged, NetworkFault, Refused
from agent.mqtt import topics
from agent.mqtt.link import Link
from agent.vault.clips import thumbnails
from agent.vault.clips.reader import ClipReader

log = logging.getLogger(__name__)

_MAX_WAITING = 8
_MAX_IN_FLIGHT = 4


Message = tuple[str, bytes]  # a topic and a chunk


class Previews:
    """Streams clips and thumbnails to the owner, one after the other."""

    def __init__(self, *, store: ClipReader, link: Link, device_name: str) -> None:
        self._store = store
        self._link = link
        self._device_name = device_name
        self._waiting: dict[str, Iterator[Message]] = {}  # by clip or command
        self._in_flight: set[int] = set()
        self._messages = self._stream()

    def check(self, name: str) -> None:
        """Raise :class:`Refused` ``too-many-previews`` if ``name`` cannot wait for its turn.

        Asked before anything is written down: the ledger must not say that it was sent.
        """
        if name not in self._waiting and len(self._waiting) >= _MAX_WAITING:
            raise Refused("too-many-previews", f"{_MAX_WAITING} wait already: ask again later")

    def start(self, clip: str) -> None:
        """Send ``clip``, which :meth:`check` admits, after what was asked for earlier."""
        self._start(clip, self._clip(clip))

    def start_thumbnails(self, command: str, clips: Sequence[str]) -> None:
        """Send the thumbnails of ``clips`` as the answer to ``command`` in the same way."""
        self._start(command, self._thumbnails(command, clips))

    def _start(self, name: str, messages: Iterator[Message]) -> None:
        self.check(name)
        self._waiting.setdefault(name, messages)
        self.pump()

    def pump(self) -> None:
        """Put chunks on the way until enough of them are."""
        while len(self._in_flight) < _MAX_IN_FLIGHT and (message := next(self._messages)):
            try:
                self._in_flight.add(self._link.publish(*message, retained=False))
            except NetworkFault:
                self.stop()
                return

    def published(self, token: int) -> None:
        """The broker confirmed a message; if it was a chunk, the next may go."""
        if token in self._in_flight:
            self._in_flight.discard(token)
            self.pump()

    def stop(self) -> None:
        """The connection is gone, and with it every preview."""
        self._messages.close()
        self._messages = self._stream()
        self._waiting.clear()
        self._in_flight.clear()

    def _stream(self) -> Generator[Message | None, None, None]:
        """The topics and chunks of all that waits; None whenever nothing does."""
        while True:
            if not self._waiting:
                yield None
                continue
            name = next(iter(self._waiting))
            yield from self._waiting.pop(name)

    def _clip(self, clip: str) -> Iterator[Message]:
        try:
            with self._store.open_sealed(clip) as sealed:
                for number in itertools.count():
                    chunk = sealed.read(topics.CHUNK_BYTES)
                    yield topics.preview(self._device_name, clip, number), chunk
                    if len(chunk) < topics.CHUNK_BYTES:
                        break
        except (ClipDamaged, OSError) as error:  # the owner notices the silence
            log.warning("preview of %s: %s", clip, error)

    def _thumbnails(self, command: str, clips: Sequence[str]) -> Iterator[Message]:
        sealed = (thumbnails.read(self._store, clip) for clip in clips)
        parts = thumbnails.messages(sealed, most_bytes=topics.CHUNK_BYTES)
        for number, message in enumerate(parts):
            yield topics.preview(self._device_name, command, number), message
