"""HTTP answers with whole headers; one that a closed connection cut off is refused."""

from __future__ import annotations

import errno
import http.client
import io
import socket
from typing import Any


class _WholeLines(io.BufferedReader):
    """A reader that refuses a line without its end.

    http.client takes such a line for the end of the headers, and a cut answer for a whole one.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise ConnectionResetError(errno.ECONNRESET, "the answer was cut off")
        return line


class WholeResponse(http.client.HTTPResponse):
    """An answer whose headers are whole, or :class:`ConnectionResetError`."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp.close()
        self.fp = _WholeLines(sock.makefile("rb", buffering=0))
