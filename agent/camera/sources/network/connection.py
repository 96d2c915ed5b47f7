"""One connection to a network camera: its main stream, and its small one beside it.

Each stream has a thread of its own, which opens, reads and closes it, so that no
stream is ever closed under a reader, and a picture of the small stream need not wait
for a packet of the main one. What they read comes out in the order in which it came.

The two stand and fall together. Without the small stream nothing would be detected,
hence nothing recorded; and a camera that drops one of them mostly restarts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from agent.camera.source import Item, Packet, VideoFormat
from agent.camera.sources.batched_queue import BatchedQueue
from agent.camera.sources.network.track import Track
from agent.errors import CameraFault

_QUEUE_ITEMS = 256  # then the camera has to wait, and TCP with it
_POLL_SECONDS = 0.25
_GOODBYE_SECONDS = 1.0

Connect = Callable[[], Track]
Read = Callable[[Track], Iterator[Item]]


class _Feed:
    """A stream on its thread; what it gives goes to ``out``, the reason for its end last."""

    def __init__(
        self, name: str, connect: Connect, read: Read, out: BatchedQueue[Delivery]
    ) -> None:
        self._connect = connect
        self._read = read
        self._out = out
        self._hung_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hang_up(self) -> None:
        """End at the next packet, or when waiting for it takes too long."""
        self._hung_up.set()

    def join(self) -> None:
        """Wait for the end, for a moment: a camera that froze is left to its time limit."""
        if self._thread.is_alive():
            self._thread.join(_GOODBYE_SECONDS)

    def _run(self) -> None:
        try:
            track = self._connect()
            try:
                self._put(track.format)
                for item in self._read(track):
                    if not self._put(item):
                        return
            finally:
                track.close()
            self._put(
                CameraFault(f"{track.name} ended the stream", advice="Check that the camera is on")
            )
        except BaseException as error:  # noqa: BLE001 - raised again by Connection
            self._put(error)

    def _put(self, item: Item | BaseException) -> bool:
        """Deliver ``item`` once there is room; False when nobody wants it any more."""
        quietly = isinstance(item, Packet)
        while not self._hung_up.is_set():
            if self._out.put((self, item), quietly=quietly, timeout_seconds=_POLL_SECONDS):
                return True
        return False


Delivery = tuple[_Feed, Item | BaseException]


class Connection:
    """Both streams of a camera, from :meth:`open` to :meth:`close`.

    ``main`` and ``small`` say how to connect a stream, and what to make of it; the format
    of the main one is the camera's. :meth:`close` may be called from any thread, and ends
    what another waits for.
    """

    def __init__(self, main: tuple[Connect, Read], small: tuple[Connect, Read] | None) -> None:
        self._deliveries: BatchedQueue[Delivery] = BatchedQueue(_QUEUE_ITEMS)
        self._main = _Feed("record", *main, self._deliveries)
        self._feeds = [self._main]
        if small is not None:
            self._feeds.append(_Feed("detect", *small, self._deliveries))
        self._early: deque[Item] = deque()  # what one stream gave before the other was there
        self._closed = threading.Event()

    def open(self) -> VideoFormat | None:
        """Connect to one stream, then to the other: a camera that turns the first one away
        has heard the password once. None when closed meanwhile. Raises :class:`CameraFault`.
        """
        formats = [self._opened(feed) for feed in self._feeds]
        return None if None in formats else formats[0]

    def items(self) -> Iterator[Item]:
        """What comes, until closed; raises what ended either stream."""
        while self._early:
            yield self._early.popleft()
        for _, item in self._delivered():
            yield item

    def hang_up(self) -> None:
        """Begin to close, without waiting."""
        self._closed.set()
        for feed in self._feeds:
            feed.hang_up()

    def close(self) -> None:
        """Hang up."""
        self.hang_up()
        for feed in self._feeds:
            feed.join()

    def _opened(self, feed: _Feed) -> VideoFormat | None:
        """What ``feed`` says first; what another gives meanwhile is kept."""
        feed.start()
        for giver, item in self._delivered():
            if giver is feed and isinstance(item, VideoFormat):
                return item
            self._early.append(item)
        return None

    def _delivered(self) -> Iterator[tuple[_Feed, Item]]:
        while not self._closed.is_set():
            delivery = self._deliveries.get(_POLL_SECONDS)
            if delivery is None:
                continue
            feed, item = delivery
            if isinstance(item, BaseException):
                raise item
            yield feed, item
