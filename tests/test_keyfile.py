"""Key files: what opens them, what does not, and what the message then says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import keyfile
from agent.errors import ConfigError, KeyFileError
from agent.keyfile import Keys

PASSPHRASE = "correct horse battery"
NOW = 1_706_121_000.0


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys.generate()


@pytest.fixture(scope="session")
def locked(keys: Keys) -> bytes:
    return keyfile.lock(keys, "requester", PASSPHRASE, now=NOW)


def test_the_right_passphrase_gives_the_same_keys(
    tmp_path: Path, keys: Keys, locked: bytes
) -> None:
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
