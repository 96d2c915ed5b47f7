"""The last page of a decision, signed by a passkey: this page, once, in this session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from agent.consent.statements import Approval
from agent.owner.console.guard import SESSION_COOKIE
from tests.owner.at_home import OwnerAtHome
from tests.owner.conftest import PASSPHRASE
from tests.owner.console.conftest import enrol
from tests.owner.console.test_decide import Desk
from tests.support.authenticator import SoftAuthenticator

Form = dict[str, str]


@pytest.fixture
def desk(
    owner: OwnerAtHome, browser: TestClient, request_jws: str, phone: SoftAuthenticator
) -> Iterator[Desk]:
    """A request with three clips, and an owner with a passkey."""
    desk = Desk(browser, owner, request_jws)
    with owner.camera.serve(owner.broker):
        enrol(browser, phone)
        desk.report()
        yield desk


def finger(desk: Desk, phone: SoftAuthenticator, form: Form) -> str:
    """The passkey's answer for the page with this form."""
    options = desk.browser.post("/passkeys/approve", data={"plan": form["plan"]}).json()
    return phone.get(options).decode()


def sign(desk: Desk, form: Form, answer: str) -> int:
    data = {**form, "passkey": answer, "passphrase": ""}
    return int(desk.browser.post("/decide/sign", data=data).status_code)


def test_a_finger_signs_what_the_last_page_showed(desk: Desk, phone: SoftAuthenticator) -> None:
    form = desk.last_page({"id": desk.offers[1].id, "trim": {"from_seconds": 1, "to_seconds": 2}})
    assert sign(desk, form, finger(desk, phone, form)) == 303
    (clip,) = desk.signed(Approval).clips
    assert (clip.id, clip.trim.from_seconds) == (desk.offers[1].id, 1.0)


def test_an_answer_for_one_page_signs_no_other_page(desk: Desk, phone: SoftAuthenticator) -> None:
    """A thief with the session shows the owner one clip, and asks for another one."""
    shown, wanted = (desk.last_page({"id": one.id}) for one in desk.offers[:2])
    answer = finger(desk, phone, shown)
    finger(desk, phone, wanted)  # asked for as well, and not answered
    for form in (wanted, wanted | {"plan": shown["plan"]}, shown | {"draft": wanted["draft"]}):
        assert sign(desk, form, answer) == 409
    assert not desk.camera.decisions


def test_an_answer_signs_once(desk: Desk, phone: SoftAuthenticator) -> None:
    form = desk.last_page()
    answer = finger(desk, phone, form)
    assert sign(desk, form, answer) == 303
    assert sign(desk, form, answer) == 409
    again = desk.last_page()
    assert sign(desk, again, answer) == 409
    assert len(desk.camera.received()) == 1


def test_an_answer_to_the_unlock_page_signs_nothing(desk: Desk, phone: SoftAuthenticator) -> None:
    form = desk.last_page()
    options = desk.browser.post("/unlock/passkey/options").json()
    assert sign(desk, form, phone.get(options).decode()) == 409
    assert not desk.camera.decisions


def test_an_answer_of_another_session_signs_nothing(desk: Desk, phone: SoftAuthenticator) -> None:
    answer = finger(desk, phone, desk.last_page())
    before = desk.browser.cookies[SESSION_COOKIE]
    desk.browser.post("/lock")
    desk.browser.post("/unlock", data={"passphrase": PASSPHRASE, "next": "/"})
    assert desk.browser.cookies[SESSION_COOKIE] != before
    form = desk.last_page()
    finger(desk, phone, form)
    assert sign(desk, form, answer) == 409
    assert not desk.camera.decisions


def test_a_page_that_changed_meanwhile_is_not_signed(desk: Desk, phone: SoftAuthenticator) -> None:
    form = desk.last_page()
    answer = finger(desk, phone, form)
    desk.offers[0] = desk.camera.record(b"another recording")
    desk.report()
    assert sign(desk, form, answer) == 409
    assert not desk.camera.decisions
