"""TLS in front of another server on loopback, which hears what clients say through it.

>>> with TlsFront(server.port, certificate) as front:
...     connect("127.0.0.1", front.port)
>>> b"Authorization" in front.heard
"""

from __future__ import annotations

import socket
import ssl

from tests.peers.certificates import ServerCertificate
from tests.peers.relay import Relay


class TlsFront(Relay):
    """Shows ``certificate``, and passes on what comes to ``port`` of 127.0.0.1."""

    def __init__(self, port: int, certificate: ServerCertificate) -> None:
        super().__init__(port)
        self.heard = b""  # from all clients, decrypted
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate_file, certificate.key_file)

    def admit(self, client: socket.socket) -> socket.socket:
        """See :class:`Relay`."""
        return self._context.wrap_socket(client, server_side=True)

    def passes(self, piece: bytes, *, of_client: bool) -> bool:
        """See :class:`Relay`."""
        self.heard += piece if of_client else b""
        return True
