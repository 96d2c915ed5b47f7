"""Attacks on the console that once got through: by links, by forms, by jobs after the lock."""

from __future__ import annotations

import html
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.console.context import Console
from agent.owner.console.editing.screening import Screening
from agent.owner.console.guard import SESSION_COOKIE
from agent.owner.console.timeline.days import Days
from tests.owner.conftest import PASSPHRASE
from tests.owner.console.conftest import ORIGIN
from tests.owner.console.test_decide import Desk, asked, desk
from tests.support.clock import SimulatedClock

__all__ = ["asked", "desk"]
LIE = "Your camera was hacked. Call 555-0100"


def test_a_link_puts_no_words_on_the_page_of_a_release(asked: Desk) -> None:
    sent = asked.sign(asked.last_page()).headers["location"]
    for address in (f"{sent}&fault={LIE}", f"{sent}&stopped=1"):
        page = asked.browser.get(address)
        assert page.status_code == 200
        assert LIE not in page.text and "You asked the camera to stop it" not in page.text


@pytest.mark.parametrize("after", ["//[", "\0//[x", "//evil.example", "/\\evil.example", "///x"])
def test_no_address_after_the_unlock_leads_elsewhere_or_nowhere(
    locked_browser: TestClient, after: str
) -> None:
    assert locked_browser.get("/unlock", params={"next": after}).status_code == 200
    answer = locked_browser.post("/unlock", data={"passphrase": PASSPHRASE, "next": after})
    assert answer.headers["location"] == "/"


def test_a_chunked_form_does_not_pass_for_a_small_one(stranger: TestClient) -> None:
    """Its length counts, and not the one that it tells: 60 MB went into memory."""
    answer = stranger.post(
        "/enter",
        content=iter([b"token=", b"a" * 100]),
        headers={"content-length": "5", "transfer-encoding": "chunked"},
    )
    assert answer.status_code == 411


def test_a_job_that_ends_after_the_lock_keeps_nothing(
    browser: TestClient, console: Console
) -> None:
    cookie = browser.cookies[SESSION_COOKIE]
    (known,) = console.door.browsers()
    session = console.sessions.find(cookie, known.id)
    assert session is not None
    Days.of(session)
    browser.post("/lock")
    for keeps in (Days.of, Screening.of):
        with pytest.raises(Refused, match="locked meanwhile"):
            keeps(session)


def test_a_damaged_list_of_browsers_is_told_without_its_place(
    browser: TestClient, console: Console
) -> None:
    (console.folder.path / "console.json").write_text("{")
    answer = browser.get("/")
    assert answer.status_code == 503
    assert "its log says why" in answer.text and str(console.folder.path) not in answer.text


@pytest.mark.parametrize("path", ["/%5Cevil.example/unlock", "/%09/evil.example", "//evil.example"])
def test_the_way_back_from_a_fault_leads_to_no_other_site(browser: TestClient, path: str) -> None:
    """A backslash after the first slash counts as a slash for browsers: it names a host."""
    page = browser.get(f"{ORIGIN}{path}")
    assert page.status_code == 404
    back = html.unescape(re.findall(r'<a href="([^"]*)">Try again', page.text)[0])
    assert re.match(r"/[^/\\\t]", back)


def test_two_tabs_that_sign_the_same_at_once_send_it_once(
    asked: Desk, clock: SimulatedClock, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both last pages hold until one is signed; both passphrases are checked before either is."""
    first = asked.last_page()
    clock.advance(1)
    second = asked.last_page()
    both, check = threading.Barrier(2), console.sessions.check

    def checked(passphrase: str) -> Keys:
        keys = check(passphrase)
        both.wait(timeout=60)
        return keys

    monkeypatch.setattr(console.sessions, "check", checked)
    with ThreadPoolExecutor(2) as pool:
        statuses = [one.status_code for one in pool.map(asked.sign, (first, second))]
    assert sorted(statuses) == [303, 409]
    assert len(OwnerClient(console.folder).answers()) == 1
