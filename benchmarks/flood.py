"""The cost of ten thousand posts for a gateway: memory, rows, ledger lines, letters, time.

    python -m benchmarks.flood [--posts 10000] [--json]

The gateway is a process of its own, ``clip-agent gateway``, at a real mosquitto that holds
nothing back. A known requester posts so many valid requests, retained; then the broker is
restarted, so that all of them come again. Memory is what the kernel gives the process,
at its highest, beside what it had once connected and asked one request.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import config
from agent.mqtt import topics
from agent.mqtt.link import Connected, Event, MqttLink, Published, Settings
from benchmarks import procfs
from benchmarks.figures import Figure
from benchmarks.judge import report
from tests.peers.mosquitto import HOST, Mosquitto
from tests.peers.requirements import ROOT
from tests.support.clock import SimulatedClock
from tests.support.gateway_world import FEED
from tests.support.house import House

TARGET_MEGABYTES = 20.0
_UNHURRIED = (
    "max_queued_messages 0",
    "max_inflight_messages 100",
    "autosave_on_changes false",  # it would write all it has at every second post
    "autosave_interval 1800",
)
_BATCH = 200  # unconfirmed at a time
_PATIENCE_SECONDS = 300.0
_QUIET_SECONDS = 1.5
_TEXT = "We look for a person in a red coat. " * 60  # some 2 KB, as real posts have


def measure(folder: Path, *, posts: int) -> list[Figure]:
    """Flood a gateway process, twice."""
    with Mosquitto(folder / "broker", settings=_UNHURRIED) as broker:
        house = House.build(
            folder / "house",
            clock=SimulatedClock(time.time()),
            mqtt=config.Broker(host=HOST, port=broker.port),
        )
        house.record()
        with _gateway(house, folder) as process:
            _settle(process.pid, until=house.config.state_dir / "wishes" / "device.card.yaml")
            _publish(house, broker, 1)
            _settle(process.pid)
            before, began = _resident_now(process.pid), time.monotonic()
            _publish(house, broker, posts)
            _settle(process.pid)
            seconds = time.monotonic() - began - _QUIET_SECONDS
            first = _resident_peak(process.pid) - before
            broker.restart()
            time.sleep(2.0)  # until the gateway comes back
            _settle(process.pid)
            grown = _resident_peak(process.pid) - before
            if process.poll() is not None:
                raise RuntimeError("the gateway ended")
        with house.open_database() as database:
            rows = {
                table: int(database.rows(f"SELECT count(*) FROM {table}")[0][0])
                for table in ("request", "ledger", "letter", "notice")
            }
            counted = int(database.rows("SELECT total(posts) FROM flood")[0][0])
    if counted + rows["request"] < posts:
        raise RuntimeError(f"of {posts} posts {counted + rows['request']} arrived")
    kept = config.Requests().max_kept_daily_per_requester
    return [
        Figure("memory more, after a reconnect", grown, "MB", TARGET_MEGABYTES, f"{posts:,} posts"),
        Figure("memory more, at first", first, "MB"),
        Figure("rows of requests", rows["request"], "", kept),
        Figure("ledger lines", rows["ledger"], "", kept + 20),
        Figure("letters", rows["letter"], "", 5),
        Figure("notices", rows["notice"], "", 1),
        Figure("seconds until all were taken, posting included", seconds, "s"),
    ]


@contextmanager
def _gateway(house: House, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    agent_yaml = folder / "agent.yaml"
    agent_yaml.write_text(config.effective(house.config))
    command = [sys.executable, "-m", "agent", "gateway", "--config", str(agent_yaml)]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}  # as its unit has it
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def _publish(house: House, broker: Mosquitto, count: int) -> None:
    """Post so many valid requests, and wait until the broker has confirmed them."""
    link = MqttLink(Settings(client_id="flood", host=HOST, port=broker.port))
    link.start()
    _await(link, Connected, 1)
    for start in range(0, count, _BATCH):
        batch = min(_BATCH, count - start)
        for _ in range(batch):
            request = house.request(text=_TEXT)
            payload = house.post(request).encode()
            link.publish(topics.request(FEED, request.jti), payload, retained=True)
        _await(link, Published, batch)
    link.stop()


def _await(link: MqttLink, kind: type[Event], count: int) -> None:
    while count:
        count -= isinstance(link.events.get(timeout=_PATIENCE_SECONDS), kind)


def _settle(pid: int, until: Path | None = None) -> None:
    """Wait until the process has nothing more to do, and ``until`` is there."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while until is not None and not until.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    while time.monotonic() < deadline:
        before = procfs.cpu_seconds(pid)
        time.sleep(_QUIET_SECONDS)
        if procfs.cpu_seconds(pid) - before <= 0.03:
            return
    raise RuntimeError("the gateway does not come to rest")


def _resident_now(pid: int) -> float:
    return procfs.memory(pid).rss


def _resident_peak(pid: int) -> float:
    """The most that the process ever had, in megabytes (proc_pid_status(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M)
    assert kilobytes is not None
    return int(kilobytes[1]) * 1024 / 1e6


def main() -> int:
    """See the module; exit code 1 if a target was missed."""
    parser = argparse.ArgumentParser(description="What a flood of posts costs a gateway.")
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clip-flood-") as folder:
        figures = measure(Path(folder), posts=arguments.posts)
    return report(f"{arguments.posts:,} posts", figures, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
