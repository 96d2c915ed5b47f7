"""The console as an ASGI application.

>>> app = build(OwnerFolder(path), ("http://localhost:8642",), clock)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from agent.clock import Clock
from agent.owner.client import OwnerClient
from agent.owner.console.collector import PAUSE_SECONDS, Collector
from agent.owner.console.context import Console, endpoint, nowhere
from agent.owner.console.door import Door
from agent.owner.console.guard import Guard
from agent.owner.console.jobs import Jobs
from agent.owner.console.pages import (
    decide,
    devices,
    entrance,
    footage,
    home,
    ledger,
    look,
    passkeys,
    portal,
    releases,
    requesters,
    requests,
    settings,
    timeline,
)
from agent.owner.console.sessions import IDLE_SECONDS, Sessions
from agent.owner.home.folder import OwnerFolder
from agent.owner.passkeys.passkeys import Passkeys

_STATIC = Path(__file__).with_name("static")
PAGES = (
    decide,
    entrance,
    footage,
    devices,
    home,
    ledger,
    look,
    requesters,
    requests,
    passkeys,
    portal,
    releases,
    settings,
    timeline,
)


def build(
    folder: OwnerFolder,
    origins: tuple[str, ...],
    clock: Clock,
    *,
    idle_seconds: float = IDLE_SECONDS,
    collect_seconds: float = PAUSE_SECONDS,
) -> Starlette:
    """The console of the owner whose ``folder`` this is, reached under ``origins``.

    Raises KeyFileError without keys, ConfigError without cameras.
    """
    OwnerClient(folder, clock=clock)  # says at the start what is missing
    sessions = Sessions(clock, folder.unlock, idle_seconds=idle_seconds)
    door = Door(folder, clock)
    collector = Collector(
        lambda: OwnerClient(folder, clock=clock), sessions, clock, pause_seconds=collect_seconds
    )
    known = Passkeys(folder, clock)
    console = Console(folder, clock, origins, door, sessions, Jobs(), collector, known)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        collector.start()
        yield
        sessions.lock()
        collector.stop()
        console.jobs.close()

    rest = [
        Mount("/static", StaticFiles(directory=_STATIC)),
        Route("/{path:path}", endpoint(nowhere), methods=["GET"]),
    ]
    app = Starlette(
        routes=[route for page in PAGES for route in page.ROUTES] + rest,
        middleware=[Middleware(Guard, origins=origins, door=door, sessions=sessions)],
        lifespan=lifespan,
    )
    app.state.console = console
    return app
