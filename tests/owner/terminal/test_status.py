"""A camera's silence is never shown as "nothing is asked": only its own fresh word counts."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from agent.consent import letters as mail
from agent.consent.letters import Letter
from agent.consent.statements import (
    FRESH_SECONDS,
    HeldRelease,
    HouseholdOwner,
    OpenRequestItem,
    PartHealth,
    RequestsPause,
)
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.wording import text
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera

HOUR = 3_600
Out = pytest.CaptureFixture[str]


@pytest.fixture
def topic(camera: FakeCamera) -> str:
    return topics.status(camera.name, camera.owner.fingerprint)


def inbox(owner: OwnerAtHome, capsys: Out) -> str:
    capsys.readouterr()
    assert owner.run("inbox") == 0
    printed = capsys.readouterr()
    return " ".join((printed.out + printed.err).split())


def status(owner: OwnerAtHome, capsys: Out) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = owner.run("status", "--json")
    (one,) = json.loads(capsys.readouterr().out)
    return code, one


def test_a_fresh_status_says_that_nothing_is_asked(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    owner.retain([(topic, camera.status())])
    assert inbox(owner, capsys) == "No open requests."
    code, one = status(owner, capsys)
    assert (code, one["silence"], one["remarks"]) == (0, "", [])
    assert owner.run("status") == 0
    printed = capsys.readouterr().out
    for expected in ("front-door", "just now", "armed", "no request", camera.owner.name):
        assert expected in printed


def test_a_broker_that_holds_nothing_of_a_camera_is_not_an_empty_inbox(
    owner: OwnerAtHome, capsys: Out
) -> None:
    said = inbox(owner, capsys)
    assert "Nothing has been heard from front-door: this broker holds nothing of it" in said
    assert "No open requests" not in said
    code, one = status(owner, capsys)
    assert code == 1 and one["status"] is None


def test_letters_to_another_key_are_one_line_and_the_silence_is_explained(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    other = Keys.generate()
    sealed = mail.seal(Letter(jws="a.b.c", keys={}), [other.recipient])
    letters = [(topics.inbox(camera.name, f"{number:016x}"), sealed) for number in range(9)]
    owner.retain([*letters, (topic, sealed)])
    said = inbox(owner, capsys)
    assert "its messages are sealed to other keys than yours" in said
    assert "No open requests" not in said
    assert said.count("warning:") == 1
    assert "front-door: 10 of its messages are sealed to other keys than yours" in said


@pytest.mark.parametrize("hours", [3, 24 * 30])
def test_a_status_that_was_not_renewed_is_no_word_of_now(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out, hours: int
) -> None:
    owner.retain([(topic, camera.status(iat=int(time.time()) - hours * HOUR))])
    said = inbox(owner, capsys)
    assert "Nothing has been heard from front-door since" in said and "no newer status" in said
    assert "No open requests" not in said


def test_a_status_of_an_hour_ago_is_fresh(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    owner.retain([(topic, camera.status(iat=int(time.time()) - HOUR - 60))])
    assert "No open requests." in inbox(owner, capsys)
    assert FRESH_SECONDS > 2 * HOUR, "one of the hourly letters may be lost"


def test_a_status_from_the_future_is_no_word_of_now(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    owner.retain([(topic, camera.status(iat=int(time.time()) + HOUR))])
    said = inbox(owner, capsys)
    assert "compare the clocks" in said and "No open requests" not in said


def test_a_camera_that_is_offline_is_not_an_empty_inbox(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    owner.retain([(topic, camera.status()), (topics.availability(camera.name), topics.OFFLINE)])
    said = inbox(owner, capsys)
    assert "front-door is offline" in said and "No open requests" not in said


def test_a_status_signed_by_another_device_counts_for_nothing(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    stranger = FakeCamera(camera.name, camera.owner)
    owner.retain([(topic, stranger.status())])
    said = inbox(owner, capsys)
    assert "no status that its enrolled key has signed" in said
    assert "No open requests" not in said


def test_an_older_status_does_not_replace_a_newer_one(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    earlier = camera.status(iat=int(time.time()) - 60)
    order = OpenRequestItem(request="0" * 64, kind="legal-order", until=2_000_000_000)
    owner.retain([(topic, camera.status(open=(order,)))])
    inbox(owner, capsys)
    owner.retain([(topic, earlier)])
    assert "No open requests" not in inbox(owner, capsys)


def test_an_open_request_whose_message_the_broker_keeps_back_is_told(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    order = OpenRequestItem(request="0" * 64, kind="legal-order", until=2_000_000_000)
    owner.retain([(topic, camera.status(open=(order,)))])
    said = inbox(owner, capsys)
    assert "1 open (legal order) of which no message has come through the broker" in said
    assert "No open requests" not in said


def test_a_pause_by_the_other_owner_is_told_with_the_legal_order_that_waits(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    otto, at = Keys.generate().fingerprint, int(time.time()) - HOUR
    household = (
        HouseholdOwner(fingerprint=camera.owner.fingerprint, name="Ann"),
        HouseholdOwner(fingerprint=otto, name="Otto"),
    )
    order = OpenRequestItem(request="0" * 64, kind="legal-order", until=2_000_000_000)
    paused = camera.status(
        owners=household, pause=RequestsPause(owner=otto, at=at), open=(order, order)
    )
    owner.retain([(topic, paused)])
    said = inbox(owner, capsys)
    assert "front-door: requests paused since" in said and "by Otto" in said
    assert "2 legal orders are open while requests are paused" in said
    assert "No open requests" not in said
    owner.retain([(topic, camera.status(owners=household))])
    assert inbox(owner, capsys) == "No open requests.", "Otto has resumed them"


def test_a_pause_that_the_camera_has_not_confirmed_is_not_shown_as_one(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    owner.retain([(topic, camera.status(iat=int(time.time()) - 60))])
    assert owner.run("pause-requests", "--wait", "0.1") == 0
    said = inbox(owner, capsys)
    assert "front-door: asked to pause requests since" in said
    assert "It has not confirmed that yet" in said and "No open requests" not in said
    owner.retain([(topic, camera.status(iat=int(time.time()) + 2))])
    assert inbox(owner, capsys) == "No open requests.", "the camera says so, later"


@pytest.mark.parametrize(
    ("state", "detail"),
    [("no-frames", "rtsp://10.0.0.7/main does not answer"), ("disk-full", ""), ("stopped", "")],
)
def test_a_camera_that_does_not_record_is_told(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out, state: str, detail: str
) -> None:
    health = PartHealth(state=state, detail=detail, at=int(time.time()) - HOUR, version="1")
    owner.retain([(topic, camera.status(camera=health))])
    said = inbox(owner, capsys)
    assert f"front-door: it does not record: {state}" in said and detail in said


@pytest.mark.parametrize(
    ("minutes", "rule", "expected"),
    [
        (47, "issued-in-future: it was issued in the future", "47 min ahead of the camera's"),
        (-47, "expired: it has expired", "47 min behind the camera's"),
        (0, "expired: it has expired", ""),
    ],
)
def test_a_wrong_clock_of_the_owners_computer_is_named_by_the_cameras_answer(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: Out,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
    rule: str,
    expected: str,
) -> None:
    name, answer = owner.post(request_jws), camera.outcome
    monkeypatch.setattr(
        camera,
        "outcome",
        lambda *told: answer(*told, iat=int(time.time()) - 60 * minutes),
    )
    with camera.serve(owner.broker, answers=[("REFUSED", rule)]):
        inbox(owner, capsys)
        assert owner.run("decline", name, "--yes", "--wait", "20") == 1
        said = " ".join(capsys.readouterr().out.split())
        assert expected in said and ("clock" in said) == bool(expected)
        camera.command_answer = ("REFUSED", rule)
        assert owner.run("pause-requests", "--wait", "20") == 1
    assert expected in " ".join(capsys.readouterr().out.split())


def test_a_status_from_the_future_names_this_computers_clock(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    owner.retain([(topic, camera.status(iat=int(time.time()) + 3 * HOUR))])
    assert "this computer's clock is 3 h behind the camera's" in inbox(owner, capsys)


def test_whom_the_running_camera_seals_to_is_compared_with_the_owners(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    mine = (camera.owner.seal, camera.owner.recovery)
    other, new = Keys.generate().recipient, Keys.generate().recipient
    for sealed, should, expected in (
        ((other,), mine, "still seals clips without your key"),
        ((camera.owner.seal, other), mine, "still seals clips to another recovery key of yours"),
        ((*mine, other), mine, "still seals clips to somebody who is not among its owners (Ann"),
        ((*mine, other), (*mine, new), "still seals clips to somebody who is not among"),
        (mine, (*mine, new), "does not seal clips to each of its owners (Ann Example) yet"),
        (mine, mine, ""),
        ((), mine, ""),
    ):
        owner.retain([(topic, camera.status(seals_to=sealed, should_seal_to=should))])
        said = inbox(owner, capsys)
        assert expected in said and ("Restart the camera" in said) == bool(expected), sealed


def test_an_owner_who_was_removed_is_told_so_by_the_cameras_last_word(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, capsys: Out
) -> None:
    """However old it is by now."""
    weeks_ago = int(time.time()) - 21 * 24 * HOUR
    letter = camera.status(owners=(), seals_to=(), iat=weeks_ago)
    owner.retain([(topic, letter)])
    said = inbox(owner, capsys)
    assert "Nothing has been heard from front-door since" in said
    assert "by its own word you are an owner no more" in said
    assert "No open requests" not in said
    code, one = status(owner, capsys)
    assert code == 1 and "owner no more" in one["silence"]


def test_status_tells_all_that_stands_in_the_way_of_a_request_or_a_release(
    owner: OwnerAtHome, camera: FakeCamera, topic: str, keys: Keys, capsys: Out
) -> None:
    order = OpenRequestItem(request="0" * 64, kind="legal-order", until=2_000_000_000)
    letter = camera.status(
        open=(order,),
        pause=RequestsPause(at=int(time.time()) - 60, owner=camera.owner.fingerprint),
        muted=(keys.fingerprint,),
        held=(HeldRelease(release="8c31fb0a8c31fb0a", why="the broker forgot the session"),),
    )
    owner.retain([(topic, letter)])
    owner.run("status")
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of them legal orders" in said
    assert "Paused since" in said
    assert f"Muted {text.short_fingerprint(keys.fingerprint)}" in said
    assert "Held 8c31fb0a: the broker forgot the session" in said
