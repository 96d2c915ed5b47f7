"""The timeline in the browser: listed once, shown by hours, told to the cameras."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from agent.consent.statements import ClipOffer, Delete, Keep
from agent.owner.console.context import Console
from agent.owner.console.timeline import days
from agent.owner.inbox.items import Timeline, TimelineClip
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.support import pictures
from tests.support.clock import SimulatedClock

DEVICE = "front-door"
SHOWN = pictures.jpeg()


@pytest.fixture
def day(clock: SimulatedClock) -> str:
    return datetime.fromtimestamp(clock.now()).astimezone().date().isoformat()


@pytest.fixture
def offers(camera: FakeCamera, clock: SimulatedClock, day: str) -> list[ClipOffer]:
    """Three clips of the day, the last of which is kept and long."""
    camera.page_clips = 50
    start = days.window(days.parse(day, now=0)).start
    return [
        camera.record(b"1", started_at=start + 3_600, duration_seconds=5.0, thumbnail=SHOWN),
        camera.record(b"2", started_at=start + 3_700, duration_seconds=20.0, thumbnail=SHOWN),
        camera.record(b"3", started_at=start + 40_000, duration_seconds=60.0, kept=True),
    ]


@pytest.fixture
def served(owner: OwnerAtHome, camera: FakeCamera) -> Iterator[None]:
    with camera.serve(owner.broker):
        yield


def done(browser: TestClient, path: str, fields: Any) -> dict[str, Any]:
    """The last state of the job that ``path`` begins."""
    begun = browser.post(path, data=fields)
    assert begun.status_code == 200, begun.text
    while (state := browser.get(f"/jobs/{begun.json()['job']}").json())["state"] == "running":
        time.sleep(0.02)
    found: dict[str, Any] = state
    return found


def clips(page: str) -> list[str]:
    return re.findall(r'data-clip="([^"]+)"', page)


@pytest.mark.usefixtures("served")
def test_a_day_is_listed_once_and_its_clips_stand_below_their_hours(
    browser: TestClient, camera: FakeCamera, offers: list[ClipOffer], day: str
) -> None:
    assert f'id="listing" data-day="{day}"' in browser.get("/timeline").text
    assert done(browser, "/timeline/list", {"day": day})["state"] == "done"
    page = browser.get("/timeline").text
    assert clips(page) == [f"{DEVICE}/{one.id}" for one in offers]
    assert re.findall(r'id="(hour-\d\d)"', page) == ["hour-01", "hour-11"]
    browser.get(f"/timeline?day={day}")
    assert len(camera.listed) == 1


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", [0, 1, 2]),
        ("&kept=1", [2]),
        ("&seconds=20", [1, 2]),
        ("&seconds=21", [2]),
        ("&camera=front-door", [0, 1, 2]),
        ("&camera=garden", []),
        ("&kept=1&seconds=90", []),
    ],
)
def test_a_filter_shows_what_fits(
    browser: TestClient, offers: list[ClipOffer], day: str, query: str, shown: list[int]
) -> None:
    done(browser, "/timeline/list", {"day": day})
    page = browser.get(f"/timeline?day={day}{query}").text
    assert clips(page) == [f"{DEVICE}/{offers[n].id}" for n in shown]
    if not shown:
        assert "No clip of this day fits" in page


@pytest.mark.usefixtures("served")
def test_a_day_without_clips_says_so(browser: TestClient, camera: FakeCamera) -> None:
    camera.page_clips = 50
    done(browser, "/timeline/list", {"day": "2020-02-29"})
    assert "No clips." in browser.get("/timeline?day=2020-02-29").text


def test_a_camera_that_is_offline_is_named(
    browser: TestClient, owner: OwnerAtHome, camera: FakeCamera, day: str
) -> None:
    with camera.serve(owner.broker):
        pass
    done(browser, "/timeline/list", {"day": day})
    assert "front-door is offline" in browser.get("/timeline").text


@pytest.mark.parametrize(
    "query", ["day=yesterday", "day=2024-13-01", "seconds=long", "day=<script>", "day=9999-12-31"]
)
def test_a_query_that_is_none_is_refused_without_harm(browser: TestClient, query: str) -> None:
    answer = browser.get(f"/timeline?{query}")
    assert answer.status_code in (200, 409)
    assert "<script>" not in answer.text


@pytest.mark.usefixtures("served")
def test_thumbnails_come_for_clips_that_the_page_shows_and_are_gone_at_the_lock(
    browser: TestClient, offers: list[ClipOffer], day: str
) -> None:
    done(browser, "/timeline/list", {"day": day})
    names = [f"{DEVICE}/{one.id}" for one in offers]
    path = f"/timeline/thumbnail/{names[0]}.jpg"
    assert browser.get(path).status_code == 404
    state = done(browser, "/timeline/thumbnails", {"clip": names})
    assert state["said"]["shown"] == names[:2]
    answer = browser.get(path)
    assert (answer.content, answer.headers["content-type"]) == (SHOWN, "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"
    assert browser.get(f"/timeline/thumbnail/{names[2]}.jpg").status_code == 404
    browser.post("/lock")
    assert browser.get(path).headers["location"].startswith("/unlock")


def test_thumbnails_of_clips_that_were_not_listed_are_refused(browser: TestClient) -> None:
    for name in ("front-door/20240124-170000-000000", "../../x", "front-door/..", "a"):
        assert browser.post("/timeline/thumbnails", data={"clip": name}).status_code == 409
    assert browser.get("/timeline/thumbnail/front-door/x.jpg").status_code == 409


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("how", ["keep", "no-longer", "delete"])
def test_chosen_clips_are_kept_and_deleted_and_the_day_is_listed_anew(
    browser: TestClient, camera: FakeCamera, offers: list[ClipOffer], day: str, how: str
) -> None:
    done(browser, "/timeline/list", {"day": day})
    chosen = [f"{DEVICE}/{one.id}" for one in offers[:2]]
    fields = {"clip": chosen, "how": how, "day": day, "kept": "", "seconds": "3"}
    answer = browser.post("/timeline/tell", data=fields)
    assert answer.headers["location"] == f"/timeline?day={day}&seconds=3"
    told = [
        one
        for one in (camera._command(letter) for letter in camera.decisions)
        if isinstance(one, Keep | Delete)
    ]
    assert [one.clip for one in told] == [one.id for one in offers[:2]]
    assert all(isinstance(one, Delete) == (how == "delete") for one in told)
    page = browser.get(answer.headers["location"]).text
    assert "done" in page
    assert 'id="listing"' in page


def test_nothing_chosen_or_too_much_is_refused(browser: TestClient) -> None:
    none = browser.post("/timeline/tell", data={"how": "keep"})
    many = [f"{DEVICE}/20240124-170000-{n:06x}" for n in range(21)]
    for answer in (
        none,
        browser.post("/timeline/tell", data={"how": "keep", "clip": many}),
        browser.post("/timeline/tell", data={"how": "explode", "clip": many[:1]}),
        browser.post("/timeline/tell", data={"how": "keep", "clip": "garden/x"}),
        browser.post("/timeline/tell", data={"how": "delete", "clip": f"{DEVICE}/../../etc"}),
    ):
        assert answer.status_code == 409


def test_a_session_remembers_a_week_of_days(browser: TestClient, console: Console) -> None:
    session = console.sessions.newest()
    assert session is not None
    kept = days.Days.of(session)
    for number in range(1, 10):
        kept.put(days.parse(f"2024-01-{number:02d}", now=0), Timeline((), {}))
    found = [kept.get(days.parse(f"2024-01-{n:02d}", now=0)) is not None for n in range(1, 10)]
    assert found == [False, False, *[True] * 7]
    memory = session.memory
    session.end()
    assert memory == {}


def test_a_day_of_five_thousand_clips_is_one_page(
    browser: TestClient, console: Console, camera: FakeCamera, day: str
) -> None:
    start, offer = days.window(days.parse(day, now=0)).start, camera.record(b"clip")
    shown = [
        TimelineClip(DEVICE, msgspec.structs.replace(offer, started_at=start + 17 * n))
        for n in range(5_000)
    ]
    session = console.sessions.newest()
    assert session is not None
    days.Days.of(session).put(days.parse(day, now=0), Timeline(shown, {}))
    page = browser.get("/timeline").text
    assert len(clips(page)) == 5_000
    assert len(re.findall('class="hour"', page)) == 24
    assert "5,000 clips" in page
