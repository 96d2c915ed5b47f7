"""Fixtures for the real peers, and the loud line for what this machine lacks."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import coverage
import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests.e2e.household import Household
from tests.peers.certificates import ServerCertificate
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import LOUD, ROOT
from tests.peers.tus_server import TusServer
from tests.support.quick_keys import quick_passphrases

# No test asserts a timing, and a busy machine is no flaw of an example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# A database that waits for a disk at each commit makes a test wait for nothing.
_RAM = Path("/dev/shm")
if "TMPDIR" not in os.environ and _RAM.is_dir() and shutil.disk_usage(_RAM).free > 4 << 30:
    os.environ["TMPDIR"] = tempfile.tempdir = str(_RAM)

pytest_plugins = ["pytester"]
_MANY_FILES = 300
_ONLY_NAMED = tuple(ROOT / "tests" / name for name in ("browser", "homeassistant", "pi", "scale"))
_TRACED_ROWS = 3


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Run tests that need a root, engines or a browser only when named: ``pytest tests/pi``."""
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    if collection_path not in _ONLY_NAMED:
        return None
    return None if any(path.is_relative_to(collection_path) for path in asked) else True


class StartMosquitto(Protocol):
    """Starts a broker with users, an ACL or TLS; it ends with the test."""

    def __call__(
        self,
        *,
        users: dict[str, str] | None = None,
        acl: str | None = None,
        certificate: ServerCertificate | None = None,
    ) -> Mosquitto: ...


class StartTusServer(Protocol):
    """Starts a receiver with TLS or with uploads that expire; it ends with the test."""

    def __call__(
        self, *, certificate: ServerCertificate | None = None, expires_milliseconds: int = 0
    ) -> TusServer: ...


@pytest.fixture(scope="session", autouse=True)
def cheap_passphrases() -> Iterator[None]:
    """No test but those of the key file itself pays for a passphrase."""
    with quick_passphrases():
        yield


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[StartMosquitto]:
    with ExitStack() as running:

        def start(
            *,
            users: dict[str, str] | None = None,
            acl: str | None = None,
            certificate: ServerCertificate | None = None,
        ) -> Mosquitto:
            return running.enter_context(
                Mosquitto(tmp_path / "mosquitto", users=users, acl=acl, certificate=certificate)
            )

        yield start


@pytest.fixture
def mosquitto(start_mosquitto: StartMosquitto) -> Mosquitto:
    """A running broker that lets anybody in."""
    return start_mosquitto()


@pytest.fixture
def start_tus_server(tmp_path: Path) -> Iterator[StartTusServer]:
    with ExitStack() as running:

        def start(
            *, certificate: ServerCertificate | None = None, expires_milliseconds: int = 0
        ) -> TusServer:
            receiver = TusServer(
                tmp_path / "tus",
                certificate=certificate,
                expires_milliseconds=expires_milliseconds,
            )
            return running.enter_context(receiver)

        yield start


@pytest.fixture
def tus_server(start_tus_server: StartTusServer) -> TusServer:
    """A running receiver over plain HTTP on loopback."""
    return start_tus_server()


@pytest.fixture
def house(tmp_path: Path, mosquitto: Mosquitto, tus_server: TusServer) -> Iterator[Household]:
    """All roles over a real broker and a real receiver; no daemon runs yet."""
    made = Household(tmp_path / "house", mosquitto, tus_server)
    yield made
    made.kill_all()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound tests that draw examples by their number: a time limit would look like a flaw.

    Coverage, which doubles what a test costs, is measured without their examples and without the
    fourth and further rows of a table, unless they are marked ``traced``. It can only be too low
    that way.
    """
    rows: Counter[tuple[Path, str]] = Counter()
    for item in items:
        draws = is_hypothesis_test(getattr(item, "obj", None))
        if draws:
            item.add_marker(pytest.mark.timeout(1800))
        test = item.path, item.nodeid.partition("[")[0]
        rows[test] += 1
        further = rows[test] > _TRACED_ROWS and not item.get_closest_marker("traced")
        if draws or further:
            item.add_marker(pytest.mark.untraced)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test that is marked ``untraced`` at full speed, with all that pytest does for it."""
    measuring = coverage.Coverage.current() if item.get_closest_marker("untraced") else None
    if measuring is not None:
        measuring.stop()
    try:
        return (yield)
    finally:
        if measuring is not None:
            measuring.start()


@pytest.fixture(autouse=True)
def few_open_files() -> Iterator[None]:
    """Collect what tests left open before paho's ``select`` meets a descriptor above 1023."""
    yield
    if len(list(Path("/proc/self/fd").iterdir())) > _MANY_FILES:
        gc.collect()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One loud line for each thing that made tests skip."""
    skipped: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if (begin := reason.find(LOUD)) >= 0:
            skipped[reason[begin:]] = skipped.get(reason[begin:], 0) + 1
    for reason, count in skipped.items():
        terminalreporter.write_line(f"{reason} ({count} tests skipped)", red=True, bold=True)
