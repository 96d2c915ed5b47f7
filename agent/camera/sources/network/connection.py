"""One connection to a network camera: its main stream, and its small one beside it.

Each stream has a thread of its own, which opens, reads and closes it. So no stream is
closed under a reader, and a picture of the small stream need not wait for a packet of the
main one. Items come out in the order in which they came.

If one stream ends, so does the connection. Without the small stream nothing is detected,
hence nothing recorded; and a camera that drops one of them mostly restarts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from agent.camera.source import Item, VideoFormat
from agent.camera.sources.batched_queue import BatchedQueue, Producer
from agent.camera.sources.network.track import Track
from agent.errors import CameraFault

_QUEUE_ITEMS = 256  # then the camera has to wait, and TCP with it
_POLL_SECONDS = 0.25
_GOODBYE_SECONDS = 1.0  # for a stream to close; a frozen camera is left to its time limit

Connect = Callable[[], Track]
Read = Callable[[Track], Iterator[Item]]


class _Opened(NamedTuple):
    """A stream's connection; ``video`` is the format of the main one as it begins."""

    video: VideoFormat | None


_Given = _Opened | Item | BaseException


class Connection:
    """Both streams of a camera, from :meth:`open` to :meth:`close`.

    ``main`` and ``small`` connect a stream and read its track; the format of the main one
    is the camera's. :meth:`close` may be called from any thread, and ends all waits.
    """

    def __init__(self, main: tuple[Connect, Read], small: tuple[Connect, Read] | None) -> None:
        self._given: BatchedQueue[_Given] = BatchedQueue(_QUEUE_ITEMS)
        self._streams = [
            Producer(name, _read(*stream, is_main=stream is main), self._given)
            for name, stream in (("record", main), ("detect", small))
            if stream is not None
        ]
        self._early: deque[Item] = deque()  # from one stream, before the other was there
        self._closed = threading.Event()

    def open(self) -> VideoFormat | None:
        """Connect to one stream, then to the other: a camera that refuses the first one
        hears the password once. None when closed meanwhile. Raises :class:`CameraFault`.
        """
        opened = [self._opened(stream) for stream in self._streams]
        return None if opened[0] is None or None in opened else opened[0].video

    def items(self) -> Iterator[Item]:
        """All items until closed; raises what ended either stream."""
        while self._early:
            yield self._early.popleft()
        for item in self._received():
            if not isinstance(item, _Opened):
                yield item

    def hang_up(self) -> None:
        """Begin to close, without waiting."""
        self._closed.set()
        for stream in self._streams:
            stream.stop()

    def close(self) -> None:
        """Hang up, and wait a moment for the streams to close."""
        self.hang_up()
        for stream in self._streams:
            stream.join(_GOODBYE_SECONDS)

    def _opened(self, stream: Producer[_Given]) -> _Opened | None:
        """Connect to ``stream``; items that another gives meanwhile are kept."""
        stream.start()
        for item in self._received():
            if isinstance(item, _Opened):
                return item
            self._early.append(item)
        return None

    def _received(self) -> Iterator[_Opened | Item]:
        while not self._closed.is_set():
            item = self._given.get(_POLL_SECONDS)
            if isinstance(item, BaseException):
                raise item
            if item is not None:
                yield item


def _read(connect: Connect, read: Read, *, is_main: bool) -> Generator[_Given]:
    """The connection, then its items, then the reason for its end."""
    try:
        track = connect()
        try:
            yield _Opened(track.format if is_main else None)
            yield from read(track)
        finally:
            track.close()
        yield CameraFault(f"{track.name} ended the stream", advice="Check that the camera is on")
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again by Connection
        yield error
