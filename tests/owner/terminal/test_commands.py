"""The owner's commands against a real broker, from letter to last word."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.statements import Approval, Decline
from agent.errors import KeyFileError, NetworkFault, Refused
from agent.keyfile import PASSPHRASE_VARIABLE, Keys
from agent.mqtt import topics
from agent.owner.home.folder import OwnerFolder
from agent.owner.visit import broker as exchange
from tests.owner.at_home import OwnerAtHome, run
from tests.owner.camera import FakeCamera, make_request
from tests.peers.mosquitto import Mosquitto
from tests.support import footage


def test_from_letter_to_outcome(
    locked_at_home: OwnerAtHome,
    camera: FakeCamera,
    keys: Keys,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = locked_at_home
    name = owner.post(request_jws)

    assert owner.run("inbox") == 0  # with the real passphrase
    assert name[:8] in capsys.readouterr().out

    monkeypatch.setattr(OwnerFolder, "unlock", lambda self, passphrase: keys)
    assert owner.run("show", name[:8]) == 0
    assert "Bicycle theft" in capsys.readouterr().out

    target = tmp_path / "seen.mp4"
    with camera.serve(owner.broker):
        assert owner.run("save", "2", "--request", name, "--output", str(target)) == 0
        assert target.read_bytes() == bytes([1]) * 300_000
        assert owner.run("approve", name, "2", "--yes", "--wait", "60") == 0
    out = capsys.readouterr().out
    assert "no name, no address, no e-mail" in out
    assert out.rstrip().endswith("front-door: sent, no receipt yet")

    letter = camera.decisions[-1]
    approval = signing.verify(letter.jws, Approval, {keys.fingerprint: keys.signing.public})
    assert [clip.id for clip in approval.clips] == list(camera.clips)[1:]
    assert list(letter.keys) == list(camera.clips)[1:]


def test_a_refusal_by_the_camera_is_a_failure(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    answers = [("APPROVED", ""), ("REFUSED", "clip-changed")]
    with camera.serve(owner.broker, answers=answers):
        assert owner.run("approve", name, "1", "--yes", "--wait", "60") == 1


def test_a_decline_reaches_the_camera_alone(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, request_jws: str
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker):
        assert owner.run("decline", name, "--yes") == 0
        deadline = time.monotonic() + 60
        while not camera.decisions and time.monotonic() < deadline:
            time.sleep(0.01)
    (letter,) = camera.decisions
    signing.verify(letter.jws, Decline, {keys.fingerprint: keys.signing.public})
    assert letter.keys == {}


def test_nothing_leaves_without_a_yes(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    with camera.serve(owner.broker):
        for command in (["approve", name, "1"], ["decline", name]):
            with pytest.raises(Refused, match="--yes"):
                owner.run(*command)
    assert camera.decisions == []


def test_the_inbox_as_json_with_a_strangers_letter_as_a_warning(
    owner: OwnerAtHome,
    camera: FakeCamera,
    requester: Keys,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws)
    stranger, other = FakeCamera(camera.name, camera.owner), make_request(requester)
    topic = topics.inbox(camera.name, signing.digest(other)[:16])
    release = topics.release(camera.name, "0123456789abcdef")
    owner.retain(
        [
            (topic, stranger.report(other, [])),
            (release, camera.outcome("0123456789abcdef", "SEALED", "waiting")),
        ],
    )
    assert owner.run("inbox", "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert [item["digest"][:16] for item in plain["requests"]] == [name]
    assert [(word["release"], word["event"]) for word in plain["releases"]] == [
        ("0123456789abcdef", "SEALED")
    ]
    assert "unknown-signer" in plain["warnings"][0]


def test_a_request_closed_at_the_broker_leaves_the_inbox(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = owner.post(request_jws)
    owner.run("inbox")
    said = topics.status(camera.name, camera.owner.fingerprint)
    owner.retain([(topics.inbox(camera.name, name), b""), (said, camera.status())])
    capsys.readouterr()
    owner.run("inbox")
    assert "No open requests" in capsys.readouterr().out
    assert owner.run("show", name) == 0  # what it said can still be read
    assert "can no longer be answered" in capsys.readouterr().out
    with pytest.raises(Refused, match="no open request"):
        owner.run("approve", name, "1")


def test_a_camera_that_sends_nothing_is_one_line(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(exchange, "_CHUNK_SECONDS", 0.2)
    name = owner.post(request_jws)
    owner.run("inbox")
    with pytest.raises(NetworkFault, match="did not arrive"):
        owner.run("save", "1", "--request", name, "--output", str(tmp_path / "x.mp4"))
    assert not (tmp_path / "x.mp4").exists()


def test_a_broker_that_is_away_is_one_line(owner: OwnerAtHome, mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    with pytest.raises(NetworkFault) as caught:
        owner.run("inbox")
    assert "\n" not in str(caught.value)


def test_a_wrong_passphrase_is_refused_before_anything_else(
    locked_at_home: OwnerAtHome, monkeypatch: pytest.MonkeyPatch, mosquitto: Mosquitto
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong horse")
    mosquitto.stop()
    with pytest.raises(KeyFileError, match="wrong passphrase"):
        locked_at_home.run("inbox")


def test_init_makes_a_folder_that_the_other_commands_understand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ("--home", str(tmp_path / "new"))
    assert run("init", "--broker", "[::1]:8884", "--tls", "--name", "Ann", *home) == 0
    settings = OwnerFolder(tmp_path / "new").settings()
    assert (settings.mqtt.host, settings.mqtt.port) == ("::1", 8884)
    assert settings.mqtt.tls is not None
    capsys.readouterr()
    assert run("card", *home) == 0
    assert "name: Ann" in capsys.readouterr().out
    with pytest.raises(KeyFileError, match="not overwritten"):
        run("init", "--broker", "127.0.0.1", *home)


@pytest.mark.parametrize("trim", ["1", "1=5-2", "1=a-b"])
def test_a_mistyped_trim_is_wrong_usage(trim: str) -> None:
    with pytest.raises(SystemExit) as caught:
        run("approve", "abcd", "1", "--trim", trim)
    assert caught.value.code == 2


def test_a_preview_without_a_terminal_leaves_a_plain_copy_for_its_user_alone(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    clip = footage.record(1)
    name = owner.post(request_jws, offers=[camera.record(clip)])
    owner.run("inbox")
    capsys.readouterr()
    with camera.serve(owner.broker):
        assert owner.run("preview", "1", "--request", name) == 0
    copy = Path(capsys.readouterr().out.splitlines()[0])
    assert copy.read_bytes() == footage.prepared(clip)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700
