"""A console whose owner is at home, and a browser that may use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.owner.console import app
from agent.owner.console.context import Console
from tests.owner.at_home import OwnerAtHome
from tests.owner.conftest import PASSPHRASE
from tests.support.authenticator import SoftAuthenticator
from tests.support.clock import SimulatedClock

ORIGIN = "http://localhost:8642"
NEVER_SECONDS = 3_600.0
PASSKEYS = "/settings/passkeys"


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def console_app(owner: OwnerAtHome, clock: SimulatedClock) -> Starlette:
    """The application; it collects letters only when a page asks."""
    return app.build(owner.folder, (ORIGIN,), clock, collect_seconds=NEVER_SECONDS)


@pytest.fixture
def console(console_app: Starlette) -> Console:
    shared: Console = console_app.state.console
    return shared


@pytest.fixture
def stranger(console_app: Starlette) -> Iterator[TestClient]:
    """A browser that was not admitted."""
    with TestClient(console_app, base_url=ORIGIN, follow_redirects=False) as client:
        client.headers["origin"] = ORIGIN
        yield client


@pytest.fixture
def locked_browser(stranger: TestClient, console: Console) -> TestClient:
    """An admitted browser."""
    token = console.door.link()
    assert stranger.post("/enter", data={"token": token}).headers["location"] == "/unlock"
    return stranger


@pytest.fixture
def browser(locked_browser: TestClient) -> TestClient:
    """An unlocked browser."""
    answer = locked_browser.post("/unlock", data={"passphrase": PASSPHRASE, "next": "/"})
    assert answer.headers["location"] == "/"
    return locked_browser


@pytest.fixture
def phone() -> SoftAuthenticator:
    return SoftAuthenticator(ORIGIN)


def enrol(browser: TestClient, phone: SoftAuthenticator, name: str = "phone") -> None:
    fields = {"name": name, "passphrase": PASSPHRASE}
    options = browser.post(f"{PASSKEYS}/enrol/begin", data=fields).json()
    made = {"passkey": phone.create(options).decode()}
    used = {
        "passkey": phone.get(browser.post(f"{PASSKEYS}/enrol/confirm", data=made).json()).decode()
    }
    done = browser.post(f"{PASSKEYS}/enrol/finish", data=used)
    assert done.json() == {"next": PASSKEYS}
