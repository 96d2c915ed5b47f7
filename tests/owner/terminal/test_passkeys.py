"""``owner passkeys``: what opens the keys beside the passphrase, and the end of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.home.folder import OwnerFolder
from agent.owner.passkeys.passkeys import Passkeys
from tests.owner.at_home import run
from tests.owner.passkeys.conftest import ORIGIN, enrol
from tests.support.authenticator import SoftAuthenticator
from tests.support.clock import SimulatedClock


@pytest.fixture
def at_home(home: OwnerFolder) -> list[str]:
    return ["--home", str(home.path)]


@pytest.fixture
def phone(home: OwnerFolder, keys: Keys) -> str:
    passkey = enrol(Passkeys(home, SimulatedClock()), SoftAuthenticator(ORIGIN), keys)
    return passkey.id


def test_passkeys_are_listed_for_people_and_programs(
    home: OwnerFolder, at_home: list[str], phone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.path / "passkeys" / "0123456789abcdef.json").write_text("{")
    assert run("passkeys", *at_home) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{phone}  phone, for localhost, last used Wed 24 Jan 2024, 18:30 UTC",
        "0123456789abcdef  damaged: it opens nothing",
    ]
    assert run("passkeys", "--json", *at_home) == 0
    said = json.loads(capsys.readouterr().out)
    assert ([one["id"] for one in said["passkeys"]], len(said["damaged"])) == ([phone], 1)


def test_a_removed_passkey_is_gone_and_what_remains_is_said(
    home: OwnerFolder, at_home: list[str], phone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("passkeys", "--remove", phone, *at_home) == 0
    assert "older copy of this folder still opens" in capsys.readouterr().out
    assert run("passkeys", *at_home) == 0
    assert "No passkey is enrolled" in capsys.readouterr().out
    with pytest.raises(Refused, match="no passkey"):
        run("passkeys", "--remove", phone, *at_home)


def test_a_new_passphrase_says_that_passkeys_open_as_before(
    tmp_path: Path, at_home: list[str], phone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new").write_text("another passphrase\n")
    assert run("passphrase", *at_home, "--new-passphrase-file", str(tmp_path / "new")) == 0
    assert "passkeys open your keys as before" in capsys.readouterr().out
