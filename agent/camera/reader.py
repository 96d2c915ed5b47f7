"""A source on a thread of its own, so that a camera that hangs cannot hang the process.

The thread opens, reads and closes the source and does nothing else; what it read
waits in a short queue for the one thread that owns the vault. When the source
blocks for ever, the process can still end its clip and exit: the thread is a
daemon.
"""

from __future__ import annotations

import queue
import threading
from enum import Enum, auto

from agent.camera.source import Item, Source

_QUEUE_ITEMS = 64  # a few seconds: as long as the disk may take for a breath
_POLL_SECONDS = 0.5


class End(Enum):
    """What :meth:`Reader.next` gives when there is no item."""

    SILENCE = auto()  # nothing came in time
    OVER = auto()  # the source ended


class Reader:
    """Reads ``source`` in the background: its format first, then packets and frames."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._items: queue.Queue[Item | End | BaseException] = queue.Queue(_QUEUE_ITEMS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Begin to open and read."""
        self._thread.start()

    def next(self, timeout_seconds: float) -> Item | End:
        """The next item; what the source raised is raised here."""
        try:
            item = self._items.get(timeout=timeout_seconds)
        except queue.Empty:
            return End.SILENCE
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self, timeout_seconds: float = 2.0) -> None:
        """Ask the thread to close the source; leave it alone if it does not in time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            self._put(self._source.open())
            for item in self._source.read():
                if not self._put(item):
                    break
            else:
                self._put(End.OVER)
        except BaseException as error:  # noqa: BLE001 - raised again by next()
            self._put(error)
        finally:
            self._source.close()

    def _put(self, item: Item | End | BaseException) -> bool:
        """Queue ``item`` once there is room; False when the reader was stopped."""
        while not self._stop.is_set():
            try:
                self._items.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
