"""The owner's files and stock age: our program is not needed to open a clip."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from agent import keyfile
from agent.consent.cards import format_card, format_fingerprint
from agent.errors import ConfigError, KeyFileError
from agent.keyfile import NEW_PASSPHRASE_VARIABLE, PASSPHRASE_VARIABLE, Keys
from agent.owner.home import keys as owner_keys
from agent.owner.home.folder import OwnerFolder, Settings, StoredStatement
from tests.owner.at_home import run
from tests.owner.camera import FakeCamera
from tests.owner.conftest import PASSPHRASE
from tests.peers.requirements import program

PLAIN = b"\x00\x00\x00\x18ftypmp42" + bytes(200_000)


@pytest.fixture
def sealed_clip(tmp_path: Path, camera: FakeCamera) -> Path:
    offer = camera.record(PLAIN)
    path = tmp_path / "clip.mp4.age"
    path.write_bytes(camera.clips[offer.id])
    return path


def test_stock_age_opens_a_clip_with_the_owner_file(home: OwnerFolder, sealed_clip: Path) -> None:
    # age asks at its controlling terminal, so it gets one of its own.
    ours, theirs = os.openpty()
    command = [program("age"), "-d", "-i", str(home.key_path), str(sealed_clip)]
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=theirs, stdout=subprocess.PIPE
    ) as age:
        os.close(theirs)
        prompt = b""
        while b":" not in prompt:
            prompt += os.read(ours, 1_024)
        os.write(ours, PASSPHRASE.encode() + b"\n")
        plain, _ = age.communicate(timeout=60)
    os.close(ours)
    assert age.returncode == 0
    assert plain == PLAIN


def test_stock_age_opens_a_clip_with_the_recovery_sheet(
    home: OwnerFolder, sealed_clip: Path
) -> None:
    sheet = home.path / "recovery.txt"
    command = [program("age"), "-d", "-i", str(sheet), str(sealed_clip)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == PLAIN


def test_one_line_typed_from_the_sheet_is_enough(
    home: OwnerFolder, sealed_clip: Path, tmp_path: Path
) -> None:
    typed = tmp_path / "typed.txt"
    typed.write_text((home.path / "recovery.txt").read_text().strip().splitlines()[-1] + "\n")
    command = [program("age"), "-d", "-i", str(typed), str(sealed_clip)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == PLAIN


def test_secret_files_are_their_owners_alone(home: OwnerFolder) -> None:
    for name in ("owner.age", "recovery.txt", "owner.yaml"):
        assert (home.path / name).stat().st_mode & 0o777 == 0o600
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_the_recovery_identity_stands_on_the_sheet_alone(
    home: OwnerFolder, locked_owner: owner_keys.NewOwner
) -> None:
    identity = locked_owner.sheet.strip().splitlines()[-1]
    for path in home.path.rglob("*"):
        if path.is_file() and path.name != "recovery.txt":
            assert identity not in path.read_text(errors="replace")
    assert identity not in repr(locked_owner)


def test_existing_keys_are_never_replaced(
    home: OwnerFolder, locked_owner: owner_keys.NewOwner
) -> None:
    before = home.key_path.read_bytes()
    with pytest.raises(KeyFileError, match="not overwritten"):
        OwnerFolder.create(home.path, locked_owner, Settings(mqtt=home.settings().mqtt))
    assert home.key_path.read_bytes() == before


def test_a_card_of_other_keys_is_named_at_each_unlock(
    home: OwnerFolder, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = home.card()
    monkeypatch.setattr(keyfile, "unlock", lambda *arguments: keys)
    assert home.unlock(PASSPHRASE) is keys
    other = Keys.generate()
    for changed in (
        msgspec.structs.replace(card, seal=other.recipient),
        msgspec.structs.replace(card, sign=other.signing.public.text),
    ):
        home.card_path.write_text(format_card(changed))
        with pytest.raises(KeyFileError, match="other keys") as caught:
            home.unlock(PASSPHRASE)
        assert "backup" in str(caught.value)


@pytest.mark.parametrize("lost", ["owner.age", "owner.card.yaml", "recovery.txt", "owner.yaml"])
def test_init_beside_a_half_folder_changes_nothing(
    home: OwnerFolder, locked_owner: owner_keys.NewOwner, lost: str
) -> None:
    settings = home.settings()
    (home.path / lost).unlink()
    before = {path.name: path.read_bytes() for path in home.path.iterdir()}
    with pytest.raises(KeyFileError, match="not overwritten"):
        OwnerFolder.create(home.path, locked_owner, settings)
    assert {path.name: path.read_bytes() for path in home.path.iterdir()} == before


def test_a_camera_is_enrolled_once(home: OwnerFolder, camera: FakeCamera, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="enrolled already"):
        home.enrol(tmp_path / "device.card.yaml")
    assert list(home.devices()) == ["front-door"]


def test_a_renamed_camera_replaces_its_old_card_and_says_so(
    home: OwnerFolder,
    camera: FakeCamera,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    card, said = tmp_path / "device.card.yaml", StoredStatement(jws="a.b.c", received_at=1.0)
    for folder in ("given", "letters"):
        home.keep(folder, "front-door", "0123456789abcdef", said)
    card.write_text(card.read_text().replace("front-door", "back-door"))
    assert run("card", "--add", str(card), "--home", str(home.path)) == 0
    assert "replaces that card: the camera was renamed" in capsys.readouterr().out
    assert list(home.devices()) == ["back-door"]
    assert home.letter("given", "back-door", "0123456789abcdef") == said, "decisions are kept"
    assert home.names("letters", "front-door") == []


def test_a_camera_with_new_keys_is_enrolled_after_its_old_card_is_removed(
    home: OwnerFolder,
    camera: FakeCamera,
    locked_owner: owner_keys.NewOwner,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other, card = FakeCamera(camera.name, locked_owner.card), tmp_path / "other.card.yaml"
    card.write_text(format_card(other.card))
    with pytest.raises(ConfigError, match="enrolled already") as caught:
        home.enrol(card)
    assert "card --remove front-door" in caught.value.advice
    assert run("card", "--remove", "front-door", "--home", str(home.path)) == 0
    assert home.devices() == {}
    home.enrol(card)
    assert home.devices()[camera.name].fingerprint == other.keys.fingerprint
    with pytest.raises(ConfigError, match="no camera named 'porch'"):
        run("card", "--remove", "porch", "--home", str(home.path))


def test_a_card_of_another_role_is_refused(home: OwnerFolder) -> None:
    with pytest.raises(ConfigError, match=r"owner\.card\.yaml"):
        home.enrol(home.card_path)


@pytest.mark.parametrize("name", ["../../etc", "a/b", "Front", "+", "#", "a\\x1b[2Jb"])
def test_a_camera_whose_name_is_unsafe_is_refused(
    home: OwnerFolder, camera: FakeCamera, tmp_path: Path, name: str
) -> None:
    card = tmp_path / "hostile.card.yaml"
    text = (tmp_path / "device.card.yaml").read_text()
    card.write_text(text.replace("name: front-door", f'name: "{name}"'))
    with pytest.raises(ConfigError, match="name"):
        home.enrol(card)


def test_owner_passphrase_changes_what_opens_the_keys(
    home: OwnerFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = home.unlock(PASSPHRASE).identity
    (tmp_path / "new").write_text("another passphrase\n")
    files = ["--new-passphrase-file", str(tmp_path / "new")]
    assert run("passphrase", "--home", str(home.path), *files) == 0
    assert home.unlock("another passphrase").identity == identity
    assert "backups" in capsys.readouterr().out
    with pytest.raises(KeyFileError, match="wrong passphrase"):
        home.unlock(PASSPHRASE)


def test_both_passphrases_come_from_variables_that_no_player_inherits(
    home: OwnerFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert NEW_PASSPHRASE_VARIABLE.startswith(PASSPHRASE_VARIABLE)
    monkeypatch.setenv(NEW_PASSPHRASE_VARIABLE, "another passphrase")
    assert run("passphrase", "--home", str(home.path)) == 0
    assert home.unlock("another passphrase")


def test_a_short_new_passphrase_changes_nothing(home: OwnerFolder, tmp_path: Path) -> None:
    before = home.key_path.read_bytes()
    (tmp_path / "new").write_text("short\n")
    files = ["--new-passphrase-file", str(tmp_path / "new")]
    with pytest.raises(KeyFileError, match="shorter"):
        run("passphrase", "--home", str(home.path), *files)
    assert home.key_path.read_bytes() == before


@pytest.mark.parametrize("option", ["--password-file", "--ca-file"])
def test_init_names_a_missing_file_before_it_asks_for_anything(
    tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    options = ["--broker", "b.example", "--username", "owner", option, str(tmp_path / "missing")]
    with pytest.raises(ConfigError, match="missing"):
        run("init", "--home", str(tmp_path / "new"), *options)
    assert not (tmp_path / "new").exists()


def test_init_and_card_print_the_fingerprint_to_compare_by_telephone(
    home: OwnerFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("card", "--home", str(home.path)) == 0
    assert format_fingerprint(home.card().fingerprint) in capsys.readouterr().out
    new = tmp_path / "new"
    assert run("init", "--home", str(new), "--broker", "b.example") == 0
    assert format_fingerprint(OwnerFolder(new).card().fingerprint) in capsys.readouterr().out
