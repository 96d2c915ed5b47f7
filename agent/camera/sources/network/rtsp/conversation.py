"""Requests to an RTSP or HTTP server and its replies (RFC 2326, 9112), on one connection.

The one module of the camera's process that opens a connection by itself; all others leave that
to FFmpeg. It goes where the configuration says, and to no other place.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass
from urllib.parse import unquote

from agent.camera.sources.network.rtsp.digest import Answer, Login, choose, parse_all
from agent.camera.sources.network.trust import Trust
from agent.config.location import Url

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_MOST_LINES, _LONGEST_LINE = 200, 8_192
_LONGEST_BODY = 262_144
_MOST_ANSWERS = 2  # to one request: with a new nonce, where the first was too old


class Declined(OSError):
    """The server answered with ``status`` and no success; ``challenges`` go with 401."""

    def __init__(self, status: int, challenges: tuple[str, ...] = ()) -> None:
        super().__init__(f"RTSP status {status}")
        self.status, self.challenges = status, challenges


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: its headers by their names in lower case, all values of each, and the body."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return self.headers.get(name, [""])[0]


class Conversation:
    """A connection to ``url``. Each wait is bounded; all raise :class:`OSError`.

    Without ``login`` a request that needs one is declined.
    """

    def __init__(
        self, url: Url, *, login: Login | None, trust: Trust, timeout_seconds: float
    ) -> None:
        self._login = login
        self._answer: Answer | None = None
        self._admitted = False
        self._number = 0
        self._is_http = url.scheme.startswith("http")
        self._url, self._trust, self._timeout_seconds = url, trust, timeout_seconds
        self._connect()

    def _connect(self) -> None:
        host, port = _address(self._url)
        self._socket = socket.create_connection((host, port), self._timeout_seconds)
        if self._url.scheme in ("rtsps", "https"):
            self._socket = _secured(self._socket, self._trust, host)
        self._heard = self._socket.makefile("rb", 1 << 18)

    def authorization(self, method: str, uri: str) -> str:
        """The value of ``Authorization`` for one more request; nothing before a challenge."""
        return "" if self._answer is None else self._answer.header(method, uri)

    def ask(self, method: str, uri: str, headers: dict[str, str] | None = None) -> Reply:
        """The reply to a request; raises :class:`Declined` unless it is a success."""
        for _ in range(_MOST_ANSWERS + 1):
            self.send(method, uri, headers or {})
            reply = self.reply()
            if reply.status == 200:
                self._admitted = self._answer is not None
                return reply
            if reply.status != 401 or not self.challenged(reply):
                break
            if self._is_http or reply.header("connection").lower() == "close":
                self.close()
                self._connect()
        raise Declined(reply.status, tuple(reply.headers.get("www-authenticate", ())))

    def send(self, method: str, uri: str, headers: dict[str, str]) -> None:
        """Send a request; its reply comes in between frames."""
        self._number += 1
        lines = [f"{method} {uri} {'HTTP/1.1' if self._is_http else 'RTSP/1.0'}"]
        lines.append(f"Host: {self._url.host}" if self._is_http else f"CSeq: {self._number}")
        lines.append("User-Agent: clip-agent")
        if answer := self.authorization(method, uri):
            lines.append(f"Authorization: {answer}")
        lines += [f"{key}: {value}" for key, value in headers.items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def challenged(self, reply: Reply) -> bool:
        """Take up the challenge of ``reply``; False if we have no other answer to it."""
        best = choose(parse_all(reply.headers.get("www-authenticate", ())))
        if self._login is None or best is None:
            return False
        refused = self._answer is not None and not (self._admitted or best.is_stale)
        self._answer = Answer(best, self._login)
        return not refused

    def reply(self) -> Reply:
        """The next reply; frames before it are dropped."""
        while True:
            message = self.next()
            if message is None:
                raise ConnectionResetError(errno.ECONNRESET, "the camera hung up")
            if isinstance(message, Reply):
                return message

    def next(self) -> Reply | tuple[int, bytes] | None:
        """A reply, or a frame: its channel and content (RFC 2326, 10.12). None: it hung up."""
        while True:
            try:
                first = self._heard.read(1)
            except ConnectionError:
                return None
            if not first:
                return None
            if first in b"\r\n":  # between two messages
                continue
            if first == b"$":
                channel, size = struct.unpack(">BH", self._heard.read(3).ljust(3, b"\0"))
                return channel, self._heard.read(size)
            message = self._message(first)
            if message is not None:
                return message

    def close(self) -> None:
        """Hang up."""
        self._heard.close()
        self._socket.close()

    def _message(self, first: bytes) -> Reply | None:
        """The reply that begins with ``first``; None for a request of the server's own."""
        lines: list[str] = []
        while (line := self._heard.readline(_LONGEST_LINE)).strip() or (not lines and line):
            lines.append((first + line if not lines else line).decode("latin-1").strip())
            if len(lines) > _MOST_LINES:
                raise OSError(errno.EPROTO, "a reply without end")
        headers: dict[str, list[str]] = {}
        for text in lines[1:]:
            key, _, value = text.partition(":")
            headers.setdefault(key.strip().lower(), []).append(value.strip())
        words = lines[0].split() if lines else []
        is_reply = len(words) > 1 and words[0][:5] in ("RTSP/", "HTTP/") and words[1].isdigit()
        if is_reply and words[0].startswith("HTTP/") and words[1] == "200":
            return Reply(200, headers, b"")  # the stream itself follows, and is FFmpeg's
        length = headers.get("content-length", ["0"])[0]
        size = int(length) if length.isascii() and length.isdigit() else 0
        if size > _LONGEST_BODY:
            raise OSError(errno.EPROTO, "a reply too long")
        body = self._heard.read(size)
        return Reply(int(words[1]), headers, body) if is_reply else None


def _address(url: Url) -> tuple[str, int]:
    host, colon, port = url.host.rpartition(":")
    if not colon or not port.isdigit():
        host, port = url.host, str(PORTS[url.scheme])
    return unquote(host.strip("[]")), int(port)


def _secured(plain: socket.socket, trust: Trust, host: str) -> socket.socket:
    """``plain`` under TLS, once the server showed a certificate that ``trust`` takes."""
    import ssl  # here: it takes 4 MB of memory, and few cameras need it

    context = ssl.create_default_context(cafile=trust.authorities)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # cameras sign their own, as they can
    if not trust.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(plain, server_hostname=trust.name or host)
    except ssl.SSLError:
        plain.close()
    raise OSError(errno.EIO, "no trusted certificate")  # as FFmpeg says it
