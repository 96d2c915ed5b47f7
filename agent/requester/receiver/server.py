"""The receiver: a tus server on its own thread that stores bundles in a folder.

Senders are not authenticated; :mod:`agent.requester.bundle` verifies what was received. For uploads
from the internet put a web server with a certificate before it, or give it a ``certificate`` and
``private_key``.

>>> receiver = Receiver(folder, port=0)
>>> receiver.start()               # returns once it listens
>>> receiver.url                   # http://127.0.0.1:40417/files/
>>> receiver.finished()
>>> receiver.stop()
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from agent.clock import Clock, SystemClock
from agent.errors import ConfigError, NetworkFault, StorageFault
from agent.requester.receiver.tus_app import PATH, Tus
from agent.requester.receiver.uploads import Limits, Uploads

_START_SECONDS = 10.0
_STOP_SECONDS = 5


class Receiver:
    """A tus receiver for ``folder``. ``port`` 0 takes a free one."""

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: Path | None = None,
        private_key: Path | None = None,
        limits: Limits | None = None,
        idle_seconds: float = 30.0,
        clock: Clock | None = None,
        on_finished: Callable[[Path], object] = lambda _path: None,
        receipt_of: Callable[[str], str | None] = lambda _sha256: None,
    ) -> None:
        self._folder = folder
        self._host = host
        self._port = port
        self._certificate, self._private_key = certificate, private_key
        self._limits = limits or Limits()
        self._idle_seconds = idle_seconds
        self._clock = clock or SystemClock(synced_marker=None)
        self._on_finished = on_finished
        self._receipt_of = receipt_of
        self._uploads: Uploads | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address for creating uploads."""
        scheme = "http" if self._certificate is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}{PATH}"

    @property
    def address(self) -> str:
        """``host:port``, as in a key card."""
        return self.url.split("/")[2]

    def start(self) -> None:
        """Listen. Raises NetworkFault (address), StorageFault (folder), ConfigError (keys)."""
        listener = self._bind()
        try:
            uploads = Uploads(self._folder, limits=self._limits, clock=self._clock)
        except StorageFault:
            listener.close()
            raise
        tus = Tus(
            uploads,
            on_finished=self._on_finished,
            receipt_of=self._receipt_of,
            idle_seconds=self._idle_seconds,
        )
        self._uploads, self._server = uploads, uvicorn.Server(self._settings(tus))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="receiver", daemon=True
        )
        self._thread.start()
        for _ in range(int(_START_SECONDS * 100)):
            if self._server.started:
                return
            self._thread.join(0.01)
            if not self._thread.is_alive():
                break
        self.stop()
        raise NetworkFault(f"the receiver at {self.url} does not start")

    def wait(self) -> None:
        """Wait until it ends."""
        if self._thread is not None:
            self._thread.join()

    def end(self) -> None:
        """Ask it to end, without waiting: for signal handlers."""
        if self._server is not None:
            self._server.should_exit = True

    def stop(self) -> None:
        """Give running requests a few seconds, then stop; uploads can continue later."""
        self.end()
        if self._thread is not None:
            self._thread.join(2 * _STOP_SECONDS)
        if self._uploads is not None:
            self._uploads.close()
        self._server = self._thread = self._uploads = None

    def finished(self) -> list[Path]:
        """The files of complete uploads."""
        return sorted(self._folder.glob("*.age"))

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            raise NetworkFault(
                f"cannot listen on {self._host}:{self._port} ({error.strerror or error})"
            ) from error
        self._port = listener.getsockname()[1]
        return listener

    def _settings(self, app: Tus) -> uvicorn.Config:
        settings = uvicorn.Config(
            app,
            ssl_certfile=self._certificate,
            ssl_keyfile=self._private_key,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            limit_concurrency=64,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        try:
            settings.load()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the certificate or its key cannot be used ({error})") from error
        return settings
