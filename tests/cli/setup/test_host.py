"""The device in a pairing: whose card it stores, under which name, and whom it refuses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent import config
from agent.cli.setup.host import PairedDevice
from agent.cli.setup.local_broker import LocalBroker
from agent.cli.setup.steps import Steps
from agent.consent.cards import OwnerCard, format_card, parse_card
from agent.errors import ConfigError, Refused
from agent.owner.home import keys as owner_keys
from agent.pairing.code import PairingCode
from tests.support.pairing import device_card

SETTINGS = """\
# ours
device: {name: front-door, place: {latitude: 42.1, longitude: -72.5}}
owners: [%s]
"""


def card(name: str) -> OwnerCard:
    return owner_keys.make(name, "correct horse battery", now=0).card


def device(folder: Path, owners: str = "owners", *, has_broker: bool = False) -> PairedDevice:
    path, steps = folder / "agent.yaml", Steps(dry_run=False)
    (folder / "owners").mkdir(exist_ok=True)
    if not path.exists():
        path.write_text(SETTINGS % owners)
    settings = config.load(path, is_paired=False)
    broker = LocalBroker(folder / "mosquitto", steps) if has_broker else None
    return PairedDevice(
        path, settings, device_card("front-door"), broker, steps, address="pi.local"
    )


def owners(folder: Path) -> list[OwnerCard]:
    paths = config.load(folder / "agent.yaml").owners
    return [parse_card(config.read_text(path), OwnerCard, path.name) for path in paths]


@pytest.mark.parametrize("name", ["Olive", "../../etc/x", "Ölive Übermut", "👑", "a" * 100, "."])
def test_a_card_gets_a_file_name_that_is_safe_whatever_its_owner_is_called(
    tmp_path: Path, name: str
) -> None:
    olive = card(name)
    device(tmp_path).store(olive)
    assert owners(tmp_path) == [olive]
    assert [path.parent for path in tmp_path.rglob("*.card.yaml")] == [tmp_path / "owners"]


def test_two_owners_of_one_name_have_a_file_each(tmp_path: Path) -> None:
    pair = [card("Olive"), card("Olive")]
    for one in pair:
        device(tmp_path).offer(one, "ab" * 8)
        device(tmp_path).store(one)
    assert {one.fingerprint for one in owners(tmp_path)} == {one.fingerprint for one in pair}


def test_a_file_that_somebody_wrote_keeps_its_owners_and_comments(tmp_path: Path) -> None:
    olive, omar = card("Olive"), card("Omar")
    (tmp_path / "olive.card.yaml").write_text(format_card(olive))
    device(tmp_path, "olive.card.yaml").store(omar)
    assert owners(tmp_path) == [olive, omar]
    assert "# ours\n" in (tmp_path / "agent.yaml").read_text()


def test_a_newer_card_of_an_owner_replaces_the_one_before_where_it_lies(tmp_path: Path) -> None:
    olive = card("Olive")
    (tmp_path / "olive.card.yaml").write_text(format_card(olive))
    newer = msgspec.structs.replace(olive, notify=None)
    device(tmp_path, "olive.card.yaml").offer(newer, "ab" * 8)
    device(tmp_path, "olive.card.yaml").store(newer)
    assert owners(tmp_path) == [newer]
    assert (tmp_path / "olive.card.yaml").read_text() == format_card(newer)


@pytest.mark.parametrize("field", ["seal", "recovery"])
def test_nobody_takes_an_owners_place_by_a_card_with_their_signing_key(
    tmp_path: Path, field: str
) -> None:
    olive = card("Olive")
    device(tmp_path).store(olive)
    false = msgspec.structs.replace(olive, **{field: card("Mallory").seal})
    with pytest.raises(Refused, match="has other keys of Olive"):
        device(tmp_path).offer(false, "ab" * 8)
    assert owners(tmp_path) == [olive]


def test_a_seventeenth_owner_is_refused_and_a_known_one_is_not(tmp_path: Path) -> None:
    known = [card(f"Owner {number}") for number in range(16)]
    for one in known:
        device(tmp_path).store(one)
    with pytest.raises(Refused, match="16 owners already"):
        device(tmp_path).offer(card("One more"), "ab" * 8)
    device(tmp_path).offer(known[3], "ab" * 8)


def test_settings_that_no_program_can_edit_are_refused_before_anything_is_offered(
    tmp_path: Path,
) -> None:
    (tmp_path / "olive.card.yaml").write_text(format_card(card("Olive")))
    with pytest.raises(ConfigError, match="cannot be edited"):
        device(tmp_path, "\n  olive.card.yaml").offer(card("Omar"), "ab" * 8)


def test_a_camera_gets_a_login_only_from_the_camera_beside_the_broker(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not keep the broker"):
        device(tmp_path).offer(device_card("garage"), "0" * 16)


@pytest.mark.parametrize("name", ["owner", "pairing", "homeassistant", "owner-1a2b3c4d", "x y"])
def test_a_camera_that_takes_the_name_of_another_user_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        device(tmp_path, has_broker=True).offer(device_card(name), "0" * 16)
    assert not (tmp_path / "mosquitto").exists()


def test_a_camera_does_not_take_the_login_of_another_camera(tmp_path: Path) -> None:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    (folder / "clip-agent.passwd").write_text("front-door:$7$101$a$b\n")
    with pytest.raises(Refused, match="has a user 'front-door' already") as caught:
        device(tmp_path, has_broker=True).offer(device_card("front-door"), "0" * 16)
    assert "mosquitto_passwd -D" in caught.value.advice
    assert (folder / "clip-agent.passwd").read_text() == "front-door:$7$101$a$b\n"


def test_the_command_that_is_shown_names_the_broker_if_it_is_this_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = PairingCode.parse("417-062-913")
    device(tmp_path, has_broker=True).show(code, "")
    assert "owner pair 417-062-913 --broker pi.local" in capsys.readouterr().out
    device(tmp_path).show(code, "nobody came in time")
    said = capsys.readouterr().out
    assert "no longer good: nobody came in time" in said
    assert "owner pair 417-062-913\n" in said
