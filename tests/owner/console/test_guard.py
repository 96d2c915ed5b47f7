"""The guard: who sees a page, and who does not."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from agent.owner.console import app
from agent.owner.console.context import Console
from agent.owner.console.guard import BROWSER_COOKIE, HEADERS, SESSION_COOKIE
from agent.owner.console.sessions import IDLE_SECONDS
from tests.owner.at_home import OwnerAtHome
from tests.owner.conftest import PASSPHRASE
from tests.owner.console.conftest import NEVER_SECONDS, ORIGIN
from tests.support.clock import SimulatedClock


def test_an_admitted_and_unlocked_browser_sees_the_pages(browser: TestClient) -> None:
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/unlock", "/news", "/jobs/x"])
def test_another_user_of_the_computer_without_the_link_sees_nothing(
    stranger: TestClient, path: str
) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "not admitted" in answer.text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8642", "localhost", "localhost:80", "", "localhost:8642."],
)
def test_dns_rebinding_reaches_nothing(browser: TestClient, host: str) -> None:
    assert browser.get("/", headers={"host": host}).status_code == 421
    assert browser.get("/static/style.css", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:8643", "https://localhost:8642"]
)
def test_a_form_of_another_origin_changes_nothing(browser: TestClient, origin: str) -> None:
    assert browser.post("/lock", headers={"origin": origin}).status_code == 403
    assert browser.get("/").status_code == 200


def test_a_form_without_an_origin_changes_nothing(browser: TestClient) -> None:
    del browser.headers["origin"]
    assert browser.post("/lock").status_code == 403
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    ("site", "mode", "destination", "status"),
    [
        ("cross-site", "navigate", "document", 200),
        ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "no-cors", "image", 403),
        ("same-site", "cors", "empty", 403),
        ("same-site", "no-cors", "video", 403),
        ("same-origin", "cors", "empty", 200),
        ("none", "navigate", "document", 200),
    ],
)
def test_another_site_may_link_to_a_page_and_no_more(
    browser: TestClient, site: str, mode: str, destination: str, status: int
) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": destination}
    assert browser.get("/", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("path", "anew"),
    [
        ("/requests/1?day=2", "/requests/1?day=2"),
        ("//evil.example/x", "/evil.example/x"),
        ("/a%22%3E%3Cscript%3E", "/a%22%3E%3Cscript%3E"),
        ("/x?a='<b>", "/x?a=&#x27;%3Cb%3E"),
        ("/x?a='\"", "/x?a=&#x27;%22"),
    ],
)
def test_a_link_of_another_site_begins_anew_from_the_console(
    stranger: TestClient, path: str, anew: str
) -> None:
    followed = {
        "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"
    }  # fmt: skip
    page = stranger.get(f"{ORIGIN}{path}", headers=followed)
    assert (page.status_code, page.text.count(f'href="{anew}"')) == (200, 1), page.text
    assert f'content="0; url={anew}"' in page.text
    assert stranger.get(path, headers={"sec-fetch-site": "same-origin"}).status_code == 403


def test_a_page_that_looks_for_news_by_itself_locks_all_the_same(
    browser: TestClient, clock: SimulatedClock
) -> None:
    script = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
    for _ in range(3):
        clock.advance(IDLE_SECONDS / 2 - 1)
        seen = browser.get("/news", headers=script).status_code
    assert seen == 401


def test_somebody_who_uses_a_page_is_not_locked_out(
    browser: TestClient, clock: SimulatedClock
) -> None:
    for _ in range(3):
        clock.advance(IDLE_SECONDS / 2 + 1)
        assert browser.post("/active", headers={"sec-fetch-dest": "empty"}).status_code == 204


def test_behind_https_cookies_are_of_this_host_alone(owner: OwnerAtHome) -> None:
    origin = "https://clips.example.net"
    built = app.build(owner.folder, (origin,), SimulatedClock(), collect_seconds=NEVER_SECONDS)
    with TestClient(built, base_url=origin, follow_redirects=False) as client:
        client.headers["origin"] = origin
        admitted = client.post("/enter", data={"token": built.state.console.door.link()})
        unlocked = client.post("/unlock", data={"passphrase": PASSPHRASE})
        for answer, name in ((admitted, BROWSER_COOKIE), (unlocked, SESSION_COOKIE)):
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith(f"__Host-{name}=")
            assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert client.get("/").status_code == 200
        client.post("/lock")
        assert client.get("/").headers["location"] == "/unlock?next=%2F"


def test_every_answer_carries_the_headers_also_a_refusal(browser: TestClient) -> None:
    for answer in (browser.get("/"), browser.get("/", headers={"host": "evil.example"})):
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
        assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in HEADERS["content-security-policy"]
    assert HEADERS["referrer-policy"] != "no-referrer", "browsers would post forms of no origin"


def test_a_large_form_is_not_read(browser: TestClient) -> None:
    assert browser.post("/lock", data={"more": "x" * 300_000}).status_code == 413


def test_a_locked_browser_is_asked_for_the_passphrase_and_comes_back(
    locked_browser: TestClient,
) -> None:
    asked = locked_browser.get("/releases?day=2024-01-24")
    assert asked.headers["location"] == "/unlock?next=%2Freleases%3Fday%3D2024-01-24"
    program = locked_browser.get("/news", headers={"sec-fetch-mode": "cors"})
    assert (program.status_code, program.json()) == (401, {"rule": "locked"})


@pytest.mark.parametrize(
    "after", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "\t/"]
)
def test_unlocking_leads_to_no_other_site(locked_browser: TestClient, after: str) -> None:
    answer = locked_browser.post("/unlock", data={"passphrase": PASSPHRASE, "next": after})
    assert answer.headers["location"] == "/"


def test_a_session_cookie_stolen_before_the_lock_opens_nothing_after_it(
    browser: TestClient, console: Console
) -> None:
    stolen = dict(browser.cookies)
    browser.post("/lock")
    browser.post("/unlock", data={"passphrase": PASSPHRASE})
    assert browser.get("/").status_code == 200
    assert browser.cookies[SESSION_COOKIE] != stolen[SESSION_COOKIE]
    browser.cookies.clear()
    thief = {"cookie": "; ".join(f"{name}={value}" for name, value in stolen.items())}
    assert browser.get("/", headers=thief).headers["location"].startswith("/unlock")
    assert console.sessions.newest() is not None


def test_cookies_are_for_this_site_and_no_script(stranger: TestClient, console: Console) -> None:
    answer = stranger.post("/enter", data={"token": console.door.link()})
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags
    assert ORIGIN.startswith("http://")  # here it is not `secure`, as nothing is


def test_a_path_without_a_page_and_a_mistake_of_ours_are_said_on_a_page(
    browser: TestClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = browser.get("/nowhere")
    assert (answer.status_code, "There is no page here" in answer.text) == (404, True)

    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(console.door, "browsers", broken)
    answer = browser.get("/settings")
    assert answer.status_code == 500
    assert "The console made a mistake" in answer.text and "secret" not in answer.text
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        (f"{ORIGIN}/devices?now=1", "/devices?now=1"),
        (f"{ORIGIN}//evil.example/x", "/evil.example/x"),
        ("https://evil.example/x", "/devices/pair"),
        ("", "/devices/pair"),
    ],
)
def test_after_a_fault_of_a_form_the_way_leads_back_to_its_page(
    browser: TestClient, referer: str, back: str
) -> None:
    answer = browser.post("/devices/pair", data={"code": "x"}, headers={"referer": referer})
    assert answer.status_code >= 400
    assert f'<a href="{back}">' in answer.text


def test_all_that_a_browser_loads_of_ours_stays_small() -> None:
    files = [path for path in app._STATIC.iterdir() if path.is_file()]
    assert len(files) > 10
    assert sum(path.stat().st_size for path in files) < 200_000
