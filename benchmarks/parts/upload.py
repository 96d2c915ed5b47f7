"""Uploads of a release over a shaped line: how much of it they use, and what they leave of it.

The gateway's own parts and client, a real tus server as a process, the line in user space
(:mod:`tests.peers.slow_link`). An echo through the same line shows what the household notices.
"""

from __future__ import annotations

import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent import config
from agent.clock import SystemClock
from agent.gateway.release.pace import Rate
from agent.gateway.release.tus_client import TusClient
from benchmarks.figures import Figure
from benchmarks.rig import Workshop
from tests.peers.slow_link import SlowLink
from tests.peers.tus_server import TusServer
from tests.support import statements
from tests.support.gateway_world import World
from tests.support.house import fragmented_mp4

TITLE = "uploads over a shaped line"
SECONDS = 160
_LEAST_SHARE = 0.97
_MOST_MILLISECONDS = 100  # that an upload may add to an answer, for 95 of 100


class _FarClient(TusClient):
    """A client whose receiver on loopback counts as far away."""

    def peer(self) -> str:
        """See :class:`TusClient`."""
        return "93.184.215.14"


@dataclass(frozen=True)
class _Upload:
    """Rate of an upload in bits a second, and the milliseconds of each echo beside it."""

    rate: float
    echoes: list[float]


def measure(workshop: Workshop) -> list[Figure]:
    """A fast line with a long way, then a slow one with an echo beside the upload."""
    fast = _upload(workshop.subfolder(), 10e6, 0.1, "unlimited", seconds=48)
    idle = _idle_echoes(5e6, 0.04)
    free = _upload(workshop.subfolder(), 5e6, 0.04, "unlimited", seconds=20)
    half = _upload(workshop.subfolder(), 5e6, 0.04, "auto", seconds=20)
    base = statistics.median(idle)
    return [
        Figure(
            "share of 10 Mbit/s with 100 ms that is not used",
            1 - fast.rate / 10e6,
            "",
            round(1 - _LEAST_SHARE, 3),
            f"{fast.rate / 1e6:.2f} Mbit/s of payload, announcement and last answer included",
        ),
        Figure("echo over 5 Mbit/s with 40 ms, nothing else", base, "ms"),
        Figure("beside an unlimited upload, median", statistics.median(free.echoes), "ms"),
        Figure("beside an upload, max_rate auto, median", statistics.median(half.echoes), "ms"),
        Figure(
            "and 95 of 100 of them, beyond nothing else",
            _of_100(half.echoes, 95) - base,
            "ms",
            _MOST_MILLISECONDS,
            f"unlimited: {_of_100(free.echoes, 95) - base:.0f} ms",
        ),
        Figure(
            "rate of the upload, max_rate auto", half.rate / 1e6, "Mbit/s", None,
            f"unlimited: {free.rate / 1e6:.2f}",
        ),
    ]  # fmt: skip


def _upload(
    folder: Path, bits_per_second: float, round_trip: float, max_rate: Rate, *, seconds: float
) -> _Upload:
    """Upload a release that takes about so long at the whole rate."""
    video = _video(int(bits_per_second / 8 * seconds))
    link = SlowLink(bits_per_second=bits_per_second, round_trip_seconds=round_trip)
    with TusServer(folder / "receiver") as server, link:
        url = f"http://127.0.0.1:{link.front(server.port)}/files"
        with _sealed(folder, url, video, max_rate) as world, _echo_beside(link) as echoes:
            assert world.gateway is not None
            began = time.monotonic()
            while not server.finished():
                world.gateway.step()
                world.gateway.releases.step()
            took = time.monotonic() - began
        [upload] = server.finished()
        return _Upload(upload.size * 8 / took, list(echoes))


@contextmanager
def _sealed(folder: Path, url: str, video: bytes, max_rate: Rate) -> Iterator[World]:
    """A gateway with a release whose bundle is made, and of which nothing has been sent."""
    world = World(
        folder / "house",
        clock=SystemClock(None),
        upload=config.Upload(allow_loopback_http=True, max_rate=max_rate),
        storage=config.Storage(min_free_bytes=0),
    )
    cards, place = world.house.config.requesters, url.split("/")[2]
    cards.write_text(re.sub(r"127\.0\.0\.1:[0-9]+", place, cards.read_text()))
    world.receiver = _FarClient(  # type: ignore[assignment]
        timeout_seconds=30, ca_file=None, allow_loopback_http=True
    )
    world.restart()
    clip = world.house.record(seconds_ago=60, video=video)
    post = world.post(world.house.request(upload=statements.upload(url)))
    world.broker.send("clip-agent/front-door/owner", world.house.approve(post, [clip]))
    assert world.gateway is not None
    while not list(world.house.config.state_dir.glob("gateway/outbox/*.age")):
        world.gateway.step()
        world.gateway.releases.step()
    yield world
    world.kill()


def _video(size: int) -> bytes:
    """A clip of about so many bytes: its pictures are noise, and repeated."""
    seconds = 20
    one = fragmented_mp4(seconds, size=384, noisy=True)
    more = max(1, round(seconds * size / len(one)))
    return fragmented_mp4(more, size=384, noisy=True)


@contextmanager
def _echo_beside(link: SlowLink) -> Iterator[list[float]]:
    """Ask an echo through ``link`` four times a second; the list fills with milliseconds."""
    echo = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_echo, args=(echo,), daemon=True).start()
    found: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", link.front(echo.getsockname()[1]))) as one:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.sendall(b"?")
            one.recv(1)  # connected now
            while not over.wait(0.25):
                began = time.monotonic()
                one.sendall(b"?")
                one.recv(1)
                found.append(1_000 * (time.monotonic() - began))

    asker = threading.Thread(target=ask)
    asker.start()
    yield found
    over.set()
    asker.join()
    echo.close()


def _echo(listener: socket.socket) -> None:
    one, _ = listener.accept()
    with one:
        while byte := one.recv(1):
            one.sendall(byte)


def _idle_echoes(bits_per_second: float, round_trip: float) -> list[float]:
    link = SlowLink(bits_per_second=bits_per_second, round_trip_seconds=round_trip)
    with link, _echo_beside(link) as echoes:
        time.sleep(5)
    return echoes


def _of_100(values: list[float], number: int) -> float:
    return statistics.quantiles(values, n=100)[number - 1]
