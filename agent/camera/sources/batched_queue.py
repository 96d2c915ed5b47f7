"""From one thread to another, without waking it for every packet.

A camera gives some thirty items a second on each of its threads, and to wake a thread
costs more than to hand over a packet. So an item may be put down quietly: its reader
finds it when it is woken for something that cannot wait (a picture to look at, an end),
when enough has gathered, or when its own patience is over.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

_GATHERED = 8  # quiet items that are worth waking for


class BatchedQueue(Generic[T]):
    """A first-in, first-out queue of at most ``most_items``; any threads put, one gets."""

    def __init__(self, most_items: int) -> None:
        self._most_items = most_items
        self._items: deque[T] = deque()
        self._taken: deque[T] = deque()  # by the reader, to be handed out without a lock
        lock = threading.Lock()
        self._something = threading.Condition(lock)
        self._room = threading.Condition(lock)

    def put(self, item: T, *, quietly: bool, timeout_seconds: float) -> bool:
        """Add ``item``; False if there was no room for it in time."""
        with self._room:
            if not self._room.wait_for(self._has_room, timeout_seconds):
                return False
            self._items.append(item)
            if not quietly or len(self._items) >= min(_GATHERED, self._most_items):
                self._something.notify()
            return True

    def get(self, timeout_seconds: float) -> T | None:
        """The next item; None if nothing came in time."""
        if not self._taken:
            with self._something:
                if not self._items:
                    self._something.wait(timeout_seconds)
                self._taken, self._items = self._items, self._taken
                self._room.notify_all()
        return self._taken.popleft() if self._taken else None

    def _has_room(self) -> bool:
        return len(self._items) < self._most_items
