"""The page of a ledger: checked, searched, exported."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.owner.at_home import OwnerAtHome
from tests.owner.console.test_requests import HOSTILE, second_camera, words

LEDGER = "/ledger/front-door"


@pytest.fixture
def fetched(owner: OwnerAtHome, browser: TestClient) -> OwnerAtHome:
    """An owner whose console has fetched a ledger of 6 lines."""
    owner.camera.write_line("request.refused", name=HOSTILE, kind="voluntary", why="x", rule="r")
    for _ in range(4):
        owner.camera.write_line("request.withdrawn")
    with owner.camera.serve(owner.broker):
        assert browser.post(f"{LEDGER}/fetch").headers["location"] == LEDGER
    return owner


def test_before_a_fetch_there_is_nothing_and_the_page_says_so(browser: TestClient) -> None:
    assert browser.get("/ledger").headers["location"] == LEDGER
    page = words(browser.get(LEDGER).text)
    assert "Nothing of it was fetched yet." in page
    assert "Save as a page" not in page


def test_each_line_is_said_in_plain_words_the_newest_first(
    browser: TestClient, fetched: OwnerAtHome
) -> None:
    page = browser.get(LEDGER).text
    assert "6 lines are here." in page
    assert "All 6 lines hold together" in page
    assert page.index("An owner had the lines") < page.index("Whoever asked withdrew")
    assert "<script>alert" not in page and "&lt;script&gt;" in page


def test_lines_are_found_by_their_words(browser: TestClient, fetched: OwnerAtHome) -> None:
    page = words(browser.get(f"{LEDGER}?words=WITHDREW").text)
    assert "4 lines" in page and "Nobody was told" not in page
    assert "0 lines" in words(browser.get(f"{LEDGER}?words=%3Cb%3E&from=x").text)


def test_a_ledger_is_saved_as_lines_and_as_a_page(
    browser: TestClient, fetched: OwnerAtHome
) -> None:
    lines = browser.get(f"{LEDGER}/lines.jsonl")
    assert lines.content.splitlines() == fetched.camera.lines
    page = browser.get(f"{LEDGER}/page.html")
    assert "This ledger holds together." in page.text and "<script>alert" not in page.text
    for answer in (lines, page):
        assert answer.headers["content-disposition"].startswith("attachment")


def test_a_ledger_is_read_in_spanish(browser: TestClient, fetched: OwnerAtHome) -> None:
    browser.post("/language", data={"language": "es", "next": LEDGER})
    page = words(browser.get(LEDGER).text)
    assert "Quien pidió los clips retiró la solicitud." in page
    assert "Las 6 líneas concuerdan entre sí" in page


def test_a_broken_ledger_is_unmistakable_and_can_be_fetched_again(
    browser: TestClient, fetched: OwnerAtHome
) -> None:
    camera = fetched.camera
    camera.lines[1] = camera.lines[1].replace(b'"at":', b'"at":1')
    with camera.serve(fetched.broker):
        browser.post(f"{LEDGER}/fetch")
        page = browser.get(LEDGER).text
        assert "THIS LEDGER IS BROKEN" in page and 'name="anew"' in page
        browser.post(f"{LEDGER}/fetch", data={"anew": "yes"})
    assert "THIS LEDGER IS BROKEN" in browser.get(LEDGER).text, "its old heads were not those"


def test_five_thousand_lines_are_pages_of_two_hundred(
    browser: TestClient, owner: OwnerAtHome
) -> None:
    for number in range(5_000):
        owner.camera.write_line("clips.listed", number=number)
    with owner.camera.serve(owner.broker):
        browser.post(f"{LEDGER}/fetch")
    page = browser.get(LEDGER).text
    assert page.count("Details of line") == 200
    assert "from=200" in page
    last = browser.get(f"{LEDGER}?from=5000").text
    assert "Details of line 1<" in last


def test_each_camera_has_its_own(browser: TestClient, owner: OwnerAtHome) -> None:
    second_camera(owner)
    page = browser.get(LEDGER).text
    assert 'href="/ledger/back-door"' in page
    assert browser.get("/ledger/garden").status_code == 409


def test_a_camera_that_is_offline_is_named(browser: TestClient, owner: OwnerAtHome) -> None:
    with owner.camera.serve(owner.broker):
        pass
    answer = browser.post(f"{LEDGER}/fetch")
    assert answer.status_code == 503
    assert "front-door is offline" in answer.text
