"""``arm disarm delete keep`` as they are typed: what is signed, and what is said."""

from __future__ import annotations

import json
import time

import pytest

from agent.consent import signing
from agent.consent.statements import Arm, Arming, Command, Delete, Keep
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.wording import text
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.owner.terminal.test_request_view import flat


def signed(camera: FakeCamera, keys: Keys) -> list[object]:
    """The commands that the camera got."""
    known = {keys.fingerprint: keys.signing.public}
    return [signing.verify(one.jws, Command, known).command for one in camera.decisions]


def test_arm_and_disarm_say_what_the_camera_did(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    with camera.serve(owner.broker):
        assert owner.run("disarm", "--yes", "--wait", "60") == 0
        assert "Recording is off" in capsys.readouterr().out
        assert owner.run("arm", "--wait", "60") == 0
        assert owner.run("arm", "--by-schedule", "--wait", "60") == 0
        assert "in the times of `camera.armed`" in flat(capsys.readouterr().out)
    scheduled = Arm(armed=True, scheduled=True)
    assert signed(camera, keys) == [Arm(armed=False), Arm(armed=True), scheduled]


def test_delete_and_keep_name_the_clip_that_was_listed(
    owner: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    first, second = camera.clips
    where = ("--request", name, "--wait", "60")
    with camera.serve(owner.broker):
        assert owner.run("keep", "1", *where) == 0
        assert owner.run("keep", first, "--no-longer", *where) == 0
        capsys.readouterr()
        assert owner.run("delete", "2", "--yes", *where) == 0
    assert second in (said := capsys.readouterr().out)
    assert "for good" in said and "The clip is deleted" in said
    assert signed(camera, keys) == [
        Keep(clip=first, keep=True), Keep(clip=first, keep=False), Delete(clip=second),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["delete", "1", "--yes", "--request", "REQUEST"], "delete"),
        (["keep", "1", "--request", "REQUEST"], "keep"),
        (["keep", "1", "--no-longer", "--request", "REQUEST"], "keep --no-longer"),
        (["arm"], "arm"),
        (["disarm", "--yes"], "disarm"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
@pytest.mark.parametrize("computer", ["this one", "another"])
def test_a_command_that_the_camera_refused_is_named_by_what_it_was(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    command: list[str],
    name: str,
    computer: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where a later command of the same sort was given, or another computer gave it."""
    request = owner.post(request_jws)
    subject, what = "0123456789abcdef", name
    if computer == "this one":
        owner.run("inbox")
        owner.run(*(request if one == "REQUEST" else one for one in command), "--wait", "0.1")
        (file,) = (owner.folder.path / "awaited" / camera.name).iterdir()
        subject, what = file.stem, ""
    told = camera.outcome(subject, "REFUSED", "the camera did not answer", what=what)
    owner.retain([(topics.release(camera.name, subject), told)])
    capsys.readouterr()
    owner.run("inbox")
    said = flat(capsys.readouterr().out)
    assert f"{name}, front-door" in said and "a command" not in said


def test_kept_clips_and_a_switched_off_recording_are_shown(
    owner: OwnerAtHome, camera: FakeCamera, capsys: pytest.CaptureFixture[str]
) -> None:
    camera.record(b"one", kept=True)
    camera.record(b"two")
    at = int(time.time()) - 3_600
    camera.arming = Arming(armed=False, owner=camera.owner.fingerprint, at=at)
    camera.kept = 1
    off = f"recording is off since {text.moment(at)} by Ann Example"
    with camera.serve(owner.broker):
        owner.run("clips")
        said = flat(capsys.readouterr().out)
        assert said.count("kept") == 1 and f"front-door: {off}" in said
        owner.run("clips", "--json")
        clips = json.loads(capsys.readouterr().out)[0]["clips"]
        assert [clip["kept"] for clip in clips] == [True, False]
        owner.run("inbox")
        assert f"front-door: {off}." in flat(capsys.readouterr().out)
        owner.run("status")
        said = flat(capsys.readouterr().out)
        assert f"Recording off since {text.moment(at)} by Ann Example" in said
        assert "2, 1 of them kept" in said
        camera.arming = Arming(armed=True, owner="x" * 43, at=at)
    with camera.serve(owner.broker):
        owner.run("status")
    said = flat(capsys.readouterr().out)
    assert f"Recording on since {text.moment(at)} by an owner who has left" in said


def test_a_recording_that_home_assistant_switched_off_is_told_and_is_no_alarm(
    owner: OwnerAtHome, camera: FakeCamera, capsys: pytest.CaptureFixture[str]
) -> None:
    camera.arming = Arming(armed=False, switched=True)
    with camera.serve(owner.broker):
        owner.run("status")
        said = flat(capsys.readouterr().out)
        assert "Recording off by the switch in Home Assistant" in said
        owner.run("inbox")
    assert "recording is off" not in flat(capsys.readouterr().out)


def test_warnings_of_the_camera_itself_are_shown(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    warning = "2 messages do not get through to you"
    letter = camera.status(warnings=(warning,))
    owner.retain([(topics.status(camera.name, keys.fingerprint), letter)])
    for command in ("inbox", "status"):
        owner.run(command)
        assert f"front-door: {warning}." in flat(capsys.readouterr().out)


def test_nothing_is_deleted_or_disarmed_without_a_yes(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker):
        for command in (["delete", "1", "--request", name], ["disarm"]):
            with pytest.raises(Refused, match="--yes"):
                owner.run(*command)
    assert camera.decisions == []


def test_what_the_camera_refuses_is_a_failure(
    owner: OwnerAtHome, camera: FakeCamera, capsys: pytest.CaptureFixture[str]
) -> None:
    camera.command_answer = ("REFUSED", "a later command of an owner stands")
    with camera.serve(owner.broker):
        assert owner.run("arm", "--wait", "60") == 1
    assert "a later command" in capsys.readouterr().out
