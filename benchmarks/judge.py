"""The time to judge a request: from its bytes to its place in the owner's inbox.

    python -m benchmarks.judge [--clips 100000] [--posts 300] [--json]

The gateway of its own ``build()`` with a pinned log and an index of so many clips. Each post
is another one, so nothing is known before. Two figures: judging (decode, signature, proof,
policy, match), which has the target, and the whole, with the commit and the sealed letter.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from agent import config
from agent.consent.statements import Window
from agent.consent.transparency import merkle
from agent.mqtt import topics
from agent.vault.clips import seal
from agent.vault.database.gateway import Clip, GatewayDatabase
from benchmarks.figures import Figure, summary, table
from tests.consent.logs import FakeLog
from tests.support.gateway_world import FEED, World
from tests.support.house import House

TARGET_MILLISECONDS = 2.0
_SPACING_SECONDS = 25.0  # from clip to clip: 100,000 of them are a month
_LIMITS = config.Requests(
    max_open_per_requester=10_000,
    max_daily_per_requester=10_000,
    max_kept_daily_per_requester=10_000,
)


def fill(house: House, count: int) -> None:
    """So many clips in the index; their files are not looked at here."""
    recipients = house.recipients
    now = house.clock.now()
    sealed_key = seal.seal_key(
        seal.ClipIdentity().text, recipients, clip_id="20240124-000000-3f9a2c"
    )
    with house.open_database() as database, database.transaction():
        for number in range(count):
            database.put_clip(
                Clip(
                    id=f"20240124-{number // 16**2:06d}-{number:06x}",
                    started_at=now - 3600 - number * _SPACING_SECONDS,
                    duration_seconds=20.0,
                    monotonic_seconds=1.0,
                    boot_id="b",
                    clock_synced=True,
                    bytes=2_000_000,
                    sha256=f"{number:064x}",
                    sealed_key=sealed_key,
                    truncated=False,
                ),
                stamp=number,
            )


@contextmanager
def transactions_timed() -> Iterator[list[float]]:
    """Seconds that each transaction took, from its first statement to its commit."""
    real, spent = GatewayDatabase.transaction, []

    @contextmanager
    def timed(index: GatewayDatabase) -> Iterator[Any]:
        began = time.perf_counter()
        with real(index) as connection:
            yield connection
        spent.append(time.perf_counter() - began)

    GatewayDatabase.transaction = timed  # type: ignore[method-assign,assignment]
    try:
        yield spent
    finally:
        GatewayDatabase.transaction = real  # type: ignore[method-assign]


def measure(folder: Path, *, clips: int, posts: int) -> list[Figure]:
    """Judge ``posts`` requests, each of which matches some clips."""
    log = FakeLog()
    feed = config.Feed(topic=FEED, log_key=log.key.text)
    world = World(folder, feed=feed, requests=_LIMITS)
    fill(world.house, clips)
    messages = _messages(world.house, log, posts)
    assert world.gateway is not None
    handler = world.gateway.feed
    spent: list[float] = []
    judged: list[float] = []
    with transactions_timed() as written:
        for topic, payload in messages:
            written.clear()
            began = time.perf_counter()
            handler.receive(topic, payload)
            spent.append(time.perf_counter() - began)
            judged.append(spent[-1] - sum(written))
    matched = world.events("request.matched")
    world.kill()
    if len(matched) != posts:
        raise RuntimeError(f"of {posts} requests {len(matched)} matched: the figures mean nothing")
    match = _match_seconds(world.house)
    note = f"{posts} requests, {clips:,} clips"
    return [
        Figure("judged, median", (median(judged) + match) * 1e3, "ms", TARGET_MILLISECONDS, note),
        Figure("with commit and sealed letter, median", median(spent) * 1e3, "ms"),
        Figure("of it matching", match * 1e3, "ms"),
    ]


def _messages(house: House, log: FakeLog, count: int) -> list[tuple[topics.Topic, bytes]]:
    """Requests with their proofs, all under one checkpoint."""
    requests = []
    for number in range(count):
        end = int(house.clock.now()) - 3600 - number * 3600
        request = house.request(window=Window(start=end - 7200, end=end))
        log.entries.append(house.post(request).encode())
        log._tree.append(merkle.leaf_hash(log.entries[-1]))
        requests.append(topics.Topic("requests", "", (request.jti,)))
    return [
        (topic, log.entries[number] + b"\n" + log.proof(number))
        for number, topic in enumerate(requests)
    ]


def _match_seconds(house: House) -> float:
    """The search for clips, which happens inside the transaction, alone."""
    spent = []
    with house.open_database() as database:
        now = house.clock.now()
        for number in range(200):
            end = now - 3600 - number * 3600
            began = time.perf_counter()
            database.unmatched_clips("0" * 64, start=end - 7200, end=end)
            spent.append(time.perf_counter() - began)
    return median(spent)


def main() -> int:
    """See the module; exit code 1 if the target was missed."""
    parser = argparse.ArgumentParser(description="How long a request is judged.")
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--posts", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clip-judge-") as folder:
        figures = measure(Path(folder) / "house", clips=arguments.clips, posts=arguments.posts)
    return report("a request judged", figures, as_json=arguments.json)


def report(title: str, figures: list[Figure], *, as_json: bool) -> int:
    """Print the figures; 1 if a target was missed."""
    if as_json:
        for f in figures:
            row = {"what": f.what, "value": f.value, "unit": f.unit, "target": f.target}
            print(json.dumps({**row, "verdict": f.verdict}))
    else:
        print(table([(title, figures)]))
        print(summary(figures))
    return int(any(figure.verdict not in ("", "met") for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
