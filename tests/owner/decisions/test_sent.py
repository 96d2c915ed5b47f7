"""What was let go before is said before it is let go again."""

from __future__ import annotations

import json

import pytest

from agent.config import Broker
from agent.consent import signing
from agent.consent.cards import decode_base64url
from agent.errors import NetworkFault
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner import text as words
from agent.owner.decisions.sent import SentDecisions
from agent.owner.folder import OwnerFolder
from agent.owner.inbox.inbox import Inbox
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.owner.terminal.test_request_view import flat
from tests.owner.tool import post, retain, run


@pytest.mark.parametrize(("event", "told"), [("SENT", True), ("SEALED", True), ("REVOKED", False)])
def test_a_clip_that_went_to_somebody_is_said_to_have_gone(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
    event: str,
    told: bool,
) -> None:
    name = post(broker, camera, request_jws)
    run("inbox", *at_home)
    has_last_word = event != "SEALED"  # without one, all the time would be waited out
    wait = ("--wait", "60") if has_last_word else ()
    with camera.serve(broker, answers=[(event, "")]):
        run("approve", name[:8], "1", "--yes", *wait, *at_home)
        shown = _shown(name, at_home, capsys)  # what was heard while waiting: without `inbox`
        while not has_last_word and words.outcome(event) not in shown:
            run("inbox", *at_home)
            shown = _shown(name, at_home, capsys)
        release = signing.digest(camera.decisions[-1].jws)[:16]
        assert f"for this request: {words.outcome(event)} ({release[:8]})" in shown
        run("approve", name[:8], "1", "2", "--yes", *at_home)
    first, second = camera.offers
    said = flat(capsys.readouterr().out)
    assert ("released before: Springfield PD" in said) == told
    assert first in said and second in said
    assert said.count("released before") <= 1, "the second clip went nowhere"
    assert f"clip-agent owner revoke {signing.digest(camera.decisions[-1].jws)[:8]}" in said


def _shown(name: str, at_home: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    run("show", name[:8], *at_home)
    return flat(capsys.readouterr().out)


def test_another_request_for_the_same_clip_shows_who_has_it(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    requester: Keys,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = post(broker, camera, request_jws, count=1)
    run("inbox", *at_home)
    with camera.serve(broker):
        run("approve", first[:8], "1", "--yes", "--wait", "60", *at_home)
    payload = json.loads(decode_base64url(request_jws.split(".")[1]))
    again = make_request(requester, iat=payload["iat"], exp=payload["exp"], reference="2")
    second = signing.digest(again)[:16]
    letter = camera.report(again, list(camera.offers.values()))
    retain(broker, [(topics.inbox(camera.name, second), letter)])
    run("inbox", *at_home)
    capsys.readouterr()
    run("show", second[:8], *at_home)
    said = flat(capsys.readouterr().out)
    assert "Your releases of these clips so far Clip 1" in said
    assert "to Springfield PD: sent" in said and "for this request" not in said


def test_what_other_keys_signed_is_not_taken_for_the_owners_word(
    at_home: tuple[str, str],
    online_home: OwnerFolder,
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = post(broker, camera, request_jws, count=1)
    run("inbox", *at_home)
    stranger = Keys.generate()
    with monkeypatch.context() as patched, camera.serve(broker):
        patched.setattr(OwnerFolder, "unlock", lambda self, passphrase: stranger)
        with pytest.raises(Exception, match="sealed"):
            run("approve", name[:8], "1", "--yes", *at_home)
    assert (
        SentDecisions(online_home, Inbox(online_home, {camera.name: camera.card})).releases(
            camera.name
        )
        == []
    )


# A camera that is away


def test_a_camera_that_is_offline_is_said_to_be_at_once(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = post(broker, camera, request_jws, count=1)
    state = json.dumps({"at": NOW + 90, "camera": "armed"}).encode()
    retain(broker, [(topics.availability(camera.name), topics.OFFLINE)])
    retain(broker, [(topics.state(camera.name), state)])
    run("inbox", *at_home)
    since = words.moment(NOW + 90)  # later than its last letter
    assert f"front-door is offline, last heard of {since}" in flat(capsys.readouterr().out)
    retain(broker, [(topics.state(camera.name), b"[" * 100)])  # anybody may have written it
    run("inbox", *at_home)
    assert "front-door is offline, last heard of" in capsys.readouterr().out
    for question in (["clips"], ["preview", "1", "--request", name[:8]]):
        with pytest.raises(NetworkFault, match=r"front-door.*Is the camera powered"):
            run(*question, *at_home)
    assert run("decline", name[:8], "--yes", *at_home) == 0
    assert "It obeys as soon as it is back" in capsys.readouterr().out
    assert run("approve", name[:8], "1", "--yes", "--wait", "600", *at_home) == 0
    assert "It acts on this as soon as it is back" in flat(capsys.readouterr().out)
    retain(broker, [(topics.availability(camera.name), topics.ONLINE)])
    run("inbox", *at_home)
    assert "offline" not in capsys.readouterr().out
