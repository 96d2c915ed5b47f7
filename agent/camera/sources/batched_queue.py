"""Items from one thread to another, without waking the reader for every packet.

A camera gives some thirty items a second on each of its threads, and waking a thread
costs more than handing over a packet. So packets are put quietly: the reader finds them
when it is woken for something urgent (a frame, an end), when enough have gathered, or
when its timeout is over.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from contextlib import closing
from typing import Generic, TypeVar

from agent.camera.source import Packet, Unjudged

T = TypeVar("T")

_GATHERED = 8  # quiet items that are worth waking for
_POLL_SECONDS = 0.25


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
            if not self._room.wait_for(
                lambda: len(self._items) < self._most_items, timeout_seconds
            ):
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


class Producer(Generic[T]):
    """A daemon thread that puts ``items`` into ``queue`` until it is stopped.

    Nothing may escape the generator: it yields its own errors. It is closed on its thread.
    """

    def __init__(self, name: str, items: Generator[T], queue: BatchedQueue[T]) -> None:
        self._items = items
        self._queue = queue
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end at its next item."""
        self._stopped.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end; a thread that hangs is left alone after the timeout."""
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        with closing(self._items) as items:
            for item in items:
                if not self._put(item):
                    break

    def _put(self, item: T) -> bool:
        """Queue ``item`` once there is room; False when stopped."""
        quietly = isinstance(item, Packet | Unjudged)
        while not self._stopped.is_set():
            if self._queue.put(item, quietly=quietly, timeout_seconds=_POLL_SECONDS):
                return True
        return False
