"""`owner pair` as it is typed: which broker, which login, and keys that are made on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import Tls
from agent.owner.home.folder import OwnerFolder
from agent.owner.pairing import broker_access, command
from agent.owner.pairing.broker_access import Way
from agent.owner.pairing.run import Paired
from agent.pairing.code import PairingCode
from agent.pairing.messages import Offer
from tests.support.commands import typed
from tests.support.pairing import device_card

CODE = "417-062-913"
PASSPHRASE = {"CLIP_AGENT_PASSPHRASE": "correct horse battery"}


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[Way]:
    """The ways by which the command has looked for a camera, and always found one."""
    card, found = device_card(), []

    def pair(_folder: OwnerFolder, code: PairingCode, way: Way) -> Paired:
        assert str(code) == CODE
        found.append(way)
        return Paired(card, is_new=len(found) == 1)

    monkeypatch.setattr(command, "run_pairing", pair)
    return found


def run(home: Path, *options: str, code: str = CODE, expected: int = 0) -> str:
    done = typed("owner", "pair", code, "--home", home, *options, environment=PASSPHRASE)
    assert done.returncode == expected, done.stderr
    return done.stdout if expected == 0 else done.stderr


def test_keys_are_made_once_and_the_second_time_nothing_is_asked(
    tmp_path: Path, ways: list[Way]
) -> None:
    home = tmp_path / "owner"
    first = run(home, "--broker", "pi.local", "--name", "Olive")
    assert "Recovery sheet" in first
    assert "Paired with front-door" in first
    card = OwnerFolder(home).card()
    assert card.name == "Olive"
    again = run(home, "--broker", "pi.local")
    assert "Recovery sheet" not in again
    assert "was paired already" in again
    assert OwnerFolder(home).card() == card
    assert ways == [Way("pi.local", 8883, is_encrypted=True)] * 2


@pytest.mark.parametrize(
    ("options", "way"),
    [
        (["--broker", "pi.local"], Way("pi.local", 8883, is_encrypted=True)),
        (["--broker", "pi.local:9999"], Way("pi.local", 9999, is_encrypted=True)),
        (["--broker", "[fd00::1]"], Way("fd00::1", 8883, is_encrypted=True)),
        (["--broker", "127.0.0.1:1883"], Way("127.0.0.1", 1883, is_encrypted=False)),
        (["--broker", "127.0.0.1", "--no-tls"], Way("127.0.0.1", 1883, is_encrypted=False)),
        (["--broker", "127.0.0.1:7", "--no-tls"], Way("127.0.0.1", 7, is_encrypted=False)),
    ],
)
def test_tls_is_the_rule_and_needs_no_certificate(
    tmp_path: Path, ways: list[Way], options: list[str], way: Way
) -> None:
    run(tmp_path / "owner", *options)
    assert ways == [way]
    tls = way.settings().tls
    assert (tls is not None) == way.is_encrypted
    assert (way.settings().username, way.settings().password) == ("pairing", "pairing")
    OwnerFolder(tmp_path / "owner").settings()


def test_a_login_of_the_owners_own_goes_with_a_checked_certificate_only(
    tmp_path: Path, ways: list[Way]
) -> None:
    password = tmp_path / "password"
    password.write_text("mine\n")
    own = [
        "--broker",
        "b.example",
        "--tls",
        "--username",
        "olive",
        "--password-file",
        str(password),
    ]
    run(tmp_path / "owner", *own)
    (way,) = ways
    assert way.own is not None
    assert (way.own.username, way.own.tls) == ("olive", Tls())
    context = way.settings().tls
    assert context is not None
    assert context.check_hostname


def test_without_a_broker_it_is_that_of_the_other_cameras(tmp_path: Path, ways: list[Way]) -> None:
    home = tmp_path / "owner"
    assert "is missing" in run(home, expected=78)
    assert not home.exists()
    run(home, "--broker", "pi.local")
    run(home)
    assert ways[1] == Way("pi.local", 8883, is_encrypted=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--broker", "pi.local", "--tls"], "go with --username"),
        (["--broker", "pi.local", "--ca-file", "x"], "go with --username"),
        (["--broker", "pi.local:8883", "--no-tls"], "port 8883 is for TLS"),
        (["--broker", ""], "not an address"),
    ],
)
def test_options_that_do_not_go_together_are_named_before_keys_are_made(
    tmp_path: Path, ways: list[Way], options: list[str], said: str
) -> None:
    home = tmp_path / "owner"
    assert said in run(home, *options, expected=78)
    assert (home.exists(), ways) == (False, [])


def test_a_code_that_is_none_is_refused_before_keys_are_made(
    tmp_path: Path, ways: list[Way]
) -> None:
    home = tmp_path / "owner"
    assert "Type the 9 digits" in run(home, "--broker", "pi.local", code="41706", expected=1)
    assert (home.exists(), ways) == (False, [])


def test_a_folder_that_holds_other_files_gets_no_keys(tmp_path: Path, ways: list[Way]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "is not overwritten" in run(tmp_path, "--broker", "pi.local", expected=1)
    assert ways == []


def test_the_name_is_asked_at_a_terminal(
    tmp_path: Path, ways: list[Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: " Olive ")
    run(tmp_path / "owner", "--broker", "pi.local")
    assert OwnerFolder(tmp_path / "owner").card().name == "Olive"


def test_files_of_the_folder_are_named_without_it_so_that_it_can_be_copied(tmp_path: Path) -> None:
    access = broker_access.BrokerAccess.of(
        Way("pi.local", 8883, is_encrypted=True),
        Offer(card="x", ca="PEM"),
        tmp_path,
    )
    access.store(tmp_path)
    assert "ca_file: broker-ca.pem" in (tmp_path / "owner.yaml").read_text()
