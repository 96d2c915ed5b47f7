"""The owner's tool repeats what a camera may have missed."""

from __future__ import annotations

import pytest

from agent.consent.statements import HeldDecision
from agent.mqtt import topics
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.owner.decisions.test_answers import subject


def approved(owner: OwnerAtHome, camera: FakeCamera, request_jws: str, event: str) -> str:
    """The id of an approval on which the camera last reported ``event``."""
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker, answers=[(event, "")] if event else []):
        owner.run("approve", name[:8], "1", "--yes")
    release = subject(camera)
    if event:
        told = camera.outcome(release, event)
        owner.retain([(topics.release(camera.name, release), told)])
    return release


@pytest.mark.parametrize(
    ("event", "is_named"),
    [
        ("", True),
        ("SEALED", True),
        ("HELD", True),
        ("SENT", False),
        ("FAILED", False),
        ("DELIVERED", False),
    ],
)
def test_an_approval_is_named_as_standing_until_it_is_over(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str, event: str, is_named: bool
) -> None:
    release = approved(owner, camera, request_jws, event)
    with camera.serve(owner.broker):
        owner.run("inbox")
    (sync,) = camera.syncs[-1:]
    named = (HeldDecision(decision=release, standing=True),) if is_named else ()
    assert sync.decisions == named


@pytest.mark.parametrize("how", ["revoke", "decline"])
def test_an_approval_that_its_owner_took_back_is_named_as_revoked(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str, how: str
) -> None:
    """Also if the broker loses the letter that said so."""
    release = approved(owner, camera, request_jws, "SEALED")
    name = owner.post(request_jws)
    owner.run("inbox")
    owner.run(how, release if how == "revoke" else name[:8], "--yes", "--wait", "0.1")
    with camera.serve(owner.broker):
        owner.run("inbox")
    assert camera.syncs[-1].decisions == (HeldDecision(decision=release, standing=False),)


def test_a_revocation_is_named_also_after_the_camera_has_answered_it(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    """A camera that is set back later may hear the approval again, and nothing of this."""
    release = approved(owner, camera, request_jws, "SEALED")
    owner.run("revoke", release, "--yes", "--wait", "0.1")
    owner.retain([(topics.release(camera.name, release), camera.outcome(release, "REVOKED"))])
    with camera.serve(owner.broker):
        owner.run("inbox")
    assert camera.syncs[-1].decisions == (HeldDecision(decision=release, standing=False),)


def test_a_release_that_was_sent_stays_sent_when_the_camera_is_set_back(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    release = approved(owner, camera, request_jws, "SENT")
    owner.run("inbox")
    owner.retain([(topics.release(camera.name, release), camera.outcome(release, "SEALED"))])
    with camera.serve(owner.broker):
        owner.run("inbox")
    assert camera.syncs[-1].decisions == ()


def test_mutes_and_the_pause_are_repeated(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    name = owner.post(request_jws)
    with camera.serve(owner.broker):
        owner.run("inbox")
        owner.run("pause-requests")
        owner.run("mute", name[:8], "--yes")
        owner.run("inbox")
    last = camera.syncs[-1]
    assert last.pause is not None and last.pause.paused
    assert [mute.muted for mute in last.mutes] == [True]


def test_a_decline_is_sent_again_while_the_camera_shows_the_request_as_open(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    owner.run("decline", name[:8], "--yes", "--wait", "0.1")  # the broker has no session for it
    for count in (1, 2):
        with camera.serve(owner.broker, answers=[]):
            owner.run("inbox")
        assert len(camera.decisions) == count, "the same letter, which counts once"
    assert len({letter.jws for letter in camera.decisions}) == 1
    owner.retain([(topics.inbox(camera.name, name), b"")])
    with camera.serve(owner.broker, answers=[]):
        owner.run("inbox")
    assert len(camera.decisions) == 2


def test_a_camera_that_is_offline_is_sent_nothing_that_would_pile_up(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    owner.post(request_jws)
    owner.retain([(topics.availability(camera.name), topics.OFFLINE)])
    sent: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.owner.visit.broker.send", lambda *said: sent.append(said))
        owner.run("inbox")
    assert sent == []
