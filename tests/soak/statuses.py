"""Each failing status at each request of an upload, for some seconds, at each receiver we know.

::

    python -m tests.soak.statuses     RECEIVERS="own tuspyserver" chooses

The status comes from a proxy before a real receiver, three times in a row; then the receiver
itself answers. Printed is one table: how the release ended. DELETE is asked for a release that is
revoked after its first chunk.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent import config
from agent.consent.statements import Revoke
from tests.peers.python_receiver import KINDS, PythonReceiver
from tests.peers.tus_server import TusServer
from tests.support import statements
from tests.support.failing_proxy import FailingProxy
from tests.support.gateway_world import World, state_of
from tests.support.house import fragmented_mp4
from tests.support.tus import new_client

RECEIVERS: Final = ("@tus/server", *KINDS)
METHODS: Final = ("POST", "HEAD", "PATCH", "DELETE")
STATUSES: Final = (
    301, 302, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 411, 412, 413, 415, 418, 422, 423,
    425, 429, 431, 451, 460, 500, 501, 502, 503, 504, 507, 520,
)  # fmt: skip
_MEMORY = Path("/dev/shm")
_TIMES = 3
_CHUNK = 65_536
_VIDEO = fragmented_mp4(size=192, noisy=True)


class Household:
    """A gateway whose uploads go through a proxy to ``receiver``."""

    def __init__(self, folder: Path, receiver: TusServer | PythonReceiver) -> None:
        self._receiver = receiver
        self.proxy = FailingProxy(receiver.url)
        if isinstance(receiver, PythonReceiver) and receiver.kind == "fastapi-tusd":
            receiver.kill()
            receiver.location = self.proxy.url
            receiver.start()
        upload = config.Upload(allow_loopback_http=True, chunk_bytes=_CHUNK)
        self._world = World(folder, upload=upload)
        cards, place = self._world.house.config.requesters, self.proxy.url.split("/")[2]
        cards.write_text(re.sub(r"127\.0\.0\.1:[0-9]+", place, cards.read_text()))
        self._world.receiver = new_client(timeout_seconds=30)  # type: ignore[assignment]
        self._world.restart()
        self._clip = self._world.house.record(video=_VIDEO)
        target = statements.upload(self.proxy.url)
        self._post = self._world.post(self._world.house.request(upload=target))

    def end(self, method: str, status: int) -> str:
        """The end of a release that meets ``status`` at ``method`` for a while."""
        world = self._world
        known = set(world.outcomes())
        failures = [(method, status)] * _TIMES
        first = [] if method == "POST" else [("PATCH", 502)]  # what is asked for only then
        self.proxy.failures[:] = [*first, *failures]
        world.to_device(world.house.approve(self._post, [self._clip]))
        [release] = set(world.outcomes()) - known
        if method == "DELETE":
            world.to_device(world.house.command(Revoke(release=release)))
        for _ in range(60):
            world.clock.advance(20)
            world.run()
            if not self.proxy.failures and self._is_over(release, method):
                break
        if self.proxy.failures:
            return "not asked"
        if method == "DELETE":
            return "deleted" if self._is_over(release, method) else "LEFT"
        return state_of(world, release)

    def _is_over(self, release: str, method: str) -> bool:
        if method == "DELETE":
            return all(upload.complete for upload in self._receiver.uploads())
        return state_of(self._world, release) not in ("APPROVED", "SEALED")

    def close(self) -> None:
        """End both."""
        self._world.kill()


def run(receivers: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """The ends, by receiver and method, in the order of ``STATUSES``."""
    if _MEMORY.is_dir():
        tempfile.tempdir = str(_MEMORY)
    ends = {}
    for name in receivers:
        with tempfile.TemporaryDirectory(prefix="clip-statuses-") as folder:
            made = TusServer(Path(folder)) if name == "@tus/server" else None
            with made or PythonReceiver(name, Path(folder)) as receiver:  # type: ignore[arg-type]
                one = Household(Path(folder) / "house", receiver)
                with one.proxy:
                    for method in METHODS:
                        ends[name, method] = [one.end(method, status) for status in STATUSES]
                        print(f"  {name} {method}: {_counts(ends[name, method])}", flush=True)
                one.close()
    return ends


def _counts(ends: Sequence[str]) -> str:
    return ", ".join(f"{ends.count(end)} {end}" for end in sorted(set(ends)))


def main() -> int:
    """Print the table; 1 if a status that may pass was final."""
    logging.disable()  # the gateway says of each failure that it waits
    chosen = os.environ.get("RECEIVERS", "").split() or RECEIVERS
    ends = run(chosen)
    columns = [f"{name} {method}" for name, method in ends]
    print("status  " + "  ".join(columns))
    for number, status in enumerate(STATUSES):
        row = [found[number] for found in ends.values()]
        cells = (f"{end:{len(column)}}" for end, column in zip(row, columns, strict=True))
        print(f"{status:6}  " + "  ".join(cells))
    wanted = all(
        end == ("deleted" if method == "DELETE" else "SENT")
        for (_, method), found in ends.items()
        for end in found
    )
    print("nothing final that may pass" if wanted else "SOMETHING WAS FINAL")
    return 0 if wanted else 1


if __name__ == "__main__":
    sys.exit(main())
