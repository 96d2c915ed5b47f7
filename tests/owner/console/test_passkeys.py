"""Passkeys at the console: enrol, unlock, approve, remove, and what a thief gets instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from agent.errors import KeyFileError
from agent.keyfile import Keys
from agent.owner.console import app, step_up
from agent.owner.console.context import Console, Context, endpoint
from agent.owner.console.guard import SESSION_COOKIE
from agent.owner.console.sessions import IDLE_SECONDS
from agent.owner.home.folder import OwnerFolder
from tests.owner.at_home import OwnerAtHome
from tests.owner.conftest import PASSPHRASE
from tests.owner.console.conftest import NEVER_SECONDS, ORIGIN, enrol
from tests.owner.console.conftest import PASSKEYS as SETTINGS
from tests.support.authenticator import PRESENT, SoftAuthenticator
from tests.support.clock import SimulatedClock

PLAN, OTHER_PLAN = "a" * 64, "b" * 64


@pytest.fixture
def enrolled(browser: TestClient, phone: SoftAuthenticator) -> TestClient:
    enrol(browser, phone)
    return browser


@pytest.fixture
def deciding(console_app: Starlette, enrolled: TestClient) -> Iterator[TestClient]:
    """A page that signs the plan whose digest is in its path, if it may."""

    def sign(context: Context) -> Response:
        return PlainTextResponse(step_up.keys_for(context, context.path("plan")).fingerprint)

    route = Route("/sign/{plan}", endpoint(sign), methods=["POST"])
    console_app.router.routes.append(route)
    yield enrolled
    console_app.router.routes.remove(route)


def ask(browser: TestClient, phone: SoftAuthenticator, plan: str = PLAN) -> dict[str, str]:
    """The form's field after the button with the passkey."""
    options = browser.post("/passkeys/approve", data={"plan": plan}).json()
    return {"passkey": phone.get(options).decode()}


def test_a_passkey_unlocks_after_the_lock(
    enrolled: TestClient, phone: SoftAuthenticator, console: Console
) -> None:
    enrolled.post("/lock")
    assert "data-passkey" in enrolled.get("/unlock").text
    options = enrolled.post("/unlock/passkey/options").json()
    answer = {"passkey": phone.get(options).decode(), "next": "/releases?day=1"}
    unlocked = enrolled.post("/unlock/passkey", data=answer)
    assert unlocked.headers["location"] == "/releases?day=1"
    assert "httponly" in unlocked.headers["set-cookie"].lower()
    assert enrolled.get("/").status_code == 200


def test_without_a_passkey_the_page_offers_none(locked_browser: TestClient) -> None:
    assert "passkey" not in locked_browser.get("/unlock").text
    refused = locked_browser.post("/unlock/passkey/options")
    assert (refused.status_code, "no passkey is enrolled" in refused.json()["error"]) == (409, True)


def test_enrolling_needs_the_passphrase_again(
    browser: TestClient, phone: SoftAuthenticator, monkeypatch: pytest.MonkeyPatch, console: Console
) -> None:
    def wrong(passphrase: str) -> Keys:
        raise KeyFileError("wrong passphrase")

    monkeypatch.setattr(console.sessions, "check", wrong)
    fields = {"name": "phone", "passphrase": "guess"}
    refused = browser.post(f"{SETTINGS}/enrol/begin", data=fields)
    assert (refused.status_code, refused.json()) == (403, {"error": "wrong passphrase"})
    made = {"passkey": "{}"}
    assert browser.post(f"{SETTINGS}/enrol/confirm", data=made).status_code == 409
    assert browser.post(f"{SETTINGS}/enrol/finish", data=made).status_code == 409


def test_a_locked_browser_neither_enrols_nor_approves_nor_removes(
    enrolled: TestClient, phone: SoftAuthenticator, console: Console
) -> None:
    enrolled.post("/lock")
    known = console.passkeys.enrolled().passkeys
    for path in ("enrol/begin", "enrol/confirm", "enrol/finish"):
        answer = enrolled.post(f"{SETTINGS}/{path}", headers={"sec-fetch-mode": "cors"})
        assert answer.status_code == 401
    assert enrolled.post(f"{SETTINGS}/remove", data={"id": known[0].id}).status_code == 401
    assert enrolled.post("/passkeys/approve", data={"plan": PLAN}).status_code == 401
    assert console.passkeys.enrolled().passkeys == known


def test_a_passkey_gives_the_keys_for_the_plan_that_was_shown(
    deciding: TestClient, phone: SoftAuthenticator, keys: Keys
) -> None:
    answer = ask(deciding, phone)
    assert deciding.post(f"/sign/{PLAN}", data=answer).text == keys.fingerprint


def test_an_answer_for_one_plan_signs_no_other_and_none_twice(
    deciding: TestClient, phone: SoftAuthenticator
) -> None:
    answer = ask(deciding, phone)
    assert deciding.post(f"/sign/{OTHER_PLAN}", data=answer).status_code == 409
    assert deciding.post(f"/sign/{PLAN}", data=answer).status_code == 200
    assert deciding.post(f"/sign/{PLAN}", data=answer).status_code == 409


def test_an_answer_from_before_the_lock_signs_nothing_after_it(
    deciding: TestClient, phone: SoftAuthenticator, clock: SimulatedClock
) -> None:
    answer = ask(deciding, phone)
    deciding.post("/lock")
    deciding.post("/unlock", data={"passphrase": PASSPHRASE, "next": "/"})
    assert deciding.post(f"/sign/{PLAN}", data=answer).status_code == 409


def test_a_stolen_session_signs_nothing_without_finger_or_passphrase(
    deciding: TestClient, phone: SoftAuthenticator, clock: SimulatedClock
) -> None:
    finger = ask(deciding, phone)["passkey"]
    lazy = phone.get(deciding.post("/passkeys/approve", data={"plan": PLAN}).json(), flags=PRESENT)
    for answer in (b"{}", finger, lazy):
        assert deciding.post(f"/sign/{PLAN}", data={"passkey": answer}).status_code == 409
    cookie = deciding.cookies[SESSION_COOKIE]
    clock.advance(IDLE_SECONDS + 1)
    deciding.cookies.set(SESSION_COOKIE, cookie)
    assert deciding.post("/passkeys/approve", data={"plan": PLAN}).status_code == 401


def test_the_passphrase_signs_where_no_passkey_was_used(deciding: TestClient, keys: Keys) -> None:
    typed = {"passphrase": PASSPHRASE, "passkey": ""}
    assert deciding.post(f"/sign/{PLAN}", data=typed).text == keys.fingerprint


@pytest.mark.parametrize("plan", ["", "a" * 63, "A" * 64, "a" * 64 + "\n"])
def test_a_page_without_a_plan_asks_no_passkey(enrolled: TestClient, plan: str) -> None:
    assert enrolled.post("/passkeys/approve", data={"plan": plan}).status_code == 409


def test_a_removed_passkey_is_gone_from_page_and_lock(
    enrolled: TestClient, phone: SoftAuthenticator, console: Console
) -> None:
    (known,) = console.passkeys.enrolled().passkeys
    assert ">phone<" in enrolled.get(SETTINGS).text
    removed = enrolled.post(f"{SETTINGS}/remove", data={"id": known.id})
    page = enrolled.get(removed.headers["location"]).text
    assert f'data-forget="{known.credential}"' in page
    assert ">phone<" not in page
    enrolled.post("/lock")
    assert "data-passkey" not in enrolled.get("/unlock").text


def test_removing_a_passkey_locks_all_other_browsers(
    enrolled: TestClient, console: Console, keys: Keys
) -> None:
    """One of them may be on the device that was lost, and unlocked."""
    lost = console.sessions.begin_with("the lost phone", keys)
    (known,) = console.passkeys.enrolled().passkeys
    enrolled.post(f"{SETTINGS}/remove", data={"id": known.id})
    assert console.sessions.find(lost.id, "the lost phone") is None
    assert enrolled.get("/settings").status_code == 200


def test_a_link_cannot_have_an_authenticator_forget_an_enrolled_passkey(
    enrolled: TestClient, console: Console
) -> None:
    (known,) = console.passkeys.enrolled().passkeys
    assert "data-forget" not in enrolled.get(f"{SETTINGS}?removed={known.credential}").text
    assert "data-forget" not in enrolled.get(f'{SETTINGS}?removed="><script>').text


def test_removing_what_is_not_there_says_so(enrolled: TestClient) -> None:
    answer = enrolled.post(f"{SETTINGS}/remove", data={"id": "../owner"})
    assert (answer.status_code, "there is no passkey" in answer.text) == (409, True)


def test_a_name_of_markup_stays_text(browser: TestClient, phone: SoftAuthenticator) -> None:
    enrol(browser, phone, "<img src=x onerror=alert(1)>")
    page = browser.get(SETTINGS).text
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_damaged_file_is_shown_and_can_be_removed(enrolled: TestClient, console: Console) -> None:
    folder: OwnerFolder = console.folder
    (path,) = (folder.path / "passkeys").glob("*.json")
    path.write_text("{}")
    assert "is damaged" in enrolled.get(SETTINGS).text
    enrolled.post(f"{SETTINGS}/remove", data={"id": path.stem})
    assert "is damaged" not in enrolled.get(SETTINGS).text


def test_at_an_ip_address_the_page_says_where_passkeys_work(
    owner: OwnerAtHome, clock: SimulatedClock
) -> None:
    address = "http://127.0.0.1:8642"
    built = app.build(owner.folder, (ORIGIN, address), clock, collect_seconds=NEVER_SECONDS)
    console: Console = built.state.console
    with TestClient(built, base_url=address, headers={"origin": address}) as browser:
        browser.post("/enter", data={"token": console.door.link()})
        browser.post("/unlock", data={"passphrase": PASSPHRASE})
        page = browser.get(SETTINGS).text
        refused = browser.post(f"{SETTINGS}/enrol/begin", data={"passphrase": PASSPHRASE})
    assert "http://localhost:8642" in page
    assert "data-enrol" not in page
    assert (refused.status_code, "no passkey at" in refused.json()["error"]) == (409, True)
