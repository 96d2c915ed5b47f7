"""The owner's console in Chromium: a day of 5,000 clips, and a clip of 10 MB.

A real broker and gateway on loopback, and clips written as a camera writes them. Paint is the
browser's "first contentful paint" of the page. Playing is from the click on a clip, which was not
fetched before, until the video's clock has moved.
"""

from __future__ import annotations

import time
from datetime import date, datetime
from datetime import time as clock_time
from pathlib import Path

from agent import config
from agent.clock import SystemClock
from agent.parties import load_owners, recipients
from agent.vault.clips.store import ClipStore
from agent.vault.database import index
from agent.vault.database.index import Index
from benchmarks.figures import Figure, NotMeasured
from benchmarks.rig import Workshop
from tests.support.pictures import jpeg

TITLE = "a day of 5,000 clips in the owner's console"
SECONDS = 120
CLIPS, _LARGE_BYTES = 5_000, 10_000_000
_PATIENCE_MS = 120_000
_SHOWN = "document.querySelector('[data-clip]')"
_PAINTS = "performance.getEntriesByType('paint').map(one => [one.name, one.startTime])"
_LOADED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def measure(workshop: Workshop) -> list[Figure]:
    """Record, list, paint and play."""
    try:
        from tests.browser.chromium import start, visit
        from tests.browser.console import Served
        from tests.browser.home import Home
    except ImportError as error:
        raise NotMeasured("Chromium or Playwright is missing: run make test-browser") from error
    with Home.at(workshop.subfolder(), cameras=1) as home:
        today = datetime.now().astimezone().date()
        _record(home.house.config, today)
        home.house.wait("the catalog", lambda: _counted(home.house.config) >= CLIPS + 1)
        served = Served.of(home.folder, collect_seconds=3_600.0)
        with served as console, start() as chromium, visit(chromium) as visitor:
            console.enter(visitor)
            return _figures(visitor.page, console.origin)


def _figures(page: object, origin: str) -> list[Figure]:
    from playwright.sync_api import Page

    assert isinstance(page, Page)
    began = time.monotonic()
    page.goto(f"{origin}/timeline")
    page.locator("#choice").wait_for(timeout=_PATIENCE_MS)
    listed = time.monotonic() - began
    page.goto(f"{origin}/settings")
    page.goto(f"{origin}/timeline", wait_until="commit")
    page.locator("[data-clip]").first.wait_for(timeout=_PATIENCE_MS)
    while not (paints := dict(page.evaluate(_PAINTS))):
        time.sleep(0.05)
    ready = page.evaluate(_LOADED)
    count = page.locator("[data-clip]").count()
    thumbnails = time.monotonic()
    page.locator(".shot img").first.wait_for(timeout=_PATIENCE_MS)
    pictures = time.monotonic() - thumbnails
    page.evaluate("[...document.querySelectorAll('[data-clip]')].at(-1).scrollIntoView()")
    last = page.locator("[data-clip]").last
    clicked = time.monotonic()
    last.click(timeout=_PATIENCE_MS)
    while not page.evaluate("document.getElementById('video').currentTime > 0"):
        time.sleep(0.005)
    played = time.monotonic() - clicked
    return [
        Figure("clips on the page", CLIPS + 1 - count, "missing", 0, f"{count} clips"),
        Figure("first contentful paint", paints["first-contentful-paint"] / 1000, "s", 1.0),
        Figure("page ready", ready / 1000, "s"),
        Figure("listed by the camera, and shown", listed, "s", note="26 signed letters"),
        Figure("first thumbnails after that", pictures, "s"),
        Figure("a 10 MB clip plays after the click", played, "s", 1.0),
    ]


def _record(file: Path, today: date) -> None:
    """All clips of a day, and a large one as the last."""
    from tests.support.house import fragmented_mp4

    settings, clock = config.load(file), SystemClock(synced_marker=None)
    readers = recipients(load_owners(settings.owners))
    start = datetime.combine(today, clock_time()).timestamp()
    step = (time.time() - start) / (CLIPS + 2)
    small, picture = fragmented_mp4(), jpeg(noisy=True)
    large = fragmented_mp4(seconds=6, size=512, noisy=True)
    while len(large) < _LARGE_BYTES:
        large = fragmented_mp4(
            seconds=round(6 * _LARGE_BYTES / len(large)) + 1, size=512, noisy=True
        )
    with Index.open(index.path_of(settings.state_dir)) as rows:
        store = ClipStore(settings.state_dir, rows, recipients=readers, clock=clock)
        for number in range(CLIPS + 1):
            draft = store.create(
                started_at=start + number * step,
                monotonic_seconds=0.0,
                codec="h264",
                width=64,
                height=64,
            )
            draft.write(large if number == CLIPS else small)
            draft.finish(duration_seconds=2.0, thumbnail=picture)


def _counted(file: Path) -> int:
    from agent.vault.database import gateway
    from agent.vault.database.gateway import GatewayDatabase

    database = GatewayDatabase.open(gateway.path_of(config.load(file).state_dir))
    try:
        return int(database.rows("SELECT count(*) FROM clip")[0][0])
    finally:
        database.close()
