"""A line that fails in every way that TCP and proxies can, in front of a server on loopback.

Each connection draws its fate from a seed: it is refused, cut or reset on the way there or back,
so that requests or answers are lost; it is slow; some bytes on it come twice; or all that was
said on it is said to the server once more, later, by nobody who hears the answer.

>>> with BadLine(server.port, seed="7") as line:
...     url = f"http://127.0.0.1:{line.port}/files"
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

from tests.peers.relay import Relay

_PIECE_BYTES = 65_536
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST
_FATES: Final = ("fine", "refused", "cut-up", "cut-down", "reset", "slow", "twice", "again")


@dataclass
class _Fate:
    """The fate of one connection, and the number of bytes before it."""

    name: str
    after: int


class BadLine(Relay):
    """Passes on what comes to ``port`` of 127.0.0.1, mostly. ``told`` counts the fates."""

    def __init__(
        self, port: int, *, seed: str, most_bytes: int = 300_000, says_twice: bool = True
    ) -> None:
        super().__init__(port)
        self.told: Counter[str] = Counter()
        self.is_bad = True
        self._draw = random.Random(seed)
        self._most_bytes = most_bytes
        self._fates = [fate for fate in _FATES if says_twice or fate != "twice"]
        self._server_port = port

    def _fate(self) -> _Fate:
        name = self._draw.choice(self._fates) if self.is_bad else "fine"
        self.told[name] += 1
        after = int(self._most_bytes * self._draw.random() ** 2)
        if name == "fine" and self.is_bad:  # for a while
            return _Fate("cut-up", 4 * self._most_bytes)
        return _Fate(name, after if name != "cut-down" else self._draw.randrange(2_000))

    def _serve(self, client: socket.socket) -> None:
        fate = self._fate()
        with contextlib.suppress(OSError), contextlib.closing(client):
            if fate.name == "refused":
                return _reset(client)
            behind = socket.create_connection(("127.0.0.1", self._server_port))
            self._open.append(behind)
            back = threading.Thread(target=self._down, args=(behind, client, fate), daemon=True)
            back.start()
            said = self._up(client, behind, fate)
            back.join()
            client.close()
            behind.close()
            if fate.name == "again":
                self._say_again(said, fate.after / self._most_bytes)
        return None

    def _up(self, client: socket.socket, behind: socket.socket, fate: _Fate) -> bytes:
        said, seen = bytearray(), 0
        with contextlib.suppress(OSError):
            while piece := client.recv(_PIECE_BYTES):
                seen += len(piece)
                if seen > fate.after:
                    if fate.name == "cut-up":
                        behind.sendall(piece[: len(piece) // 2])
                        break
                    if fate.name == "reset":
                        _reset(behind)
                        _reset(client)
                        break
                    if fate.name == "twice":
                        behind.sendall(piece[-1_000:])
                        fate.name = "fine"
                if fate.name == "slow":
                    time.sleep(len(piece) / 2_000_000)
                if fate.name == "again" and len(said) < self._most_bytes:
                    said += piece
                behind.sendall(piece)
        _end(behind)
        return bytes(said)

    def _down(self, behind: socket.socket, client: socket.socket, fate: _Fate) -> None:
        seen = 0
        with contextlib.suppress(OSError):
            while piece := behind.recv(_PIECE_BYTES):
                seen += len(piece)
                if fate.name == "cut-down" and seen > fate.after:
                    client.sendall(piece[: len(piece) // 2])
                    break
                client.sendall(piece)
        _end(client)
        _end(behind)

    def _say_again(self, said: bytes, seconds: float) -> None:
        time.sleep(seconds)
        with socket.create_connection(("127.0.0.1", self._server_port)) as behind:
            behind.settimeout(2)
            behind.sendall(said)
            while behind.recv(_PIECE_BYTES):
                pass


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    one.close()
