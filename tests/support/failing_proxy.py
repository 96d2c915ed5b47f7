"""A proxy in front of an upload receiver that fails for a while, as one that restarts does.

>>> with FailingProxy(tus_server.url, [("POST", 404), ("PATCH", 413)]) as proxy:
...     client.create(proxy.url, ...)      # 404, and the next one reaches the receiver

Each failure is used once, by the next request of its method; all else is passed on.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

_OWN_HEADERS = ("connection", "content-length", "date", "server", "transfer-encoding")


class FailingProxy:
    """Listens on 127.0.0.1 and passes on to ``receiver``, but for ``failures`` and large bodies."""

    def __init__(
        self,
        receiver: str,
        failures: Iterable[tuple[str, int]] = (),
        *,
        most_bytes: int | None = None,
        retry_after: str = "",
    ) -> None:
        self.failures = list(failures)
        self.seen: list[tuple[str, int]] = []  # method and the status that was answered
        target, proxy = urlsplit(receiver), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status = proxy._failure(self.command)
                if status is None and most_bytes is not None and len(body) > most_bytes:
                    status = 413
                if status is not None:
                    proxy.seen.append((self.command, status))
                    self.send_response(status)
                    if 300 <= status < 400:
                        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                    if retry_after:
                        self.send_header("Retry-After", retry_after)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self._pass_on(body)

            def _pass_on(self, body: bytes) -> None:
                upstream = http.client.HTTPConnection(target.hostname or "", target.port or 80)
                upstream.request(self.command, self.path, body or None, dict(self.headers))
                reply = upstream.getresponse()
                content = reply.read()
                proxy.seen.append((self.command, reply.status))
                self.send_response(reply.status)
                for name, value in reply.getheaders():
                    if name.lower() not in _OWN_HEADERS:
                        self.send_header(name, value)
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                upstream.close()

        for method in ("HEAD", "PATCH", "DELETE", "GET"):
            setattr(Handler, f"do_{method}", Handler.do_POST)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{target.path}"

    def _failure(self, method: str) -> int | None:
        for number, (wanted, status) in enumerate(self.failures):
            if wanted == method:
                del self.failures[number]
                return status
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
