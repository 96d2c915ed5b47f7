"""Key files: what opens them, what does not, and what the message then says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import files, keyfile
from agent.errors import ConfigError, KeyFileError, StorageFault
from agent.keyfile import Keys
from tests.support.quick_keys import ages_own_encrypt

Form = Literal["NFC", "NFD"]
PASSPHRASE = "correct horse battery"
PHRASE = "grüne Äpfel"
NOW = 1_706_121_000.0


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys.generate()


@pytest.fixture(scope="session")
def locked(keys: Keys) -> bytes:
    return keyfile.lock(keys, "requester", PASSPHRASE, now=NOW)


def test_the_right_passphrase_gives_the_same_keys(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the second of work that age wants."""
    monkeypatch.setattr(pyrage.passphrase, "encrypt", ages_own_encrypt)
    locked = keyfile.lock(keys, "requester", PASSPHRASE, now=NOW)
    assert int(re.findall(rb"-> scrypt \S+ (\d+)", locked)[0]) >= 14
    path = tmp_path / "requester.age"
    keyfile.write_new(path, locked, mode=0o600)
    opened = keyfile.unlock(path, "requester", PASSPHRASE)
    assert (opened.fingerprint, opened.identity) == (keys.fingerprint, keys.identity)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_wrong_passphrase_is_one_line(tmp_path: Path, locked: bytes) -> None:
    path = tmp_path / "requester.age"
    path.write_bytes(locked)
    with pytest.raises(KeyFileError, match="wrong passphrase") as caught:
        keyfile.unlock(path, "requester", PASSPHRASE + "!")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"not age", b"age-encryption.org/v1\nfoo"])
def test_a_file_that_is_no_key_file(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "requester.age"
    path.write_bytes(damage)
    with pytest.raises(KeyFileError):
        keyfile.unlock(path, "requester", PASSPHRASE)


def test_the_fault_of_a_missing_key_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="clip-agent owner init"):
        keyfile.unlock(tmp_path / "owner.age", "owner", PASSPHRASE)


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "owner.age"
    path.write_bytes(b"precious")
    with pytest.raises(KeyFileError, match="not overwritten"):
        keyfile.write_new(path, b"new", mode=0o600)
    assert path.read_bytes() == b"precious"


def test_the_keys_of_another_role_are_refused(keys: Keys) -> None:
    text = keyfile.format_keys(keys, "owner", now=NOW)
    with pytest.raises(KeyFileError, match="requester"):
        keyfile.parse_keys(text, "requester")


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(KeyFileError):
        keyfile.parse_keys(text, "owner")


def test_no_repr_shows_a_secret(keys: Keys) -> None:
    assert keys.identity not in repr(keys)
    assert keys.signing.to_text() not in repr(keys)


def test_the_passphrase_comes_from_file_then_environment_then_terminal(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("from the file\nsecond line\n")
    environ = {keyfile.PASSPHRASE_VARIABLE: "from the environment"}

    def obtain(file: Path | None, environ: dict[str, str]) -> str:
        return keyfile.obtain_passphrase(
            file, new=False, environ=environ, ask=lambda _: "typed", at_terminal=lambda: True
        )

    assert obtain(file, environ) == "from the file"
    assert obtain(None, environ) == "from the environment"
    assert obtain(None, {}) == "typed"


def test_without_a_terminal_the_advice_names_the_options() -> None:
    with pytest.raises(KeyFileError, match="--passphrase-file"):
        keyfile.obtain_passphrase(None, new=False, environ={}, at_terminal=lambda: False)


def test_an_unreadable_passphrase_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing"):
        keyfile.obtain_passphrase(tmp_path / "missing", new=False)


def test_a_new_passphrase_is_typed_twice_and_long_enough() -> None:
    def obtain(*typed: str) -> str:
        answers = iter(typed)
        return keyfile.obtain_passphrase(
            None,
            new=True,
            environ={},
            ask=lambda _: next(answers),
            at_terminal=lambda: True,
        )

    assert obtain("long enough", "long enough") == "long enough"
    with pytest.raises(KeyFileError, match="differ"):
        obtain("long enough", "long enouhg")
    with pytest.raises(KeyFileError, match="shorter"):
        obtain("short", "short")


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_an_umlaut_typed_on_another_system_opens_the_keys(
    tmp_path: Path, keys: Keys, stored: Form, typed: Form
) -> None:
    path = tmp_path / "owner.age"
    text = keyfile.format_keys(keys, "owner", now=NOW)
    path.write_bytes(pyrage.passphrase.encrypt(text.encode(), normalize(stored, PHRASE)))
    assert keyfile.unlock(path, "owner", normalize(typed, PHRASE)).identity == keys.identity


def test_a_new_passphrase_is_stored_in_composed_form(keys: Keys) -> None:
    locked = keyfile.lock(keys, "owner", normalize("NFD", PHRASE), now=NOW)
    assert pyrage.passphrase.decrypt(locked, normalize("NFC", PHRASE))


def test_a_file_too_dear_for_this_computer_is_not_called_a_wrong_passphrase(
    tmp_path: Path, keys: Keys, locked: bytes
) -> None:
    path = tmp_path / "requester.age"
    path.write_bytes(re.sub(rb"(-> scrypt \S+) \d+", rb"\1 40", locked, count=1))
    with pytest.raises(KeyFileError, match="too slow") as caught:
        keyfile.unlock(path, "requester", PASSPHRASE)
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfcorrect horse\r\nmore", b"correct horse\nmore", b"correct horse"]
)
def test_the_first_line_has_neither_mark_nor_line_end(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(content)
    assert keyfile.obtain_passphrase(file, new=False) == "correct horse"


@pytest.mark.parametrize("content", ["grün grün".encode("latin-1"), "grün grün".encode("utf-16")])
def test_a_passphrase_file_in_another_encoding_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"passphrase: is not UTF-8"):
        keyfile.obtain_passphrase(file, new=False)


def test_a_passphrase_of_bytes_that_are_not_utf8_is_a_sentence() -> None:
    def refuse(prompt: str) -> str:
        return b"gr\xfcn".decode()

    environ = {keyfile.PASSPHRASE_VARIABLE: os.fsdecode(b"gr\xfcn gr\xfcn")}
    with pytest.raises(KeyFileError, match="not UTF-8"):
        keyfile.obtain_passphrase(None, new=False, environ=environ)
    with pytest.raises(KeyFileError, match="not UTF-8"):
        keyfile.obtain_passphrase(None, new=False, environ={}, ask=refuse, at_terminal=lambda: True)


def test_the_least_length_is_told_before_a_new_passphrase_is_typed() -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "short"

    with pytest.raises(KeyFileError, match="shorter"):
        keyfile.obtain_passphrase(None, new=True, environ={}, ask=ask, at_terminal=lambda: True)
    (only,) = prompts
    assert "at least 8 characters" in only


def test_a_folder_of_keys_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "owner"
    with pytest.raises(StorageFault):
        keyfile.create_folder(folder, {"owner.age": (b"keys", 0o600), "no/such": (b"", 0o600)})
    assert list(folder.parent.iterdir()) == []
    keyfile.create_folder(folder, {"owner.age": (b"keys", 0o600)})
    assert (folder / "owner.age").read_bytes() == b"keys"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("left", ["owner.age", "owner.card.yaml", "recovery.txt", "devices"])
def test_a_folder_that_holds_anything_is_refused_and_stays(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"precious")
    with pytest.raises(KeyFileError, match=rf"{left}.*not overwritten"):
        keyfile.create_folder(tmp_path, {"owner.age": (b"new", 0o600)})
    assert [path.name for path in tmp_path.iterdir()] == [left]
    assert (tmp_path / left).read_bytes() == b"precious"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    keyfile.create_folder(tmp_path, {"owner.age": (b"keys", 0o600)})
    assert (tmp_path / "owner.age").exists()


def test_a_new_passphrase_replaces_the_old_one(tmp_path: Path, keys: Keys, locked: bytes) -> None:
    path = tmp_path / "requester.age"
    path.write_bytes(locked)
    keyfile.change_passphrase(path, keys, "requester", "another passphrase", now=NOW)
    assert keyfile.unlock(path, "requester", "another passphrase").identity == keys.identity
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyFileError, match="wrong passphrase"):
        keyfile.unlock(path, "requester", PASSPHRASE)


@pytest.mark.parametrize("step", ["write_new", "rename"])
def test_a_change_of_passphrase_that_is_cut_off_leaves_the_old_one(
    tmp_path: Path, keys: Keys, locked: bytes, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise StorageFault("the power went")

    path = tmp_path / "requester.age"
    path.write_bytes(locked)
    monkeypatch.setattr(files, step, fail)
    with pytest.raises(StorageFault):
        keyfile.change_passphrase(path, keys, "requester", "another passphrase", now=NOW)
    assert path.read_bytes() == locked


def test_a_busy_computer_opens_the_key_file_at_a_later_attempt(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """age refuses a file that would take long, by how fast this computer is just now."""
    real, busy = pyrage.passphrase.decrypt, [True] * 3

    def decrypt(locked: bytes, passphrase: str) -> bytes:
        if busy:
            busy.pop()
            raise pyrage.DecryptError("Excessive work parameter for passphrase.")
        opened: bytes = real(locked, passphrase)
        return opened

    path = tmp_path / "owner.age"
    path.write_bytes(keyfile.lock(keys, "owner", PASSPHRASE, now=NOW))
    monkeypatch.setattr(keyfile, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt)
    assert keyfile.unlock(path, "owner", PASSPHRASE).identity == keys.identity
