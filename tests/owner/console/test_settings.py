"""Settings: the admitted browsers, and the language."""

from __future__ import annotations

from starlette.testclient import TestClient

from agent.owner.console.context import Console
from agent.owner.console.guard import SESSION_COOKIE


def test_a_removed_browser_is_a_stranger_again(browser: TestClient, console: Console) -> None:
    console.door.admit(console.door.link(), "Firefox on Android <b>")
    page = browser.get("/settings").text
    assert "Firefox on Android &lt;b&gt;" in page
    assert "this browser" in page
    phone = console.door.browsers()[-1]
    assert browser.post(f"/settings/browsers/{phone.id}/remove").headers["location"] == "/settings"
    assert "Firefox on Android" not in browser.get("/settings").text


def test_a_browser_that_removes_itself_is_locked_at_once(
    browser: TestClient, console: Console
) -> None:
    (own,) = console.door.browsers()
    session = browser.cookies[SESSION_COOKIE]
    browser.post(f"/settings/browsers/{own.id}/remove")
    assert console.sessions.find(session, own.id) is None
    assert browser.get("/settings").status_code == 403


def test_an_unknown_browser_is_removed_without_harm(browser: TestClient) -> None:
    assert browser.post("/settings/browsers/none/remove").status_code == 303
    assert browser.get("/settings").status_code == 200


def test_the_language_is_chosen_on_the_page(browser: TestClient) -> None:
    answer = browser.post("/language", data={"language": "es", "next": "/settings"})
    assert answer.headers["location"] == "/settings"
    assert '<html lang="es">' in browser.get("/settings").text
