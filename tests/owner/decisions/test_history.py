"""What became of an owner's answers is told in one list, and each can be named by few digits."""

from __future__ import annotations

import json

import pytest

from agent.config import Broker
from agent.consent import signing
from agent.consent.statements import Command, Revoke
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.inbox import items
from tests.owner.camera import FakeCamera
from tests.owner.terminal.test_request_view import flat
from tests.owner.tool import post, retain, run


def subject(camera: FakeCamera) -> str:
    return signing.digest(camera.decisions[-1].jws)[:16]


def answers(at_home: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    capsys.readouterr()
    run("inbox", "--json", *at_home)
    listed: list[dict[str, str]] = json.loads(capsys.readouterr().out)["answers"]
    return listed


def test_what_was_approved_a_moment_ago_can_be_revoked(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    keys: Keys,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = post(broker, camera, request_jws)
    run("inbox", *at_home)
    with camera.serve(broker, answers=[]):  # it has not said anything yet
        run("approve", name, "1", "--yes", *at_home)
        said = capsys.readouterr().out
        approval = subject(camera)
        assert f"clip-agent owner revoke {approval[:8]}" in said
        assert run("revoke", approval[:8], "--yes", *at_home) == 0
    said = flat(capsys.readouterr().out)
    assert "to Springfield PD: last report: no answer of the camera yet" in said
    assert "front-door: done. It is stopped, and is not sent." in said
    told = signing.verify(
        camera.decisions[-1].jws, Command, {keys.fingerprint: keys.signing.public}
    )
    assert told.command == Revoke(release=approval)


@pytest.mark.parametrize(
    ("event", "detail", "said"),
    [
        ("SENT", "", "sent"),
        ("FAILED", "the receiver refused", "not sent: the receiver refused"),
        ("REFUSED", "replayed", "refused by your camera: replayed"),
        ("REVOKED", "", "stopped, not sent"),
    ],
)
def test_the_inbox_tells_in_words_what_became_of_an_approval(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
    event: str,
    detail: str,
    said: str,
) -> None:
    name = post(broker, camera, request_jws)
    run("inbox", *at_home)
    with camera.serve(broker, answers=[(event, detail)]):
        run("approve", name, "1", "--yes", "--wait", "60", *at_home)
        assert f"front-door: {said}" in flat(capsys.readouterr().out)
        run("inbox", *at_home)
    page = flat(capsys.readouterr().out)
    assert f"You said {said} ({subject(camera)[:8]})" in page
    (one,) = answers(at_home, capsys)
    assert (one["event"], one["to"], one["release"]) == (event, "Springfield PD", subject(camera))


def test_a_decline_is_told_as_waiting_done_or_refused(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = post(broker, camera, request_jws)
    run("inbox", *at_home)
    with camera.serve(broker, answers=[]):
        run("decline", name, "--yes", "--wait", "0.1", *at_home)
    assert [one["event"] for one in answers(at_home, capsys)] == [""]
    retain(broker, [(topics.inbox(camera.name, name), b"")])
    (one,) = answers(at_home, capsys)
    assert (one["event"], one["to"], one["release"]) == ("DECLINED", "Springfield PD", "")
    refusal = camera.outcome(subject(camera), "REFUSED", "replayed")
    retain(broker, [(topics.release(camera.name, subject(camera)), refusal)])
    (one,) = answers(at_home, capsys)
    assert (one["event"], one["detail"]) == ("REFUSED", "replayed")


def test_a_release_of_another_owner_is_told_with_whom_it_was_for(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    post(broker, camera, request_jws)
    letter = camera.outcome("0" * 16, "SENT", request=signing.digest(request_jws))
    retain(broker, [(topics.release(camera.name, "0" * 16), letter)])
    (one,) = answers(at_home, capsys)
    assert (one["release"], one["to"], one["event"]) == ("0" * 16, "Springfield PD", "SENT")


def test_two_owners_words_that_made_one_release_are_told_as_one(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = post(broker, camera, request_jws)
    run("inbox", *at_home)
    with camera.serve(broker, answers=[("AGREED", "0" * 16)]):
        run("approve", name, "1", "--yes", "--wait", "60", *at_home)
    retain(broker, [(topics.release(camera.name, "0" * 16), camera.outcome("0" * 16, "SENT"))])
    (one,) = answers(at_home, capsys)
    assert (one["release"], one["event"]) == (subject(camera), "SENT")
    retain(broker, [(topics.release(camera.name, "1" * 16), camera.outcome("1" * 16, "SENT"))])
    agreed = camera.outcome("2" * 16, "AGREED", "1" * 16)  # what another owner completed
    retain(broker, [(topics.release(camera.name, "2" * 16), agreed)])
    assert {one["release"] for one in answers(at_home, capsys)} == {subject(camera), "1" * 16}


# Ids


def test_digits_are_as_few_as_tell_one_id_from_the_others() -> None:
    names = {"aaaaaaaa11", "aaaaaaaa22", "bbbbbbbbbb"}
    assert [items.short(name, names) for name in sorted(names)] == [
        "aaaaaaaa1",
        "aaaaaaaa2",
        "bbbbbbbb",
    ]
    assert items.short("", names) == ""


def test_digits_that_fit_several_are_refused_with_the_candidates() -> None:
    names = ["abcd000011", "abcd000022"]
    with pytest.raises(Refused, match=r"could be abcd00001 \(one\), abcd00002 \(one\)"):
        items.find(names, "abcd", name=str, about=lambda _: "one")
    assert items.find(names, "ABCD000011", name=str, about=str) == "abcd000011"
    assert items.find(names, "", name=str, about=str) is None


@pytest.mark.parametrize("count", [1, 7])
def test_unknown_digits_are_refused_with_what_there_is(
    at_home: tuple[str, str],
    broker: Broker,
    camera: FakeCamera,
    request_jws: str,
    count: int,
) -> None:
    name = post(broker, camera, request_jws, count=count)
    run("inbox", *at_home)
    with pytest.raises(Refused, match=rf"open are {name[:8]} \(Bicycle theft"):
        run("show", "zz", *at_home)
    clips = list(camera.offers)
    last = f" to {count} \\({clips[-1]}\\)" if count > 1 else ""
    for words in (["9"], []):
        with pytest.raises(Refused, match=rf"1 \({clips[0]}\){last}"):
            run("approve", name, *words, "--yes", *at_home)
