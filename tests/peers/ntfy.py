"""A real ntfy server for tests: Debian 13's, on a free port of 127.0.0.1.

>>> with Ntfy(tmp_path) as ntfy:
...     ntfy.messages("home")

``.ci/ntfy`` fetches it. Nobody may do anything without a token; :attr:`Ntfy.token` may write to
and read from each topic that begins with ``home``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.peers.process import START_SECONDS, Peer, free_port
from tests.peers.requirements import ROOT, missing


def _program() -> str:
    found = shutil.which(
        "ntfy", path=f"{ROOT / '.cache/ntfy/usr/bin'}:{os.environ.get('PATH', '')}"
    )
    if found is None:
        missing("the ntfy server is not installed", "run .ci/ntfy .cache/ntfy")
    return found


class Ntfy:
    """A server in ``folder``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._program, self._peer = _program(), Peer(folder / "ntfy.log")
        self._config = folder / "server.yml"
        self.port = free_port()
        self._config.write_text(
            f'listen-http: "127.0.0.1:{self.port}"\n'
            f'base-url: "http://127.0.0.1:{self.port}"\n'
            f'cache-file: "{folder}/cache.db"\n'
            f'auth-file: "{folder}/user.db"\n'
            "auth-default-access: deny-all\n"
            "web-root: disable\n"
        )
        self.start()  # makes the file of users
        self._manage("user", "add", "olive", password="correct horse")
        self._manage("access", "olive", "home*", "rw")
        (self.token,) = re.findall(r"tk_\w+", self._manage("token", "add", "olive"))
        self.stop()

    def _manage(self, *words: str, password: str = "") -> str:
        done = subprocess.run(
            [self._program, words[0], f"--config={self._config}", *words[1:]],
            env={**os.environ, "NTFY_PASSWORD": password},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout + done.stderr

    def url(self, topic: str) -> str:
        return f"http://127.0.0.1:{self.port}/{topic}"

    def messages(self, topic: str) -> list[dict[str, Any]]:
        """All messages that the server keeps of a topic."""
        request = urllib.request.Request(
            f"{self.url(topic)}/json?poll=1", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def start(self) -> None:
        command = [self._program, "serve", f"--config={self._config}"]
        self._peer.run(command, ready="Listening on")
        deadline = time.monotonic() + START_SECONDS
        while True:  # it says so before it does
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port), timeout=60).close()
                return
            assert time.monotonic() < deadline, self._peer.output()
            time.sleep(0.01)

    def stop(self) -> None:
        self._peer.terminate()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._peer.kill()
