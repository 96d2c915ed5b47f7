"""Sharing, agreeing, muting, pausing: over a real broker, to a camera that answers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.cards import RequesterCard, format_card, format_fingerprint
from agent.consent.letters import Letter
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    Command,
    Decline,
    Disclosure,
    Mute,
    PauseRequests,
    Proposal,
    Recipient,
    ReleasedFile,
    ResumeRequests,
    Revoke,
    Share,
    UploadTarget,
)
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt import topics
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera

URL = "https://neighbour.example/files/"


@pytest.fixture
def card(tmp_path: Path) -> tuple[Path, Keys]:
    neighbour = Keys.generate()
    made = RequesterCard(
        role="requester",
        name="The neighbour",
        sign=neighbour.signing.public.text,
        seal=neighbour.recipient,
        upload_hosts=("neighbour.example",),
    )
    path = tmp_path / "requester.card.yaml"
    path.write_text(format_card(made))
    return path, neighbour


def commands(camera: FakeCamera, keys: Keys) -> list[object]:
    """The commands that the camera got, in order."""
    told: list[object] = []
    for letter in camera.decisions:
        assert letter.keys == {}, "a command brings no key"
        told.append(
            signing.verify(letter.jws, Command, {keys.fingerprint: keys.signing.public}).command
        )
    return told


def last(camera: FakeCamera) -> Letter:
    return camera.decisions[-1]


# Clips and shares


def test_clips_are_asked_for_listed_and_shared_with_a_card(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    card: tuple[Path, Keys],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, neighbour = card
    first, second = camera.record(b"one"), camera.record(b"two")
    with camera.serve(owner.broker):
        assert owner.run("clips", "--from", "2024-01-24T17:00Z", "--to", "2024-01-24T19:00Z") == 0
        assert second.id in capsys.readouterr().out
        share = ["share", "2", "--to", str(path), "--url", URL, "--trim", "2=1-5", "--yes"]
        assert owner.run(*share, "--tell-name", "Ann", "--wait", "60") == 0
    out = capsys.readouterr().out
    assert "The neighbour, who has not asked" in out and "only 1 s to 5 s" in out
    assert out.rstrip().endswith("front-door: sent, no receipt yet")
    (window,) = camera.listed
    assert (window.start, window.end) == (1_706_115_600, 1_706_122_801)
    said = signing.verify(last(camera).jws, Share, {keys.fingerprint: keys.signing.public})
    assert (said.recipient.key, said.recipient.seal) == (
        neighbour.signing.public.text,
        neighbour.recipient,
    )
    assert (said.upload.url, said.disclose.name) == (URL, "Ann")
    assert [clip.id for clip in said.clips] == [second.id]
    assert last(camera).keys == {second.id: camera.identities[second.id]}
    assert first.id not in last(camera).keys


def test_listed_clips_as_json_carry_no_keys(
    owner: OwnerAtHome,
    camera: FakeCamera,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer = camera.record(b"one")
    with camera.serve(owner.broker):
        assert owner.run("clips", "--json") == 0
    printed = capsys.readouterr().out
    (listed,) = json.loads(printed)
    assert listed["clips"][0]["id"] == offer.id
    assert offer.sealed_key not in printed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--url", "https://elsewhere.example/"], "does not list the host"),
        (["--url", "http://neighbour.example/"], "not https"),
        ([], "--to CARD, --url URL"),
    ],
)
def test_a_share_goes_where_the_card_says_or_nowhere(
    owner: OwnerAtHome,
    camera: FakeCamera,
    card: tuple[Path, Keys],
    options: list[str],
    said: str,
) -> None:
    camera.record(b"one")
    with camera.serve(owner.broker):
        owner.run("clips")
        with pytest.raises(Refused, match=said):
            owner.run("share", "1", "--to", str(card[0]), *options, "--yes")
    assert len(camera.decisions) == 1


def test_a_time_that_ends_before_it_begins_is_refused(owner: OwnerAtHome) -> None:
    with pytest.raises(Refused, match="--from must be before"):
        owner.run("clips", "--from", "2024-01-24T17:00Z", "--to", "2024-01-24T16:00Z")
    with pytest.raises(SystemExit):
        owner.run("clips", "--from", "yesterday")


def test_a_camera_that_does_not_answer_is_named(
    owner: OwnerAtHome, camera: FakeCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.owner.visit.broker._ANSWER_SECONDS", 0.2)
    from agent.errors import NetworkFault

    with pytest.raises(NetworkFault, match="front-door does not answer"):
        owner.run("clips")


# Two owners


def other_approval(camera: FakeCamera, clip: str, owner: str) -> Proposal:
    offer = camera.offers[clip]
    approved = ApprovedClip(id=clip, sha256=offer.sha256, trim=None, redact=())
    return Proposal(
        release="0123456789abcdef",
        owner=owner,
        clips=(approved,),
        disclose=Disclosure(email="otto@example.org"),
    )


def propose(owner: OwnerAtHome, request: str, proposed_by: str) -> str:
    """Let the camera report a request that waits for a second owner; returns its id."""
    camera = owner.camera
    offers = [camera.record(b"1"), camera.record(b"2")]
    proposal = other_approval(camera, offers[1].id, proposed_by)
    name = signing.digest(request)[:16]
    letter = camera.report(request, offers, approvals_needed=2, proposals=(proposal,))
    owner.retain([(topics.inbox(camera.name, name), letter)])
    return name


def test_a_second_owner_approves_exactly_the_same(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = propose(owner, request_jws, Keys.generate().fingerprint)
    owner.run("inbox")
    with camera.serve(owner.broker, answers=[("AGREED", "0123456789abcdef"), ("SENT", "")]):
        approve = ["approve", name, "--with", "0123", "--yes", "--wait", "60"]
        assert owner.run(*approve) == 0
    assert "email otto@example.org" in capsys.readouterr().out
    said = signing.verify(last(camera).jws, Approval, {keys.fingerprint: keys.signing.public})
    clip = list(camera.clips)[1]
    assert said.clips == (
        ApprovedClip(id=clip, sha256=camera.offers[clip].sha256, trim=None, redact=()),
    )
    assert said.disclose == Disclosure(email="otto@example.org")
    assert list(last(camera).keys) == [clip]


@pytest.mark.parametrize("more", [["1"], ["--tell-name", "Ann"], ["--trim", "2=1-3"]])
def test_an_agreement_cannot_change_the_approval(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    more: list[str],
) -> None:
    name = propose(owner, request_jws, Keys.generate().fingerprint)
    owner.run("inbox")
    with pytest.raises(Refused, match="exactly what another owner"):
        owner.run("approve", name, *more, "--with", "0123", "--yes")


def test_an_owner_cannot_agree_with_their_own_approval_or_an_unknown_one(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    request_jws: str,
) -> None:
    name = propose(owner, request_jws, keys.fingerprint)
    owner.run("inbox")
    with pytest.raises(Refused, match="your own approval"):
        owner.run("approve", name, "--with", "0123", "--yes")
    with pytest.raises(Refused, match="no owner has approved"):
        owner.run("approve", name, "--with", "99", "--yes")


def test_a_first_approval_ends_with_the_wait_for_another_owner(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = propose(owner, request_jws, Keys.generate().fingerprint)
    owner.run("inbox")
    with camera.serve(owner.broker, answers=[("PROPOSED", "")]):
        assert owner.run("approve", name, "1", "--yes", "--wait", "60") == 0
    out = capsys.readouterr().out
    assert "before another owner has agreed" in out
    assert "Nothing leaves before another owner has agreed to exactly this" in out


def test_a_second_owner_shares_the_same(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    card: tuple[Path, Keys],
) -> None:
    offer, other = camera.record(b"one"), Keys.generate()
    now = int(time.time())
    said = Share(
        iss=other.fingerprint,
        jti="A" * 22,
        iat=now,
        exp=now + 600,
        aud=camera.card.fingerprint,
        recipient=Recipient(
            name="The neighbour", key=card[1].signing.public.text, seal=card[1].recipient
        ),
        upload=UploadTarget(protocol="tus", url=URL),
        clips=(ApprovedClip(id=offer.id, sha256=offer.sha256, trim=None, redact=()),),
        disclose=Disclosure(),
    )
    subject = "0123456789abcdef"
    letter = camera.outcome(subject, "PROPOSED", decision=other.signing.sign(said))
    owner.retain([(topics.release(camera.name, subject), letter)])
    owner.run("inbox")
    with camera.serve(owner.broker):
        owner.run("clips")
        assert owner.run("share", "--with", "0123", "--yes", "--wait", "60") == 0
    mine = signing.verify(last(camera).jws, Share, {keys.fingerprint: keys.signing.public})
    assert (mine.recipient, mine.upload, mine.clips) == (said.recipient, said.upload, said.clips)
    assert list(last(camera).keys) == [offer.id]


# Saying no


def test_a_decline_with_a_mute_is_remembered_and_shown(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker, answers=[("DONE", "")]):
        assert owner.run("decline", name, "--mute", "--yes") == 0
    assert "front-door: done" in capsys.readouterr().out
    said = signing.verify(last(camera).jws, Decline, {keys.fingerprint: keys.signing.public})
    assert said.mute
    owner.retain([(topics.inbox(camera.name, name), b"")])
    owner.run("inbox")
    capsys.readouterr()
    assert owner.run("show", name) == 0
    out = capsys.readouterr().out
    assert "You muted Springfield PD on" in out and "You declined it on" in out
    with camera.serve(owner.broker):
        assert owner.run("unmute", name) == 0
    capsys.readouterr()
    owner.run("show", name)
    assert "MUTED" not in capsys.readouterr().out


def test_a_mute_that_the_camera_refused_has_no_effect(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    requester: Keys,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker):
        assert owner.run("mute", format_fingerprint(requester.fingerprint), "--yes") == 0
        assert owner.run("show", name) == 0
        assert "MUTED" in capsys.readouterr().out
        camera.command_answer = ("REFUSED", "replayed")
        assert owner.run("mute", requester.fingerprint, "--yes") == 1
    assert commands(camera, keys) == [Mute(requester=requester.fingerprint, muted=True)] * 2
    subject = signing.digest(last(camera).jws)[:16]
    refusal = camera.outcome(subject, "REFUSED", "replayed")
    owner.retain([(topics.release(camera.name, subject), refusal)])
    owner.run("inbox")
    assert "mute, front-door" in capsys.readouterr().out, "a refused command is named"
    owner.run("show", name)
    assert "MUTED" not in capsys.readouterr().out


def test_the_inbox_shows_a_pause_of_requests_until_it_ends(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with camera.serve(owner.broker):
        assert owner.run("pause-requests") == 0
        owner.run("inbox")
        said = " ".join(capsys.readouterr().out.split())
        assert (
            "front-door: requests paused since" in said
            and "legal orders and alerts included" in said
        )
        assert "No open requests" not in said, "nobody knows whether there are some"
        assert owner.run("resume-requests", "--camera", camera.name) == 0
        capsys.readouterr()
        owner.run("inbox")
        assert "paused" not in capsys.readouterr().out
        with pytest.raises(Refused, match="not enrolled"):
            owner.run("pause-requests", "--camera", "back-door")
    assert commands(camera, keys) == [PauseRequests(), ResumeRequests()]


def test_a_camera_that_is_off_obeys_later(
    owner: OwnerAtHome,
    camera: FakeCamera,
    capsys: pytest.CaptureFixture[str],
) -> None:
    owner.retain([(topics.availability(camera.name), b"")])
    assert owner.run("pause-requests", "--wait", "0.1") == 0
    assert "it obeys as soon as it is" in capsys.readouterr().out


def test_the_digests_of_what_left_are_shown_and_those_of_what_did_not_are_not(
    owner: OwnerAtHome, camera: FakeCamera, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = {"0" * 16: "SEALED", "1" * 16: "SENT", "2" * 16: "REVOKED", "3" * 16: "DELIVERED"}
    owner.retain(
        [
            (
                topics.release(camera.name, release),
                camera.outcome(
                    release,
                    event,
                    files=(ReleasedFile(clip="20240124-183015-3f9a2c", sha256=release * 4),),
                ),
            )
            for release, event in reports.items()
        ]
    )
    assert owner.run("inbox") == 0
    said = capsys.readouterr().out
    assert [release for release in reports if release * 4 in said] == ["1" * 16, "3" * 16]
    assert owner.run("inbox", "--json") == 0
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert {one["release"]: one["files"][0]["sha256"] for one in answers} == {
        release: release * 4 for release in reports
    }


def test_revoke_stops_what_was_not_sent(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
) -> None:
    waiting, sent = "0123456789abcdef", "f123456789abcdef"
    owner.retain(
        [
            (topics.release(camera.name, waiting), camera.outcome(waiting, "SEALED")),
            (topics.release(camera.name, sent), camera.outcome(sent, "SENT")),
        ],
    )
    owner.run("inbox")
    with camera.serve(owner.broker):
        assert owner.run("revoke", "0123", "--yes") == 0
        with pytest.raises(Refused, match="cannot be called back"):
            owner.run("revoke", "f1", "--yes")
        with pytest.raises(Refused, match="no release"):
            owner.run("revoke", "99", "--yes")
    assert commands(camera, keys) == [Revoke(release=waiting)]


def test_nothing_is_muted_revoked_or_shared_without_a_yes(
    owner: OwnerAtHome,
    camera: FakeCamera,
    requester: Keys,
    card: tuple[Path, Keys],
) -> None:
    waiting = "0123456789abcdef"
    owner.retain([(topics.release(camera.name, waiting), camera.outcome(waiting, "SEALED"))])
    camera.record(b"one")
    owner.run("inbox")
    with camera.serve(owner.broker):
        owner.run("clips")
        for command in (
            ["mute", requester.fingerprint],
            ["revoke", "0123"],
            ["share", "1", "--to", str(card[0]), "--url", URL],
        ):
            with pytest.raises(Refused, match="--yes"):
                owner.run(*command)
    assert len(camera.decisions) == 1  # the question for clips


def test_an_unknown_requester_cannot_be_muted(owner: OwnerAtHome) -> None:
    with pytest.raises(Refused, match="no open request"):
        owner.run("mute", "abcd", "--yes")
