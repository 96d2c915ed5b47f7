"""The notification key: a file of its own, on the card, and no other key."""

from __future__ import annotations

import stat

import msgspec
import pytest

from agent.consent import letters
from agent.consent.cards import Notification, OwnerCard, format_card, parse_card
from agent.errors import ConfigError, KeyFileError
from agent.owner.home import keys
from agent.owner.home.folder import OwnerFolder
from tests.owner.at_home import run


def recipient(home: OwnerFolder) -> str:
    return str(letters.parse_identity(home.notification_identity()).to_public())


def notify(home: OwnerFolder) -> Notification:
    found = home.card().notify
    assert found is not None
    return found


def forget(home: OwnerFolder) -> None:
    """An owner from before there were notification keys."""
    home.notification_path.unlink()
    old = msgspec.structs.replace(home.card(), notify=None)
    home.card_path.write_text(format_card(old))


def test_init_makes_one_that_only_its_owner_reads(home: OwnerFolder) -> None:
    assert stat.S_IMODE(home.notification_path.stat().st_mode) == 0o600
    assert recipient(home) == notify(home).recipient
    assert not notify(home).content, "no content unless the owner asks"
    card = home.card()
    assert notify(home).recipient not in (card.seal, card.recovery)


def test_an_owner_from_before_makes_one_without_a_passphrase(
    home: OwnerFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(home)
    before = home.card()
    monkeypatch.delenv("CLIP_AGENT_PASSPHRASE")
    assert run("notification-key", "--home", str(home.path)) == 0
    assert "Your card has changed" in capsys.readouterr().out
    assert recipient(home) == notify(home).recipient
    assert stat.S_IMODE(home.notification_path.stat().st_mode) == 0o600
    assert msgspec.structs.replace(home.card(), notify=None) == before
    assert run("notification-key", "--home", str(home.path)) == 0
    assert "changed" not in capsys.readouterr().out


def test_content_is_asked_for_on_the_card_and_taken_back(home: OwnerFolder) -> None:
    before = recipient(home)
    run("notification-key", "--content", "yes", "--home", str(home.path))
    assert (notify(home).content, recipient(home)) == (True, before)
    run("notification-key", "--home", str(home.path))
    assert notify(home).content
    run("notification-key", "--content", "no", "--home", str(home.path))
    assert not notify(home).content


def test_a_new_key_replaces_the_old_one(home: OwnerFolder) -> None:
    before = recipient(home)
    run("notification-key", "--new", "--home", str(home.path))
    assert recipient(home) == notify(home).recipient != before


def test_a_key_that_is_on_another_computer_is_not_replaced_by_accident(home: OwnerFolder) -> None:
    home.notification_path.unlink()
    with pytest.raises(KeyFileError, match=r"is missing\. Copy it"):
        run("notification-key", "--home", str(home.path))


def test_a_key_file_whose_card_was_lost_halfway_is_used_again(home: OwnerFolder) -> None:
    """A power cut between the two files."""
    kept = home.notification_path.read_text()
    home.card_path.write_text(format_card(msgspec.structs.replace(home.card(), notify=None)))
    run("notification-key", "--home", str(home.path))
    assert home.notification_path.read_text() == kept
    assert recipient(home) == notify(home).recipient


@pytest.mark.parametrize("text", ["", "noise\n", "AGE-SECRET-KEY-1QQ\n", "# only a comment\n"])
def test_a_damaged_key_file_is_named(home: OwnerFolder, text: str) -> None:
    home.notification_path.write_text(text)
    with pytest.raises(KeyFileError, match=r"notification\.key: is not a notification key"):
        home.notification_identity()


def test_the_key_of_another_card_is_refused(home: OwnerFolder) -> None:
    other = keys.make_notification()
    home.notification_path.write_text(other)
    with pytest.raises(KeyFileError, match="is not the notification key that your card names"):
        home.notification_identity()


@pytest.mark.parametrize("field", ["seal", "recovery"])
def test_a_card_whose_notification_key_opens_clips_is_refused(
    home: OwnerFolder, field: str
) -> None:
    card = home.card()
    wrong = msgspec.structs.replace(card, notify=Notification(recipient=getattr(card, field)))
    with pytest.raises(ConfigError, match="notify: is a key that opens clips"):
        parse_card(format_card(wrong), OwnerCard, "owner.card.yaml")


def test_a_card_from_before_is_read_and_written_as_it_was(home: OwnerFolder) -> None:
    forget(home)
    assert "notify" not in home.card_path.read_text()
    assert home.card().notify is None
    with pytest.raises(ConfigError, match="names no notification key"):
        home.notification_identity()
