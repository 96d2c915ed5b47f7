"""The output of sealing: ciphertext to a file, with syncs in between.

The age library writes chunks on a thread of its own while the recorder writes
plaintext. The two share a :class:`Backlog` of plaintext that is not on the disk yet.
The input side and the thread are in :mod:`agent.vault.clips.seal`.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path

from agent import new_files
from agent.clock import Clock

CHUNK_BYTES = 65_536  # plaintext of one age chunk
SEALED_CHUNK_BYTES = CHUNK_BYTES + 16


class Backlog:
    """Times at which plaintext was written that is not on the disk; shared by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writes: deque[tuple[int, float]] = deque()  # (position after it, monotonic time)

    def add(self, position: int, at: float) -> None:
        """Note that plaintext up to ``position`` was written at ``at``."""
        with self._lock:
            self._writes.append((position, at))

    def oldest_after(self, position: int) -> float | None:
        """The time at which the first byte behind ``position`` was written, if there is one."""
        with self._lock:
            return next((at for end, at in self._writes if end > position), None)

    def forget(self, position: int) -> None:
        """Note that plaintext up to ``position`` is on the disk."""
        with self._lock:
            while self._writes and self._writes[0][0] <= position:
                self._writes.popleft()


class Sink(new_files.DigestWriter):
    """A new, locked file for the age library, synced when the backlog is old."""

    def __init__(self, path: Path, clock: Clock, backlog: Backlog, patience: float) -> None:
        super().__init__(new_files.create(path))
        self._clock = clock
        self._backlog = backlog
        self._patience = patience
        self._synced = 0

    def write(self, data: bytes) -> int:
        """Write the header or a chunk, and sync if it is time."""
        written = super().write(data)
        oldest = self._backlog.oldest_after(self._synced)
        if oldest is not None and self._clock.monotonic() - oldest >= self._patience:
            self.sync()
            # The header is shorter than a chunk, so this counts whole chunks alone.
            self._synced = self.bytes // SEALED_CHUNK_BYTES * CHUNK_BYTES
            self._backlog.forget(self._synced)
        return written

    def close(self) -> None:
        """Close the file, which ends its lock."""
        os.close(self._descriptor)
