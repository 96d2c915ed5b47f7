"""A real upload receiver for tests: ``@tus/server`` with ``@tus/file-store`` on 127.0.0.1.

>>> with TusServer(tmp_path) as receiver:
...     upload_to(receiver.url)
...     receiver.kill(); receiver.start()      # same port, same files
...     [upload] = receiver.finished()

The npm packages are those of ``tus/package-lock.json`` (:mod:`tests.peers.npm`).
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.peers.certificates import ServerCertificate
from tests.peers.npm import install
from tests.peers.process import Peer
from tests.peers.requirements import program

SOURCE = Path(__file__).parent / "tus"


@dataclass(frozen=True)
class ReceivedUpload:
    """An upload on the receiver's disk."""

    id: str
    path: Path
    size: int
    offset: int
    metadata: dict[str, str]

    @property
    def complete(self) -> bool:
        """True once all bytes have arrived."""
        return self.offset == self.size


class TusServer:
    """A receiver that keeps its uploads in ``folder``; HTTPS when it has a ``certificate``."""

    def __init__(
        self,
        folder: Path,
        *,
        certificate: ServerCertificate | None = None,
        expires_milliseconds: int = 0,
    ) -> None:
        self._installed = install(SOURCE)
        self._node = program("node")
        self._certificate = certificate
        self._expires_milliseconds = expires_milliseconds
        self.folder = folder / "uploads"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._peer = Peer(folder / "tus-server.log")
        self.port = 0

    @property
    def host(self) -> str:
        """``host:port``, as a requester's card lists it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL at which uploads are created."""
        return f"{'https' if self._certificate else 'http'}://{self.host}/files"

    def start(self) -> Self:
        """Start, on the port of the run before if there was one."""
        command = [self._node, str(self._installed / "server.mjs"), str(self.folder)]
        command += [str(self.port), str(self._expires_milliseconds)]
        if self._certificate is not None:
            command.append(str(self._certificate.certificate_file))
            command.append(str(self._certificate.key_file))
        output = self._peer.run(command, ready="ready ")
        self.port = int(output.rpartition("ready ")[2].split()[0])
        return self

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        self._peer.kill()

    def restart(self) -> None:
        """Kill and start on the same port, with the files it had."""
        self.kill()
        self.start()

    def uploads(self) -> list[ReceivedUpload]:
        """All uploads, oldest first, whether complete or not."""
        infos = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [_read(path) for path in infos]

    def finished(self) -> list[ReceivedUpload]:
        """The uploads of which every byte has arrived."""
        return [upload for upload in self.uploads() if upload.complete]

    def received_bytes(self) -> int:
        """The number of bytes of all uploads that have arrived."""
        return sum(upload.offset for upload in self.uploads())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.kill()


def _read(info_file: Path) -> ReceivedUpload:
    info = json.loads(info_file.read_text())
    path = info_file.with_suffix("")
    metadata = {key: value or "" for key, value in (info.get("metadata") or {}).items()}
    return ReceivedUpload(info["id"], path, info["size"], path.stat().st_size, metadata)
