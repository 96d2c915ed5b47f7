"""An owner looks through a camera: true pictures, in their order, and for minutes only."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.statements import Look, StopLooking
from agent.errors import NetworkFault, Refused
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.pictures import look
from agent.owner.pictures.look import Picture
from agent.vault import stills
from agent.vault.stills import Still
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import NOW, FakeCamera
from tests.support.pictures import jpeg

DEVICE = "front-door"
SHOWN = [jpeg(shade) for shade in (40, 90, 200)]
Make = Callable[[str], bytes]


def still(camera: FakeCamera, number: int, picture: bytes, look: str | None = None) -> Make:
    """A picture as the camera makes it; another digest than the command's with ``look``."""

    def make(digest: str) -> bytes:
        text = base64.b64encode(picture).decode()
        made = Still(look=look or digest, number=number, at=NOW + number, picture=text)
        return stills.sealed(made, camera.owner.seal)

    return make


def looked(owner: OwnerAtHome, camera: FakeCamera, keys: Keys, *, count: int) -> list[Picture]:
    """The first ``count`` pictures that an owner sees."""
    seen: list[Picture] = []
    with camera.serve(owner.broker):
        client = OwnerClient(owner.folder)
        client.pictures.look(DEVICE, keys, seen.append, wanted=lambda: len(seen) < count)
    return seen


def commands(camera: FakeCamera) -> list[object]:
    return [camera._command(letter) for letter in camera.decisions]


def test_pictures_come_in_their_order_and_the_look_is_ended(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    camera.looks = [still(camera, n, one) for n, one in enumerate(SHOWN)]
    seen = looked(owner, camera, keys, count=3)
    assert [(one.jpeg, one.at) for one in seen] == [(s, NOW + n) for n, s in enumerate(SHOWN)]
    assert {(one.width, one.height) for one in seen} == {(320, 180)}
    asked = signing.digest(camera.decisions[0].jws)[:16]
    assert commands(camera) == [Look(seconds=300), StopLooking(look=asked)]


def test_older_doubled_foreign_and_hostile_pictures_are_passed_over(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    first, second, last = SHOWN
    stranger = Keys.generate()
    to_another = Still(look="0" * 64, number=3, at=1.0, picture="")
    camera.looks = [
        still(camera, 1, first),
        still(camera, 1, second),  # doubled
        still(camera, 0, second),  # older
        still(camera, 2, second, look="f" * 64),  # of another look
        still(camera, 3, b"<svg onload=alert(1)>"),
        still(camera, 4, first + b"<script>"),
        lambda _: b"",
        lambda _: b"age-encryption.org/v1\n" + bytes(100),
        lambda _: bytes(stills.MAX_BYTES + 1),
        lambda _: stills.sealed(to_another, stranger.recipient),
        still(camera, 5, last),
    ]
    assert [one.jpeg for one in looked(owner, camera, keys, count=2)] == [first, last]


def test_a_picture_that_only_knows_the_topic_is_not_shown(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    """The broker sees 16 digits of the digest in the topic, and may know the owner's age key."""

    def forged(digest: str) -> bytes:
        return still(camera, 0, SHOWN[0], look=digest[:16] + "0" * 48)(digest)

    camera.looks = [forged, still(camera, 1, SHOWN[1])]
    assert [one.jpeg for one in looked(owner, camera, keys, count=1)] == [SHOWN[1]]


def test_a_fault_while_a_picture_is_shown_ends_the_look(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    camera.looks = [still(camera, 0, SHOWN[0])]

    def interrupt(_: Picture) -> None:
        raise KeyboardInterrupt

    with camera.serve(owner.broker), pytest.raises(KeyboardInterrupt):
        OwnerClient(owner.folder).pictures.look(DEVICE, keys, interrupt)
    assert isinstance(commands(camera)[-1], StopLooking)


def test_a_refusal_and_a_silent_camera_are_told(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = OwnerClient(owner.folder)
    with camera.serve(owner.broker):
        with monkeypatch.context() as patch:
            patch.setattr(look, "_FIRST_SECONDS", 0.3)
            with pytest.raises(NetworkFault, match="front-door sends no pictures"):
                client.pictures.look(DEVICE, keys, lambda _: None)
        camera.looks_refused = "4 owners look already"
        with pytest.raises(Refused, match="4 owners look already"):
            client.pictures.look(DEVICE, keys, lambda _: None)
    with pytest.raises(NetworkFault, match="front-door is offline"):
        client.pictures.look(DEVICE, keys, lambda _: None)


def test_the_command_writes_each_picture_to_one_file(
    owner: OwnerAtHome, camera: FakeCamera, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera.looks = [still(camera, n, one) for n, one in enumerate(SHOWN)]
    target = tmp_path / "look.jpg"
    with camera.serve(owner.broker):
        assert owner.run("look", DEVICE, "--output", str(target), "--seconds", "1") == 0
    assert target.read_bytes() == SHOWN[-1]
    assert target.stat().st_mode & 0o077 == 0
    assert "3 pictures came" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", ["0", "301", "-5"])
def test_a_look_is_for_one_second_to_five_minutes(
    seconds: str, owner: OwnerAtHome, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="from 1 to 300"):
        owner.run("look", DEVICE, "--output", str(tmp_path / "a.jpg"), "--seconds", seconds)
