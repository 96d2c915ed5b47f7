"""A source on a thread of its own, so that a camera that hangs cannot hang the process.

The thread opens, reads and closes the source and does nothing else. Its items wait in a
short queue for the thread that owns the vault. When the source blocks for ever, the
process can still end its clip and exit. However the source ends, :meth:`Reader.next`
reports it.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator
from enum import Enum, auto

from agent.camera.source import Item, Source
from agent.camera.sources.batched_queue import BatchedQueue, Producer
from agent.errors import ClipAgentError, InternalFault

# Ten seconds of a camera with 30 pictures a second: a slow card may take as long to end a
# clip, to delete what makes room, and to begin the next.
_QUEUE_ITEMS = 400
POLL_SECONDS = 0.25  # for which a SIGTERM may go unnoticed
CLOSE_SECONDS = 2.0  # for the source to release its camera
LEAVE_SECONDS = 0.5  # for one that failed, and may hang

_log = logging.getLogger(__name__)


class End(Enum):
    """The results of :meth:`Reader.next` when there is no item."""

    SILENCE = auto()  # nothing came in time
    OVER = auto()  # the source ended


class Reader:
    """Reads ``source`` in the background: its format first, then packets and frames."""

    def __init__(self, source: Source) -> None:
        self._items: BatchedQueue[Item | End | ClipAgentError] = BatchedQueue(_QUEUE_ITEMS)
        self._producer = Producer("source", _read(source), self._items)

    def start(self) -> None:
        """Begin to open and read."""
        self._producer.start()

    def next(self, timeout_seconds: float) -> Item | End:
        """The next item. Raises the fault of the source, or an :class:`InternalFault` for
        any other error in it.
        """
        item = self._items.get(timeout_seconds)
        if item is None:
            return End.SILENCE
        if isinstance(item, ClipAgentError):
            raise item
        return item

    def stop(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Ask the thread to close the source; leave it alone if it does not in time."""
        self._producer.stop()
        self._producer.join(timeout_seconds)


def _read(source: Source) -> Generator[Item | End | ClipAgentError]:
    """The items of ``source``, and how it ended."""
    try:
        yield source.open()
        yield from source.read()
        yield End.OVER
    except GeneratorExit:
        raise
    except ClipAgentError as fault:
        yield fault
    except BaseException as error:  # noqa: BLE001 - also a SystemExit must not pass for an end
        yield _unexpected(error, "broke off")
    finally:
        try:
            source.close()
        except BaseException as error:  # noqa: BLE001 - the thread ends here anyway
            _unexpected(error, "did not close")


def _unexpected(error: BaseException, what: str) -> InternalFault:
    """Log where ``error`` comes from, but not its words: a library's may quote a password."""
    name, frames = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    _log.error("the source of pictures %s with %s:\n%s", what, name, frames)
    return InternalFault(
        f"the source of pictures {what} with {name}",
        advice="This is a mistake in clip-agent: please report it with its journal",
    )
