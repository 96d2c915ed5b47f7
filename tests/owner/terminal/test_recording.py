"""``arm disarm delete keep`` as they are typed: what is signed, and what is said."""

from __future__ import annotations

import pytest

from agent.consent import signing
from agent.consent.statements import Arm, Command, Delete, Keep
from agent.errors import Refused
from agent.keyfile import Keys
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera


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
    assert signed(camera, keys) == [Arm(armed=False), Arm(armed=True)]


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
