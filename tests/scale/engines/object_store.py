"""An agency's receiver: ``@tus/server`` that keeps uploads as objects of a signed S3 server.

>>> with ObjectStoreReceiver(tmp_path) as receiver:
...     upload_to(receiver.url)
...     receiver.restart()              # the tus server alone: rclone keeps parts in memory
...     [bundle] = receiver.objects()
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self

from tests.peers.npm import install
from tests.peers.process import Peer, free_port
from tests.peers.requirements import program
from tests.scale.engines.aedes import NODE_SOURCE

_KEY, _SECRET = "A" * 20, "S" * 24  # rclone takes no shorter access key
_BUCKET = "evidence"


class ObjectStoreReceiver:
    """The tus server and, behind it, ``rclone serve s3`` on a folder."""

    def __init__(self, folder: Path) -> None:
        self._script = install(NODE_SOURCE) / "tus_s3.mjs"
        self._node, self._rclone = program("node"), program("rclone")
        self._bucket = folder / "store" / _BUCKET
        self._bucket.mkdir(parents=True)
        self._store = Peer(folder / "rclone.log")
        self._tus = Peer(folder / "tus.log")
        self._store_port = self.port = 0

    @property
    def host(self) -> str:
        """``host:port``, as a requester's card lists it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The address at which uploads are created."""
        return f"http://{self.host}/files"

    def objects(self) -> list[Path]:
        """The objects of the bucket that are uploads, not the notes beside them."""
        return [
            path for path in self._bucket.iterdir() if not path.name.endswith((".info", ".part"))
        ]

    def restart(self) -> None:
        """End the tus server without warning (SIGKILL) and start it again on its port."""
        self._tus.kill()
        self._start_tus()

    def _start(self) -> None:
        self._store_port = self._store_port or free_port()
        command = [self._rclone, "serve", "s3", str(self._bucket.parent)]
        command += ["--addr", f"127.0.0.1:{self._store_port}", "--auth-key", f"{_KEY},{_SECRET}"]
        self._store.run(command, ready="Starting s3 server")
        self._start_tus()

    def _start_tus(self) -> None:
        command = [self._node, str(self._script), str(self.port), str(self._store_port)]
        said = self._tus.run([*command, _BUCKET, _KEY, _SECRET], ready="ready ")
        self.port = int(said.rpartition("ready ")[2].split()[0])

    def _stop(self) -> None:
        for peer in (self._tus, self._store):
            with contextlib.suppress(OSError):
                peer.kill()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
