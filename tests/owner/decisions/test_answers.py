"""One list tells the outcome of each answer, and a few characters name each."""

from __future__ import annotations

import json

import pytest

from agent.consent import signing
from agent.consent.statements import Command, Revoke
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.inbox import items
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.owner.terminal.test_request_view import flat


def subject(camera: FakeCamera) -> str:
    return signing.digest(camera.decisions[-1].jws)[:16]


def answers(owner: OwnerAtHome, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    capsys.readouterr()
    owner.run("inbox", "--json")
    listed: list[dict[str, str]] = json.loads(capsys.readouterr().out)["answers"]
    return listed


def test_an_approval_of_a_moment_ago_can_be_revoked(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker, answers=[]):  # it has not said anything yet
        owner.run("approve", name, "1", "--yes")
        said = capsys.readouterr().out
        approval = subject(camera)
        assert f"clip-agent owner revoke {approval[:8]}" in said
        assert owner.run("revoke", approval[:8], "--yes") == 0
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
        ("SENT", "", "sent, no receipt yet"),
        ("SENT", "no receipt: nobody knows", "sent, no receipt: nobody knows"),
        ("DELIVERED", "", "delivered: the recipient has opened and verified it"),
        ("REJECTED", "clips-differ: x", "sent, and rejected by the recipient: clips-differ: x"),
        ("FAILED", "the receiver refused", "not sent: the receiver refused"),
        ("REFUSED", "replayed", "refused by your camera: replayed"),
        ("REVOKED", "", "stopped, not sent"),
    ],
)
def test_the_inbox_tells_in_words_what_became_of_an_approval(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
    event: str,
    detail: str,
    said: str,
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker, answers=[(event, detail)]):
        owner.run("approve", name, "1", "--yes", "--wait", "60")
        assert f"front-door: {said}" in flat(capsys.readouterr().out)
        owner.run("inbox")
    page = flat(capsys.readouterr().out)
    assert f"You said {said} ({subject(camera)[:8]})" in page
    (one,) = answers(owner, capsys)
    assert (one["event"], one["to"], one["release"]) == (event, "Springfield PD", subject(camera))


def test_a_decline_is_listed_as_waiting_done_or_refused(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker, answers=[]):
        owner.run("decline", name, "--yes", "--wait", "0.1")
    assert [one["event"] for one in answers(owner, capsys)] == [""]
    owner.retain([(topics.inbox(camera.name, name), b"")])
    (one,) = answers(owner, capsys)
    assert (one["event"], one["to"], one["release"]) == ("DECLINED", "Springfield PD", "")
    refusal = camera.outcome(subject(camera), "REFUSED", "replayed")
    owner.retain([(topics.release(camera.name, subject(camera)), refusal)])
    (one,) = answers(owner, capsys)
    assert (one["event"], one["detail"]) == ("REFUSED", "replayed")


def test_a_release_of_another_owner_is_listed_with_its_recipient(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    owner.post(request_jws)
    letter = camera.outcome("0" * 16, "SENT", request=signing.digest(request_jws))
    owner.retain([(topics.release(camera.name, "0" * 16), letter)])
    (one,) = answers(owner, capsys)
    assert (one["release"], one["to"], one["event"]) == ("0" * 16, "Springfield PD", "SENT")


def test_two_approvals_that_made_one_release_are_listed_once(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker, answers=[("AGREED", "0" * 16)]):
        owner.run("approve", name, "1", "--yes", "--wait", "60")
    owner.retain([(topics.release(camera.name, "0" * 16), camera.outcome("0" * 16, "SENT"))])
    (one,) = answers(owner, capsys)
    assert (one["release"], one["event"]) == (subject(camera), "SENT")
    owner.retain([(topics.release(camera.name, "1" * 16), camera.outcome("1" * 16, "SENT"))])
    agreed = camera.outcome("2" * 16, "AGREED", "1" * 16)  # what another owner completed
    owner.retain([(topics.release(camera.name, "2" * 16), agreed)])
    assert {one["release"] for one in answers(owner, capsys)} == {subject(camera), "1" * 16}


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
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    count: int,
) -> None:
    name = owner.post(request_jws, count=count)
    owner.run("inbox")
    with pytest.raises(Refused, match=rf"open are {name[:8]} \(Bicycle theft"):
        owner.run("show", "zz")
    clips = list(camera.offers)
    last = f" to {count} \\({clips[-1]}\\)" if count > 1 else ""
    for words in (["9"], []):
        with pytest.raises(Refused, match=rf"1 \({clips[0]}\){last}"):
            owner.run("approve", name, *words, "--yes")
