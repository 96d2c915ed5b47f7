"""A camera on loopback that answers and sends what a test wants: RTSP over TCP, interleaved.

>>> with BendableCamera(load(video)) as camera:
...     camera.status = "503 Service Unavailable"
...     connect(camera.url("main"))
...     camera.requests
['OPTIONS', 'DESCRIBE']

It is no part of ours, and shares no code with the client: it parses, checks logins and cuts
pictures into RTP packets (RFC 6184, RFC 7798) by itself.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from tests.support.video import Video, nal_units, repeat

_CLOCK_RATE = 90_000  # of RTP's video
_MTU = 1400


@dataclass(frozen=True)
class Sent:
    """One picture: when it leaves, in seconds since PLAY; the stamp it carries; its NAL units."""

    due: float
    stamp_seconds: float
    units: tuple[bytes, ...]


@dataclass(eq=False)
class Users:
    """A login that the camera wants: header lines that ask for it, and the check.

    ``ask`` gives the values of WWW-Authenticate for a nonce. ``nonces`` are valid one after
    another, each for ``uses`` requests; an old one is answered as stale.
    """

    ask: Callable[[str], list[str]]
    name: str = "viewer"
    password: str = "hunter2"
    realm: str = "IP Camera"
    uses: int = 1_000_000
    heard: list[str] = field(default_factory=list)  # each Authorization
    wrong: int = 0

    def __post_init__(self) -> None:
        self._number, self._used = 1, 0

    @property
    def nonce(self) -> str:
        return f"nonce-{self._number}"

    def refusal(self, method: str, given: str | None) -> list[str]:
        """The lines to refuse with; none if the login is right."""
        stale = False
        if given is not None:
            self.heard.append(given)
            right, used = self._is_right(method, given)
            stale = right and used != self.nonce
            if right and not stale:
                self._used += 1
                if self._used >= self.uses:
                    self._number, self._used = self._number + 1, 0
                return []
            self.wrong += not right
        lines = self.ask(self.nonce)
        return [f"{line}, stale=true" for line in lines] if stale else lines

    def _is_right(self, method: str, given: str) -> tuple[bool, str]:
        scheme, _, rest = given.partition(" ")
        if scheme.lower() == "basic":
            return base64.b64decode(rest) == f"{self.name}:{self.password}".encode(), self.nonce
        said = {key: a or b for key, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', rest)}
        algorithm = said.get("algorithm", "MD5").upper()
        offered = " ".join(self.ask(self.nonce)).upper()
        if algorithm != "MD5" and algorithm not in offered:
            return False, ""
        make = hashlib.sha256 if algorithm.startswith("SHA-256") else hashlib.md5

        def digest(text: str) -> str:
            return make(text.encode()).hexdigest()

        secret = digest(f"{self.name}:{self.realm}:{self.password}")
        nonce, count, ours = said.get("nonce", ""), said.get("nc", ""), said.get("cnonce", "")
        if algorithm.endswith("-SESS"):
            secret = digest(f"{secret}:{nonce}:{ours}")
        request = digest(f"{method}:{said.get('uri', '')}")
        middle = f"{nonce}:{count}:{ours}:{said['qop']}" if "qop" in said else nonce
        right = said.get("username") == self.name and said.get("response") == digest(
            f"{secret}:{middle}:{request}"
        )
        return right, nonce


class BendableCamera:
    """Plays ``video`` over and over as it is, unless ``plays`` gives the pictures itself.

    - ``status``: the answer to DESCRIBE while it is set, without a login.
    - ``users``: the login it wants, but for OPTIONS.
    - ``loses`` tells for each RTP packet if it is left out.
    - ``lost``: the RTP packets, by their number from 1, that never arrive.
    - ``says_sets``: false for a camera that has its parameter sets in the pictures alone.
    """

    lost: Collection[int] = ()
    says_sets = True

    def __init__(
        self,
        video: Video,
        *,
        users: Users | None = None,
        plays: Callable[[], Iterator[Sent]] | None = None,
        loses: Callable[[], bool] = lambda: False,
        seconds: float = 3_600.0,
    ) -> None:
        self.video, self.users, self.status = video, users, ""
        self.seconds = seconds
        self.plays, self.loses = plays or self._as_it_is, loses
        self.shy = False  # hangs up after it asked for a login
        self.requests: list[str] = []
        self.sessions = 0  # that were played
        self._open: set[socket.socket] = set()
        outer = self

        self.port = 0

        class Conversation(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer._open.add(self.connection)
                with contextlib.suppress(OSError, ValueError):
                    _Talk(outer, self.rfile, self.connection).run()
                outer._open.discard(self.connection)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._make = partial(Server, RequestHandlerClass=Conversation)
        self._server: Server | None = None

    def url(self, name: str, *, login: str = "") -> str:
        """The address of ``name``, which may be anything."""
        return f"rtsp://{login + '@' if login else ''}127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """The camera has power (again), on the same port."""
        self._server = self._make(("127.0.0.1", self.port))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        """The camera loses its power; its port is closed."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.drop()

    def drop(self) -> None:
        """End all connections."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _as_it_is(self) -> Iterator[Sent]:
        for packet in repeat(self.video, self.seconds):
            units = tuple(nal_units(packet.data, start_codes=False))
            yield Sent(packet.seconds, packet.seconds + packet.delay_seconds, units)

    def description(self) -> str:
        """The stream in SDP (RFC 4566), with a sound that nobody asks for."""
        sets = parameter_sets(self.video) if self.says_sets else []
        if self.video.format.codec == "h264":
            props = ",".join(base64.b64encode(each).decode() for each in sets)
            props = f"packetization-mode=1;sprop-parameter-sets={props}"
            media = f"a=rtpmap:96 H264/90000\r\na=fmtp:96 {props}\r\n"
        else:
            names = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}
            props = ";".join(
                f"{names[each[0] >> 1 & 63]}={base64.b64encode(each).decode()}" for each in sets
            )
            media = f"a=rtpmap:96 H265/90000\r\na=fmtp:96 {props}\r\n"
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\na=control:*\r\n"
            "m=audio 0 RTP/AVP 0\r\na=control:track1\r\n"
            f"m=video 0 RTP/AVP 96\r\n{media}a=control:track0\r\n"
        )


class _Talk:
    """One connection."""

    def __init__(
        self, camera: BendableCamera, heard: Iterable[bytes], connection: socket.socket
    ) -> None:
        self._camera, self._heard, self._connection = camera, heard, connection
        self._lock = threading.Lock()
        self._over = threading.Event()

    def run(self) -> None:
        """Answer until the client hangs up."""
        try:
            while lines := self._message():
                self._answer(lines[0].split()[0], lines[0].split()[1], lines[1:])
        finally:
            self._over.set()

    def _message(self) -> list[str]:
        """The next request; RTCP of the client is skipped."""
        read = self._heard.read  # type: ignore[attr-defined]
        while (first := read(1)) == b"$":
            read(struct.unpack(">xH", read(3))[0])
        lines = [first + self._heard.readline()] if first else []  # type: ignore[attr-defined]
        while lines and (line := self._heard.readline().strip()):  # type: ignore[attr-defined]
            lines.append(line)
        return [line.decode().strip() for line in lines]

    def _answer(self, method: str, url: str, lines: list[str]) -> None:
        camera = self._camera
        camera.requests.append(method)
        headers = {
            key.lower(): value.strip() for key, _, value in (x.partition(":") for x in lines)
        }
        number = headers.get("cseq", "0")
        wanted: list[str] = []
        if camera.users is not None and method != "OPTIONS":
            wanted = camera.users.refusal(method, headers.get("authorization"))
        match method:
            case "DESCRIBE" if camera.status:
                self._say(camera.status, number)
            case _ if wanted:
                asked = [f"WWW-Authenticate: {line}" for line in wanted]
                asked += ["Connection: close"] if camera.shy else []
                self._say("401 Unauthorized", number, *asked)
                if camera.shy:
                    self._connection.shutdown(socket.SHUT_RDWR)
            case "OPTIONS":
                self._say("200 OK", number, "Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER")
            case "DESCRIBE":
                described = ("Content-Type: application/sdp", f"Content-Base: {url}/")
                self._say("200 OK", number, *described, body=camera.description())
            case "SETUP":
                setup = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
                self._say("200 OK", number, setup, "Session: 77;timeout=60")
            case "PLAY":
                self._say("200 OK", number, "Session: 77", "Range: npt=0-")
                camera.sessions += 1
                threading.Thread(target=self._play, daemon=True).start()
            case _:
                self._say("200 OK", number, "Session: 77")

    def _say(self, status: str, number: str, *headers: str, body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {number}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with self._lock:
            self._connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _play(self) -> None:
        began, number = time.monotonic(), 0
        with contextlib.suppress(OSError):
            for picture in self._camera.plays():
                if self._over.wait(max(began + picture.due - time.monotonic(), 0)):
                    return
                stamp = round(picture.stamp_seconds * _CLOCK_RATE) & 0xFFFFFFFF
                for payload, last in rtp_payloads(picture.units, self._camera.video.format.codec):
                    number = number + 1 & 0xFFFF
                    if self._camera.loses():
                        continue
                    head = struct.pack(">BBHII", 0x80, 96 | last << 7, number, stamp, 0x11223344)
                    packet = head + payload
                    if number in self._camera.lost:
                        continue
                    with self._lock:
                        framed = struct.pack(">BBH", 0x24, 0, len(packet)) + packet
                        self._connection.sendall(framed)
            self._connection.shutdown(socket.SHUT_RDWR)


def parameter_sets(video: Video) -> list[bytes]:
    """The sets in an ``avcC`` or ``hvcC`` record (ISO 14496-15)."""
    record, sets = video.format.extradata, []
    if video.format.codec == "h264":
        at, counts = 6, [record[5] & 31, None]
        for count in counts:
            if count is None:
                count, at = record[at], at + 1
            for _ in range(count):
                size = int.from_bytes(record[at : at + 2], "big")
                sets.append(record[at + 2 : at + 2 + size])
                at += 2 + size
        return sets
    at = 23
    for _ in range(record[22]):
        count, at = int.from_bytes(record[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            sets.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return [each for each in sets if each[0] >> 1 & 63 in (32, 33, 34)]


def rtp_payloads(units: Iterable[bytes], codec: str) -> Iterator[tuple[bytes, bool]]:
    """Each payload, and whether it is the last of the picture."""
    units = tuple(units)
    for place, unit in enumerate(units):
        final = place == len(units) - 1
        if len(unit) <= _MTU:
            yield unit, final
            continue
        if codec == "h264":
            head, body, kind = bytes([unit[0] & 0xE0 | 28]), unit[1:], unit[0] & 31
        else:
            head, body, kind = bytes([unit[0] & 0x81 | 98, unit[1]]), unit[2:], unit[0] >> 1 & 63
        for at in range(0, len(body), _MTU):
            ends = at + _MTU >= len(body)
            marks = (at == 0) << 7 | ends << 6
            yield head + bytes([marks | kind]) + body[at : at + _MTU], final and ends
