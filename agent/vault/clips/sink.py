"""The disk's end of a seal: ciphertext into a file, its digest, and a sync when it is time.

The age library writes chunk by chunk on a thread of its own while the recorder
goes on writing plaintext. :class:`Backlog` is what the two share: which plaintext
is not safe yet, and since when. What goes in at the other end, and the thread
itself, are the business of :mod:`agent.vault.clips.seal`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock
from agent.vault.clips import paths as files

CHUNK_BYTES = 65_536  # plaintext of one age chunk
SEALED_CHUNK_BYTES = CHUNK_BYTES + 16


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A finished age file: its digest (hexadecimal) and size."""

    sha256: str
    bytes: int


class Backlog:
    """When the plaintext was written that is not safe yet; shared by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writes: deque[tuple[int, float]] = deque()  # (position after it, monotonic time)

    def add(self, position: int, at: float) -> None:
        """Plaintext up to ``position`` was written at ``at``."""
        with self._lock:
            self._writes.append((position, at))

    def oldest_after(self, position: int) -> float | None:
        """When the first byte behind ``position`` was written; None if there is none."""
        with self._lock:
            return next((at for end, at in self._writes if end > position), None)

    def forget(self, position: int) -> None:
        """What ends at or before ``position`` is safe."""
        with self._lock:
            while self._writes and self._writes[0][0] <= position:
                self._writes.popleft()


class Sink:
    """Where the age library writes: the file, its digest, and the syncs in between."""

    def __init__(self, path: Path, clock: Clock, backlog: Backlog, patience: float) -> None:
        self._descriptor = files.create(path)
        self._clock = clock
        self._backlog = backlog
        self._patience = patience
        self._digest = hashlib.sha256()
        self._synced = 0
        self.bytes = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Called by the age library with the header, then chunk by chunk."""
        try:
            files.write_all(self._descriptor, data)
            self._digest.update(data)
            self.bytes += len(data)
            self._sync_if_due()
        except OSError as error:
            self.error = error  # the library passes on the text of an error only
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held back here."""

    def _sync_if_due(self) -> None:
        oldest = self._backlog.oldest_after(self._synced)
        if oldest is None or self._clock.monotonic() - oldest < self._patience:
            return
        os.fsync(self._descriptor)
        # The header is shorter than a chunk, so this counts whole chunks alone.
        self._synced = self.bytes // SEALED_CHUNK_BYTES * CHUNK_BYTES
        self._backlog.forget(self._synced)

    def sync(self) -> None:
        """All that was written is on the disk when this returns."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            self.error = error
            raise

    def close(self) -> SealedFile:
        """Give up the file, and with it its lock."""
        os.close(self._descriptor)
        return SealedFile(self._digest.hexdigest(), self.bytes)
