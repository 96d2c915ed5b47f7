"""A source on a thread of its own, so that a camera that hangs cannot hang the process.

The thread opens, reads and closes the source and does nothing else; what it read
waits in a short queue for the one thread that owns the vault. When the source
blocks for ever, the process can still end its clip and exit: the thread is a
daemon. However the source ends, :meth:`Reader.next` says so.
"""

from __future__ import annotations

import logging
import threading
import traceback
from enum import Enum, auto

from agent.camera.source import Item, Packet, Source
from agent.camera.sources.batched_queue import BatchedQueue
from agent.errors import ClipAgentError, InternalFault

# Ten seconds of a camera with 30 pictures a second: as long as a slow card may take for the
# end of a clip, what is deleted to make room, and the beginning of the next.
_QUEUE_ITEMS = 400
_POLL_SECONDS = 0.5

_log = logging.getLogger(__name__)


class End(Enum):
    """What :meth:`Reader.next` gives when there is no item."""

    SILENCE = auto()  # nothing came in time
    OVER = auto()  # the source ended


class Reader:
    """Reads ``source`` in the background: its format first, then packets and frames."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._items: BatchedQueue[Item | End | ClipAgentError] = BatchedQueue(_QUEUE_ITEMS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Begin to open and read."""
        self._thread.start()

    def next(self, timeout_seconds: float) -> Item | End:
        """The next item. What the source raised is raised here, as an
        :class:`InternalFault` if it is none of the errors that a source may raise.
        """
        item = self._items.get(timeout_seconds)
        if item is None:
            return End.SILENCE
        if isinstance(item, ClipAgentError):
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
        except ClipAgentError as fault:
            self._put(fault)
        except BaseException as error:  # noqa: BLE001 - also a SystemExit must not pass for an end
            self._put(_unexpected(error, "broke off"))
        finally:
            self._close()

    def _close(self) -> None:
        try:
            self._source.close()
        except BaseException as error:  # noqa: BLE001 - the thread ends here anyway
            _unexpected(error, "did not close")

    def _put(self, item: Item | End | ClipAgentError) -> bool:
        """Queue ``item`` once there is room; False when the reader was stopped."""
        quietly = isinstance(item, Packet)
        while not self._stop.is_set():
            if self._items.put(item, quietly=quietly, timeout_seconds=_POLL_SECONDS):
                return True
        return False


def _unexpected(error: BaseException, what: str) -> InternalFault:
    """Log where ``error`` comes from, but not its words: a library's may quote a password."""
    name, frames = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    _log.error("the source of pictures %s with %s:\n%s", what, name, frames)
    return InternalFault(
        f"the source of pictures {what} with {name}",
        advice="This is a mistake in clip-agent: please report it with its journal",
    )
