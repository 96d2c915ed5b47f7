"""Items from one thread to another, without waking the reader for every packet.

A camera gives some thirty items a second on each of its threads, and waking a thread
costs more than handing over a packet. So packets are put quietly: the reader finds them
when it is woken for something urgent (a frame, an end), when enough have gathered, or
when its timeout is over.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import closing, suppress
from typing import Generic, TypeVar

from agent.camera.source import Packet, Unjudged

T = TypeVar("T")

_GATHERED = 8  # quiet items that are worth waking for
_POLL_SECONDS = 0.25
_FULL_SECONDS = 0.02  # until a full queue is looked at again
_QUIET = (Packet, Unjudged)


class BatchedQueue(Generic[T]):
    """A first-in, first-out queue of ``most_items``; any thread puts, one gets.

    Each writer may exceed that by one. Appending to a deque and taking from it are atomic, so only
    waiting needs a lock. A full queue is rare, and polled.
    """

    def __init__(self, most_items: int) -> None:
        self._most_items = most_items
        self._gathered = min(_GATHERED, most_items)
        self._items: deque[T] = deque()
        self._asleep = threading.Lock()  # held, until the reader is to wake up
        self._asleep.acquire()

    def put(self, item: T, *, quietly: bool, timeout_seconds: float) -> bool:
        """Add ``item``; False if there was no room for it in time."""
        if len(self._items) >= self._most_items and not self._has_room(timeout_seconds):
            return False
        self._items.append(item)
        if not quietly or len(self._items) >= self._gathered:
            with suppress(RuntimeError):  # it is waking up already
                self._asleep.release()
        return True

    def get(self, timeout_seconds: float) -> T | None:
        """The next item; None if nothing came in time."""
        while not self._items:
            # The lock may have been released for items that were taken before; then wait once more.
            if not self._asleep.acquire(timeout=timeout_seconds):
                break
        return self._items.popleft() if self._items else None

    def _has_room(self, timeout_seconds: float) -> bool:
        """Wait until there is; False if there was none in time."""
        end = time.monotonic() + timeout_seconds
        while len(self._items) >= self._most_items:
            if time.monotonic() >= end:
                return False
            time.sleep(_FULL_SECONDS)
        return True


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
        quietly = isinstance(item, _QUIET)
        while not self._stopped.is_set():
            if self._queue.put(item, quietly=quietly, timeout_seconds=_POLL_SECONDS):
                return True
        return False
