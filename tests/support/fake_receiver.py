"""An upload receiver that says what a test tells it to, whether it is tus or not.

>>> with FakeReceiver(answer(201, Location="/files/1"), answer(204, Upload_Offset="9")) as fake:
...     client.create(fake.url, size=10, metadata={})
...     fake.requests[0].method            # "POST"

Each connection is answered once with the next answer and closed. An answer may be a
function that gets the connection, to stall or to drip.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"

Answer = bytes | Callable[[socket.socket], None]


@dataclass(frozen=True)
class SeenRequest:
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class FakeReceiver:
    """Listens on 127.0.0.1 and gives ``answers`` in turn."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self._listener = socket.create_server((HOST, 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.requests: list[SeenRequest] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}/files"

    def _serve(self) -> None:
        for answer in self.answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: the test wanted fewer answers
                return
            with connection:
                connection.settimeout(60)
                self.requests.append(_read_request(connection))
                try:
                    if callable(answer):
                        answer(connection)
                    else:
                        connection.sendall(answer)
                except OSError:
                    continue  # the client hung up, as it should on some answers

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)


def answer(status: int, /, body: bytes = b"", *, tus: bool = True, **headers: str) -> bytes:
    """The bytes of an HTTP answer; ``Upload_Offset="3"`` becomes the header Upload-Offset."""
    lines = [f"HTTP/1.1 {status} Because"]
    if tus:
        lines.append("Tus-Resumable: 1.0.0")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def _read_request(connection: socket.socket) -> SeenRequest:
    with connection.makefile("rb") as stream:
        method, target, _ = stream.readline().decode().split(" ", 2)
        headers = {}
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
    return SeenRequest(method, target, headers, body)
