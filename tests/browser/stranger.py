"""A stranger's web site: the pages that a test gives it, on a free port of this computer.

>>> with Stranger() as site:
...     site.pages["/"] = "<form ...>"
...     visitor.page.goto(site.url("/"))        # http://127.0.0.1: another site than localhost
...     site.url("/", host="localhost")         # the same site at another port
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Stranger:
    """Serves ``pages`` as HTML, and remembers the ``paths`` it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.paths: list[str] = []
        self.cookies: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        """The address of a page."""
        return f"http://{host}:{self._server.server_port}{path}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.paths.append(self.path)
                site.cookies.append(self.headers.get("cookie", ""))
                body = site.pages.get(self.path.partition("?")[0], "").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
