"""A relay on loopback in front of another server: plain here, bent by its heirs."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

_PIECE_BYTES = 65_536


class Relay:
    """Passes on what comes, to ``port`` of 127.0.0.1 and back."""

    def __init__(self, port: int) -> None:
        self._behind = port
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

    def connect(self) -> socket.socket:
        """A connection to the server behind."""
        return socket.create_connection(("127.0.0.1", self._behind))

    def admit(self, client: socket.socket) -> socket.socket:
        """The client's connection, once it is set up."""
        return client

    def passes(self, piece: bytes, *, of_client: bool) -> bool:
        """Tell if ``piece`` is passed on; an empty one is the end."""
        del piece, of_client
        return True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            behind = self.connect()
        except OSError:
            _hang_up(client)
            return
        with contextlib.suppress(OSError):
            inside = self.admit(client)
            self._open += [inside, behind]
            back = (behind, inside, False)
            threading.Thread(target=self._pass_on, args=back, daemon=True).start()
            self._pass_on(inside, behind, True)

    def _pass_on(self, one: socket.socket, other: socket.socket, of_client: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(_PIECE_BYTES):
                if self.passes(piece, of_client=of_client):
                    other.sendall(piece)
        if self.passes(b"", of_client=of_client):
            _hang_up(other)


def _hang_up(one: socket.socket) -> None:
    """Not by an SSLSocket's own method, after which its recv() gives what is encrypted."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(one, socket.SHUT_RDWR)
