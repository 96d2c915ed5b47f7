"""Earlier releases of a clip are shown before it is released again."""

from __future__ import annotations

import json

import pytest

from agent.consent import signing
from agent.consent.cards import decode_base64url
from agent.errors import NetworkFault
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.decisions.sent import SentDecisions
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox.inbox import Inbox
from agent.owner.wording import text as words
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.owner.terminal.test_request_view import flat


@pytest.mark.parametrize(("event", "told"), [("SENT", True), ("SEALED", True), ("REVOKED", False)])
def test_a_page_says_to_whom_a_clip_was_released_before(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
    event: str,
    told: bool,
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    has_last_word = event != "SEALED"  # without one, all the time would be waited out
    wait = ("--wait", "60") if has_last_word else ()
    with camera.serve(owner.broker, answers=[(event, "")]):
        owner.run("approve", name[:8], "1", "--yes", *wait)
        shown = _shown(name, owner, capsys)  # what was heard while waiting: without `inbox`
        while not has_last_word and words.outcome(event) not in shown:
            owner.run("inbox")
            shown = _shown(name, owner, capsys)
        release = signing.digest(camera.decisions[-1].jws)[:16]
        assert f"for this request: {words.outcome(event)} ({release[:8]})" in shown
        owner.run("approve", name[:8], "1", "2", "--yes")
    first, second = camera.offers
    said = flat(capsys.readouterr().out)
    assert ("released before: Springfield PD" in said) == told
    assert first in said and second in said
    assert said.count("released before") <= 1, "the second clip went nowhere"
    assert f"clip-agent owner revoke {signing.digest(camera.decisions[-1].jws)[:8]}" in said


def _shown(name: str, owner: OwnerAtHome, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    owner.run("show", name[:8])
    return flat(capsys.readouterr().out)


def test_another_request_for_the_same_clip_shows_who_has_it(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    requester: Keys,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = owner.post(request_jws, count=1)
    owner.run("inbox")
    with camera.serve(owner.broker):
        owner.run("approve", first[:8], "1", "--yes", "--wait", "60")
    payload = json.loads(decode_base64url(request_jws.split(".")[1]))
    again = make_request(requester, iat=payload["iat"], exp=payload["exp"], reference="2")
    second = signing.digest(again)[:16]
    letter = camera.report(again, list(camera.offers.values()))
    owner.retain([(topics.inbox(camera.name, second), letter)])
    owner.run("inbox")
    capsys.readouterr()
    owner.run("show", second[:8])
    said = flat(capsys.readouterr().out)
    assert "Your releases of these clips so far Clip 1" in said
    assert "to Springfield PD: sent" in said and "for this request" not in said


def test_a_decision_signed_with_other_keys_is_not_the_owners(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = owner.post(request_jws, count=1)
    owner.run("inbox")
    stranger = Keys.generate()
    with monkeypatch.context() as patched, camera.serve(owner.broker):
        patched.setattr(OwnerFolder, "unlock", lambda self, passphrase: stranger)
        with pytest.raises(Exception, match="sealed"):
            owner.run("approve", name[:8], "1", "--yes")
    inbox = Inbox(owner.folder, {camera.name: camera.card})
    assert SentDecisions(owner.folder, inbox).releases(camera.name) == []


# A camera that is away


def test_a_camera_that_is_offline_is_named_at_once(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws, count=1)
    state = json.dumps({"at": NOW + 90, "camera": "armed"}).encode()
    owner.retain([(topics.availability(camera.name), topics.OFFLINE)])
    owner.retain([(topics.state(camera.name), state)])
    owner.run("inbox")
    since = words.moment(NOW + 90)  # later than its last letter
    assert f"front-door is offline, last heard of {since}" in flat(capsys.readouterr().out)
    owner.retain([(topics.state(camera.name), b"[" * 100)])  # anybody may have written it
    owner.run("inbox")
    assert "front-door is offline, last heard of" in capsys.readouterr().out
    for question in (["clips"], ["preview", "1", "--request", name[:8]]):
        with pytest.raises(NetworkFault, match=r"front-door.*Is the camera powered"):
            owner.run(*question)
    assert owner.run("decline", name[:8], "--yes") == 0
    assert "It obeys as soon as it is back" in capsys.readouterr().out
    assert owner.run("approve", name[:8], "1", "--yes", "--wait", "600") == 0
    assert "It acts on this as soon as it is back" in flat(capsys.readouterr().out)
    owner.retain([(topics.availability(camera.name), topics.ONLINE)])
    owner.run("inbox")
    assert "offline" not in capsys.readouterr().out
