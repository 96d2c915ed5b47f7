"""A camera on loopback that takes no password, and counts how often it was told one.

>>> with StrictCamera() as camera:
...     connect(camera.url("main"))
>>> camera.logins
1
"""

from __future__ import annotations

import itertools
import socketserver
import threading
from collections.abc import Iterable
from typing import Self

_REFUSAL = b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="cam", nonce="n"\r\n'


def _message(stream: Iterable[bytes]) -> list[bytes]:
    """The lines of the next one; none when the client has hung up."""
    return list(itertools.takewhile(lambda line: line != b"\r\n", stream))


class StrictCamera:
    """Speaks as much RTSP as it takes to say no."""

    def __init__(self) -> None:
        self.logins = 0
        outer = self

        class Conversation(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while lines := _message(self.rfile):
                    number = next(line for line in lines if line.lower().startswith(b"cseq"))
                    if lines[0].startswith(b"OPTIONS"):
                        self.wfile.write(b"RTSP/1.0 200 OK\r\nPublic: DESCRIBE\r\n" + number)
                    else:
                        outer.logins += any(line.startswith(b"Authorization") for line in lines)
                        self.wfile.write(_REFUSAL + number)
                    self.wfile.write(b"\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation)
        self._server.daemon_threads = True

    def url(self, name: str) -> str:
        """Address at which a client finds ``name``."""
        return f"rtsp://viewer:hunter2@127.0.0.1:{self._server.server_address[1]}/{name}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
