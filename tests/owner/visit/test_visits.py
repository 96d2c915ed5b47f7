"""Each command of the unlocked tool that connects repeats what the camera may have missed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.statements import Arm, Command, HeldDecision, Keep
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.home.folder import OwnerFolder
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.owner.decisions.test_answers import subject
from tests.owner.terminal.test_recording import signed


@pytest.fixture
def approved(owner: OwnerAtHome, camera: FakeCamera, request_jws: str) -> str:
    """An approval that is under way."""
    name = owner.post(request_jws)
    with camera.serve(owner.broker, answers=[]):
        owner.run("inbox")
        owner.run("approve", name, "1", "--yes")
    camera.syncs.clear()
    return subject(camera)


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["clips"],
        ["save", "1", "--request", "REQUEST", "--output", "FILE"],
        ["approve", "REQUEST", "2", "--yes"],
        ["mute", "REQUEST", "--yes"],
        ["pause-requests"],
        ["disarm", "--yes"],
        ["keep", "1", "--request", "REQUEST"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_connects_names_the_approvals_that_stand(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    approved: str,
    command: list[str],
) -> None:
    names = {"REQUEST": signing.digest(request_jws)[:16], "FILE": str(owner.folder.path / "x.mp4")}
    with camera.serve(owner.broker, answers=[]):
        owner.run(*(names.get(word, word) for word in command))
    (sync,) = camera.syncs
    assert HeldDecision(decision=approved, standing=True) in sync.decisions


@pytest.mark.parametrize("how", ["revoke", "decline"])
def test_the_command_that_takes_an_approval_back_never_names_it_as_standing(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str, approved: str, how: str
) -> None:
    name = approved if how == "revoke" else signing.digest(request_jws)[:16]
    with camera.serve(owner.broker, answers=[]):
        owner.run(how, name, "--yes")
    (sync,) = camera.syncs
    assert sync.decisions == (HeldDecision(decision=approved, standing=False),)


def test_a_command_for_the_camera_is_repeated_until_it_is_answered(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    owner.run("disarm", "--yes", "--wait", "0.1")  # the broker has no session for it
    camera.command_answer = ("DONE", "recording is off")
    with camera.serve(owner.broker):
        owner.run("inbox", "--wait", "2")
    assert signed(camera, keys) == [Arm(armed=False)]
    owner.retain([(topics.release(camera.name, subject(camera)), answer(camera))])
    with camera.serve(owner.broker):
        owner.run("status")
        owner.run("inbox")
    assert len(camera.decisions) == 1


def answer(camera: FakeCamera) -> bytes:
    return camera.outcome(subject(camera), *camera.command_answer)


def test_of_commands_about_the_same_thing_the_last_alone_is_repeated(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, request_jws: str
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    clips = list(camera.clips)
    for words in (
        ["disarm", "--yes"], ["arm"],
        ["keep", "1", "--request", name], ["keep", "1", "--no-longer", "--request", name],
        ["keep", "2", "--request", name],
    ):  # fmt: skip
        owner.run(*words, "--wait", "0.1")
    with camera.serve(owner.broker, answers=[]):
        owner.run("status")
    assert sorted(map(str, signed(camera, keys))) == sorted(
        map(str, [Arm(armed=True), Keep(clip=clips[0], keep=False), Keep(clip=clips[1], keep=True)])
    )


@pytest.mark.parametrize("state", ["lost", "revoked", "declined", "closed"])
def test_an_approval_that_the_broker_lost_is_sent_again_with_its_keys_unless_it_was_taken_back(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str, state: str
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    owner.run("approve", name, "1", "--yes")
    match state:
        case "revoked":
            (given,) = (owner.folder.path / "given" / camera.name).iterdir()
            owner.run("revoke", given.stem, "--yes", "--wait", "0.1")
        case "declined":
            owner.run("decline", name, "--yes", "--wait", "0.1")
        case "closed":
            owner.retain([(topics.inbox(camera.name, name), b"")])
    camera.ahead_seconds = 5  # it has spoken since
    with camera.serve(owner.broker, answers=[]):
        owner.run("status")
    brought = [one.keys for one in camera.decisions if one.keys]
    clip = next(iter(camera.offers))
    assert brought == ([{clip: camera.identities[clip]}] if state == "lost" else [])


def test_an_approval_of_which_the_camera_may_not_know_yet_is_not_sent_twice(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, approved: str
) -> None:
    """Its last status is older than the approval."""
    earlier = camera.status(iat=int(time.time()) - 60)
    owner.folder.drop("status", camera.name, "status")
    owner.retain([(topics.status(camera.name, keys.fingerprint), earlier)])
    sent: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "agent.owner.visit.broker.send", lambda _, decision: sent.append(decision.subject)
        )
        owner.run("inbox")
    assert approved not in sent


def test_an_offline_camera_gets_a_command_and_nothing_else(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, approved: str
) -> None:
    sent: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "agent.owner.visit.broker.send", lambda _, decision: sent.append(decision.jws)
        )
        owner.run("pause-requests", "--wait", "0.1")
    (jws,) = sent
    assert isinstance(jws, str)
    known = {keys.fingerprint: keys.signing.public}
    assert signing.verify(jws, Command, known).command.__class__.__name__ == "PauseRequests"


def test_a_copy_of_the_folder_on_another_computer_names_itself_by_another_id(
    home: OwnerFolder, tmp_path: Path
) -> None:
    first = home.computer()
    assert OwnerFolder(home.path).computer() == first, "the same computer, another day"
    shutil.copytree(home.path, tmp_path / "laptop")
    laptop = OwnerFolder(tmp_path / "laptop")
    assert laptop.computer() not in ("", first)
    assert home.computer() == first and laptop.computer() == laptop.computer()
