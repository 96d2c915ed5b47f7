"""TLS in front of another server on loopback, which hears what clients say through it.

>>> with TlsFront(server.port, certificate) as front:
...     connect("127.0.0.1", front.port)
>>> b"Authorization" in front.heard
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Self

from tests.peers.certificates import ServerCertificate

_PIECE_BYTES = 65_536


class TlsFront:
    """Shows ``certificate``, and passes on what comes to ``port`` of 127.0.0.1."""

    def __init__(self, port: int, certificate: ServerCertificate) -> None:
        self.heard = b""  # from all clients, decrypted
        self._behind = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            _hang_up(each)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            inside = self._context.wrap_socket(client, server_side=True)
            behind = socket.create_connection(("127.0.0.1", self._behind))
            self._open += [inside, behind]
            threading.Thread(target=self._pass_on, args=(behind, inside), daemon=True).start()
            self._pass_on(inside, behind, listen=True)

    def _pass_on(self, one: socket.socket, other: socket.socket, *, listen: bool = False) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while piece := one.recv(_PIECE_BYTES):
                if listen:
                    self.heard += piece
                other.sendall(piece)
        _hang_up(other)


def _hang_up(one: socket.socket) -> None:
    """Not by an SSLSocket's own method, after which its recv() gives what is encrypted."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(one, socket.SHUT_RDWR)
