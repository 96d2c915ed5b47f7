"""Client of the upload protocol tus 1.0 (tus.io/protocols/resumable-upload).

It creates uploads, asks for the offset (HEAD), sends chunks (PATCH) and has uploads removed
(DELETE), a request a call, without state between calls. :class:`ReceiverRefused` names the
first rule that an answer breaks, and means: do not try again. A success of tus 1.0.0 must
keep all of them:

- ``unsafe-url``        HTTPS only (HTTP to a loopback address when allowed), no user, no fragment
- ``other-version``     a 412 that names the versions of tus it speaks, without 1.0.0
- ``unexpected-answer`` an upload is created at a place
- ``other-origin``      the upload stays on the scheme, host and port where it was created
- ``no-offset``         the offset is a number
- ``wrong-length``      the upload is as long as announced
- ``offset-beyond``     a receiver cannot have more than it was sent
- ``offset-backwards``  an answer to PATCH cannot report less than before

HEAD may report less than was confirmed, as a receiver may lose what it has not synced: it
only gets the same sealed bytes again.

:class:`NetworkFault` means: try again later, after asking for the offset. The reasons are no
connection, no answer in time, and as :class:`ReceiverFault` every other answer: a proxy that
restarts says 302, 401, 404, 413 or a page with 200 for a while. Redirects are never followed.
The size and the time of an answer are limited, however slowly it comes.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urljoin

from agent.errors import NetworkFault, ReceiverFault, ReceiverRefused
from agent.gateway.release import receiver_url
from agent.gateway.release.chunk import Chunk
from agent.gateway.release.whole_response import WholeResponse
from agent.tls import trusting

if TYPE_CHECKING:  # loaded with the first upload: a gateway that waits spares the memory
    import urllib3
    from urllib3.connection import HTTPConnection

_VERSION: Final = "1.0.0"
_VERSION_HEADER: Final = "Tus-Resumable"
_MAX_BODY_BYTES: Final = 65_536  # of an answer's body, which is ignored
_SLOWEST_BYTES_PER_SECOND: Final = 8_000  # a slower upload counts as dead
GONE: Final = frozenset({404, 410})
TOO_LARGE: Final = 413
_GOES_ON: Final = frozenset({200, 201, 204, 404})  # the connection is kept after these
_NUMBER: Final = re.compile(r"[0-9]{1,16}")
_METADATA_KEY: Final = re.compile(r"[a-z0-9-]{1,64}")


class TusClient:
    """Talks to upload receivers, from one thread.

    ``timeout_seconds`` limits each wait for the network; a whole answer may take four
    of them. Raises :class:`agent.errors.ConfigError` for a CA file that cannot be used.
    """

    def __init__(
        self, *, timeout_seconds: float, ca_file: Path | None, allow_loopback_http: bool
    ) -> None:
        self._timeout_seconds = timeout_seconds
        # The system's certificates take 2 MB of memory: they are read for the first upload.
        self._tls = None if ca_file is None else trusting(ca_file)
        self._allow_loopback_http = allow_loopback_http
        self._connection: HTTPConnection | None = None
        self._origin: tuple[str, str, int] | None = None
        self._socket: socket.socket | None = None
        self._peer = ""

    def create(self, url: str, *, size: int, metadata: Mapping[str, str]) -> str:
        """Announce an upload of ``size`` bytes at ``url``; returns the URL to send it to.

        Keys of ``metadata`` are lower-case letters, digits and hyphens.
        """
        headers = {"Upload-Length": str(size), "Content-Length": "0"}
        if metadata:
            headers["Upload-Metadata"] = _encode_metadata(metadata)
        answer = self._exchange("POST", url, headers, b"")
        _expect(answer, {201})
        location = answer.headers.get("Location", "")
        if not location or len(location) > receiver_url.MAX_CHARACTERS:
            raise ReceiverRefused("unexpected-answer", "the receiver names no place to upload to")
        try:
            upload_url = receiver_url.secured(urljoin(url, location), url)
        except ValueError as error:
            raise ReceiverRefused("unsafe-url", f"{location[:200]!r} is not a URL") from error
        if receiver_url.origin(self._check(upload_url)) != receiver_url.origin(self._check(url)):
            raise ReceiverRefused(
                "other-origin", f"the receiver sends the upload elsewhere ({upload_url[:200]!r})"
            )
        return upload_url

    def offset(self, upload_url: str, *, size: int, sent: int | None = None) -> int | None:
        """The number of bytes that the receiver has; None if it has lost the upload.

        It has lost it if it says so in tus, or claims more than ``sent``, all bytes that were ever
        sent, confirmed or not (default: ``size``): `@tus/s3-store` claims all when its bucket
        forgot the upload.
        """
        answer = self._exchange("HEAD", upload_url, {}, None)
        if answer.status in GONE and answer.headers.get(_VERSION_HEADER) == _VERSION:
            return None
        _expect(answer, {200, 204})
        if answer.headers.get("Upload-Length") != str(size):
            raise ReceiverRefused("wrong-length", "the receiver's upload is not as long as ours")
        offset = _offset(answer, at_least=0, at_most=size)
        return None if sent is not None and offset > sent else offset

    def peer(self) -> str:
        """The address of the last connection; empty before the first."""
        return self._peer

    def send(self, upload_url: str, *, offset: int, chunk: bytes | Chunk, size: int) -> int:
        """Send ``chunk``, which begins at ``offset`` of ``size``; returns the offset after it.

        Exceptions of its iterator are raised unchanged; the receiver then has a part of it.
        """
        if not chunk or offset + len(chunk) > size:
            raise ValueError("a chunk must have bytes, and they must lie inside the upload")
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(chunk)),
        }
        answer = self._exchange("PATCH", upload_url, headers, chunk)
        _expect(answer, {204})
        reached = _offset(answer, at_least=offset, at_most=offset + len(chunk))
        if reached == offset:
            raise NetworkFault("the receiver took nothing of what was sent")
        return reached

    def remove(self, upload_url: str) -> None:
        """Have the receiver delete an upload (termination); no fault if it has none."""
        answer = self._exchange("DELETE", upload_url, {}, None)
        if answer.status != 204:  # fastapi-tusd says no more than this
            _expect(answer, {200, *GONE})

    def receipt(self, upload_url: str, *, at_most: int) -> bytes | None:
        """The content of ``<upload url>.receipt``, which is no part of tus; None without one."""
        parts, content = self._check(upload_url), bytearray()
        url = parts._replace(path=f"{parts.path}.receipt").geturl()
        answer = self._exchange("GET", url, {}, None, content)
        return bytes(content) if answer.status == 200 and len(content) <= at_most else None

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Chunk | None,
        content: bytearray | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """One request and its answer, with any status; ``content`` takes its body."""
        import urllib3

        parts = self._check(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        longest = 4 * self._timeout_seconds + len(body or b"") / _SLOWEST_BYTES_PER_SECOND
        connection = self._connection_to(parts)
        try:
            if not connection.is_connected:
                connection.close()
                connection.connect()
                self._socket = connection.sock
                self._peer = connection.sock.getpeername()[0]
            with self._cut_off_after(longest):
                # A receiver may answer and hang up before it has read the whole body.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(
                        method,
                        target,
                        body=body,
                        headers={_VERSION_HEADER: _VERSION, **headers},
                        preload_content=False,
                    )
                answer = connection.getresponse()
                read = answer.read(_MAX_BODY_BYTES + 1, decode_content=False)
                # A late answer to a failed request would be taken for the next one's.
                if len(read) > _MAX_BODY_BYTES or answer.status not in _GOES_ON:
                    connection.close()
                if content is not None:
                    content += read
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            connection.close()
            cause = _first_cause(error)
            if isinstance(error, ssl.SSLError):
                cause = f"TLS failed ({cause})"
            raise NetworkFault(f"{parts.netloc}: {cause}") from error
        except BaseException:  # by the chunk: the request is not whole
            connection.close()
            raise
        return answer

    def _check(self, url: str) -> SplitResult:
        return receiver_url.check(url, loopback_http=self._allow_loopback_http)

    def _connection_to(self, parts: SplitResult) -> HTTPConnection:
        """The connection to an origin, kept while the origin stays the same."""
        from agent.gateway.release.few_addresses import PlainConnection, TlsConnection

        origin = receiver_url.origin(parts)
        if self._connection is None or origin != self._origin:
            if self._connection is not None:
                self._connection.close()
            scheme, host, port = origin
            if scheme == "https":
                self._tls = self._tls or trusting(None)
                self._connection = TlsConnection(
                    host, port, timeout=self._timeout_seconds, ssl_context=self._tls
                )
            else:
                self._connection = PlainConnection(host, port, timeout=self._timeout_seconds)
            self._connection.response_class = WholeResponse
            self._origin = origin
        return self._connection

    @contextlib.contextmanager
    def _cut_off_after(self, seconds: float) -> Iterator[None]:
        """Hang up after ``seconds``, as dripping bytes never run into a time-out."""

        def hang_up() -> None:
            if self._socket is not None:
                with contextlib.suppress(OSError):  # it may have ended just now
                    self._socket.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _encode_metadata(metadata: Mapping[str, str]) -> str:
    """``Upload-Metadata``: each key with its value in base64."""
    for key in metadata:
        if not _METADATA_KEY.fullmatch(key):
            raise ValueError(f"{key!r} cannot be a key of upload metadata")
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode('ascii')}"
        for key, value in metadata.items()
    )


def _expect(answer: urllib3.BaseHTTPResponse, statuses: set[int]) -> None:
    """Raise for an answer that is not one of ``statuses`` in tus 1.0.0."""
    speaks = answer.headers.get("Tus-Version", "")
    if answer.status == 412 and speaks and _VERSION not in re.split(r"[\s,]+", speaks):
        raise ReceiverRefused("other-version", f"the receiver speaks tus {speaks[:40]!r} only")
    if answer.status in statuses and answer.headers.get(_VERSION_HEADER) == _VERSION:
        return
    raise ReceiverFault(
        answer.status,
        f"the receiver answers HTTP {answer.status}"
        + (" without tus 1.0.0" if answer.status in statuses else ""),
        retry_after_seconds=_retry_after(answer.headers),
    )


def _retry_after(headers: Mapping[str, str]) -> float:
    """The pause that ``Retry-After`` asks for (RFC 9110, section 10.2.3); 0 without one.

    A date counts from the answer's own ``Date``: clocks need not agree.
    """
    text = headers.get("Retry-After", "")
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        pause = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, pause.total_seconds())


def _offset(answer: urllib3.BaseHTTPResponse, *, at_least: int, at_most: int) -> int:
    """The ``Upload-Offset``, which must lie within these limits."""
    text = answer.headers.get("Upload-Offset", "")
    if not _NUMBER.fullmatch(text):
        raise ReceiverRefused("no-offset", f"the offset is {text[:40]!r}")
    offset = int(text)
    if offset > at_most:
        raise ReceiverRefused("offset-beyond", f"claims {offset} bytes, was sent {at_most}")
    if offset < at_least:
        raise ReceiverRefused("offset-backwards", f"had {at_least} bytes, claims {offset} now")
    return offset


def _first_cause(error: BaseException) -> str:
    """The innermost reason in one printable line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    match error:
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLCertVerificationError(verify_message=str(reason)):
            return f"its certificate is not trusted: {reason}"
        case OSError(strerror=str(reason)):
            return reason
    text = str(error) or type(error).__name__
    return "".join(letter if letter.isprintable() else " " for letter in text[:120])
