"""A household's line to the internet, in user space: a rate up, a delay, and a router's queue.

>>> with SlowLink(bits_per_second=5e6, round_trip_seconds=0.04) as link:
...     url = f"http://127.0.0.1:{link.front(server.port)}/files"

What goes up through any of the fronts shares one queue, first come first served, as in a router
without any of the cures for it. A full queue stops its senders instead of losing packets, so TCP
is kept busy without retransmissions. Down there is the delay alone.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Self

_PIECE_BYTES = 1_460
_BUFFER_BYTES = 8_192  # of sockets: what waits is to wait in the queue


class SlowLink:
    """Carries connections to ports of 127.0.0.1."""

    def __init__(
        self,
        *,
        bits_per_second: float,
        round_trip_seconds: float,
        queue_bytes: int = 256_000,
    ) -> None:
        self._rate = bits_per_second / 8
        self._delay = round_trip_seconds / 2
        self._most_queued_seconds = queue_bytes / self._rate
        self._free_at = 0.0  # the line has sent all that was queued
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def front(self, port: int) -> int:
        """The port at which ``port`` is reached through the line."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        listener.bind(("127.0.0.1", 0))

        async def serve(up: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
            await asyncio.sleep(2 * self._delay)  # TCP shakes hands
            behind, ahead = await asyncio.open_connection("127.0.0.1", port)
            with suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(self._up(up, ahead), self._down(behind, down))
            ahead.close()
            down.close()

        start = asyncio.start_server(serve, sock=listener, limit=_BUFFER_BYTES)
        asyncio.run_coroutine_threadsafe(start, self._loop).result(60)
        return int(listener.getsockname()[1])

    async def _hang_up(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            now = self._loop.time()
            self._free_at = max(self._free_at, now) + len(piece) / self._rate
            self._loop.call_at(self._free_at + self._delay, writer.write, piece)
            full = self._free_at - now - self._most_queued_seconds
            await asyncio.sleep(max(0.0, full))
        self._loop.call_at(self._free_at + self._delay, writer.close)

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_BUFFER_BYTES):
            self._loop.call_later(self._delay, writer.write, piece)
        self._loop.call_later(self._delay, writer.close)
