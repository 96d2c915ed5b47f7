"""A new passphrase in the console, by the old one or by a passkey where it is forgotten."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from agent import keyfile
from agent.errors import WrongPassphrase
from agent.keyfile import Keys
from agent.owner.console.context import Console
from tests.owner.conftest import PASSPHRASE
from tests.owner.console.conftest import enrol
from tests.support.authenticator import SoftAuthenticator

NEW = "another passphrase"


def opens(console: Console, passphrase: str) -> bool:
    """Open the very file: these tests' owner unlocks without one."""
    try:
        keyfile.unlock(console.folder.key_path, "owner", passphrase)
    except WrongPassphrase:
        return False
    return True


def change(browser: TestClient, **fields: str) -> int:
    form = {"new": NEW, "again": NEW} | fields
    return int(browser.post("/settings/passphrase", data=form).status_code)


def test_the_old_passphrase_makes_a_new_one(browser: TestClient, console: Console) -> None:
    assert change(browser, passphrase=PASSPHRASE) == 200
    assert opens(console, NEW)
    assert not opens(console, PASSPHRASE)


def test_a_passkey_replaces_a_forgotten_passphrase(
    browser: TestClient, console: Console, phone: SoftAuthenticator
) -> None:
    enrol(browser, phone)
    page = browser.get("/settings/passphrase").text
    plan = page.partition('name="plan" value="')[2][:64]
    options = browser.post("/passkeys/approve", data={"plan": plan}).json()
    assert change(browser, passkey=phone.get(options).decode()) == 200
    assert opens(console, NEW)


def test_a_passkeys_answer_for_a_decision_sets_no_passphrase(
    browser: TestClient, console: Console, phone: SoftAuthenticator
) -> None:
    enrol(browser, phone)
    options = browser.post("/passkeys/approve", data={"plan": "a" * 64}).json()
    assert change(browser, passkey=phone.get(options).decode()) == 409
    assert opens(console, PASSPHRASE)


@pytest.mark.parametrize(
    "fields",
    [{"new": "short", "again": "short"}, {"again": "other words"}, {"new": ""}],
    ids=str,
)
def test_a_short_or_mistyped_passphrase_changes_nothing(
    browser: TestClient, console: Console, fields: dict[str, str]
) -> None:
    assert change(browser, passphrase=PASSPHRASE, **fields) == 403
    assert opens(console, PASSPHRASE)


def test_a_new_passphrase_locks_all_other_browsers(
    browser: TestClient, console: Console, keys: Keys
) -> None:
    other = console.sessions.begin_with("another", keys)
    change(browser, passphrase=PASSPHRASE)
    assert console.sessions.find(other.id, "another") is None
    assert browser.get("/settings").status_code == 200
