"""The owner's folder: settings, cameras, and what the cameras wrote.

::

    owner.age              the keys, under a passphrase
    owner.card.yaml        the public half, for the cameras
    notification.key       the identity that opens watch letters, and nothing else
    watch.json             what `owner watch` has told
    passkeys/<id>.json     the keys again, each under the secret of a passkey (:mod:`.passkeys`)
    owner.yaml             the broker (:class:`Settings`)
    <user>.password        of the broker, from a pairing; broker-ca.pem: its certificate
    computer.json          the id of this copy of the folder
    recovery.txt           until the owner has printed and deleted it
    devices/<name>.card.yaml
    letters/<device>/<digest16>.json     open requests, as the device signed them
    closed/<device>/<digest16>.json      requests that are no longer open, in the same form
    releases/<device>/<release>.json     the last outcome of each release
    notices/<device>/notices.json        the last letter of notices
    listings/<device>/clips.json         the clips that it last listed
    pages/<device>/<first>-<last>.json   long lists of clips (:mod:`.inbox.pages`)
    status/<device>/status.json          its last status
    ledger/<device>/<size>.json          the letters with the newest heads of its ledger
    ledger-lines/<device>/<after>.json   the ledger, in the pages that the camera sent
    ledger-contradicted/<device>/        the first letters that contradict them
    given/<device>/<release>.json        the owner's approvals and shares, as signed
    decided/<device>/<what>.json         the owner's decisions that last, as signed
    awaited/<device>/<command>.json      commands that the camera has not answered, as signed
    thumbnails/<device>/<clip>.age       as the camera sealed them (:mod:`.pictures.cache`)
    shown/<device>/<what>.json           the letter by whose numbers the owner names clips
    seen/<device>/<clip>-<edits>.json    clips that the owner saw (:mod:`.decisions.seen`)

Letters are kept as the signed text of the device, never as our reading of it:
:mod:`agent.owner.inbox.inbox` verifies them again whenever they are read.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar, overload

import msgspec
import yaml
from msgspec import Meta, Struct

from agent import config, files, keyfile
from agent.config import Broker
from agent.consent import letters
from agent.consent.cards import DeviceCard, Notification, OwnerCard, format_card, parse_card
from agent.errors import ConfigError, KeyFileError, StorageFault
from agent.keyfile import Keys
from agent.owner.home.keys import NewOwner, make_notification, parse_notification

S = TypeVar("S", bound=Struct)

SETTINGS_NAME = "owner.yaml"

_DEVICE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")  # the pattern of device.name in agent.yaml
_CARD_SUFFIX = ".card.yaml"
_OWN = ("given", "decided", "awaited")
_WRITTEN = (
    *("letters", "closed", "releases", "notices", "listings", "status"),
    *("ledger", "ledger-lines", "ledger-contradicted", "thumbnails", "pages"),
)


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``owner.yaml``."""

    mqtt: Annotated[Broker, Meta(description="The broker that the cameras talk to.")]


class StoredStatement(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A signed statement, and when it was collected or sent (Unix seconds).

    ``closed`` are the offered clips whose keys are not sealed to this owner.
    """

    jws: str
    received_at: float
    closed: tuple[str, ...] = ()


class _Computer(Struct, frozen=True, forbid_unknown_fields=True):
    """``computer.json``: the id, and the number of the folder for which it was made."""

    id: str
    folder: int


class OwnerFolder:
    """An owner's folder that :func:`create` made."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        self.key_path = self.path / "owner.age"
        self.card_path = self.path / "owner.card.yaml"
        self.notification_path = self.path / "notification.key"

    @classmethod
    def create(cls, path: Path, owner: NewOwner, settings: Settings) -> OwnerFolder:
        """Write a new folder, all or nothing; one with files in it is refused with KeyFileError."""
        home = cls(path)
        plain = msgspec.to_builtins(settings, enc_hook=str)
        contents = {
            home.key_path.name: (owner.locked, 0o600),
            "recovery.txt": (owner.sheet.encode(), 0o600),
            home.notification_path.name: (owner.notification.encode(), 0o600),
            home.card_path.name: (format_card(owner.card).encode(), 0o644),
            SETTINGS_NAME: (yaml.safe_dump(plain, sort_keys=False).encode(), 0o600),
        }
        keyfile.create_folder(home.path, contents)
        return home

    def settings(self) -> Settings:
        """``owner.yaml``; raises ConfigError."""
        path = self.path / SETTINGS_NAME
        if not path.exists():
            raise ConfigError(
                f"{path}: is missing",
                advice="It names your broker: write `mqtt: {host: NAME, port: 1883}` into it",
            )
        return config.parse_yaml(config.read_text(path), Settings, str(path), base=self.path)

    def card(self) -> OwnerCard:
        """The owner's card; raises ConfigError."""
        if not self.card_path.exists():
            raise ConfigError(
                f"{self.card_path}: your card is missing",
                advice="Copy it back from a backup, or from a camera (`owners:` in its agent.yaml)",
            )
        text = config.read_text(self.card_path)
        return parse_card(text, OwnerCard, str(self.card_path))

    def notification_identity(self) -> str:
        """The identity that opens watch letters, which must be that of the card.

        Raises ConfigError for a card without it, KeyFileError for a missing or other key.
        """
        path, notify = self.notification_path, self.card().notify
        if notify is None:
            raise ConfigError(
                f"{self.card_path}: names no notification key",
                advice="Make one with `clip-agent owner notification-key`",
            )
        if not path.exists():
            raise KeyFileError(
                f"{path}: is missing",
                advice="Copy it from the computer that made it, or make a new one with "
                "`clip-agent owner notification-key --new`",
            )
        identity = parse_notification(config.read_text(path), str(path))
        if str(letters.parse_identity(identity).to_public()) != notify.recipient:
            raise KeyFileError(
                f"{path}: is not the notification key that your card names",
                advice="Copy both files from the same computer",
            )
        return identity

    def change_notification(self, *, new: bool, content: bool | None) -> bool:
        """Make the notification key if there is none, or a ``new`` one; True if the card changed.

        ``content``: ask for titles and names in the letters, or for none; None: as before.
        Raises KeyFileError if the key is on another computer.
        """
        card = self.card()
        before = card.notify
        if new or (before is None and not self.notification_path.exists()):
            text = make_notification()
            files.replace(self.notification_path, text.encode(), mode=files.PRIVATE_MODE)
        elif before is not None:
            self.notification_identity()
        identity = parse_notification(
            config.read_text(self.notification_path), str(self.notification_path)
        )
        wanted = before.content if content is None and before is not None else bool(content)
        recipient = str(letters.parse_identity(identity).to_public())
        after = Notification(recipient=recipient, content=wanted)
        if after == before:
            return False
        changed = msgspec.structs.replace(card, notify=after)
        files.replace(self.card_path, format_card(changed).encode(), mode=0o644)
        return True

    def unlock(self, passphrase: str) -> Keys:
        """The owner's keys, which must be those of the card. Takes about a second.

        Raises KeyFileError, and ConfigError for a missing or damaged card.
        """
        keys = keyfile.unlock(self.key_path, "owner", passphrase)
        self.check_keys(keys)
        return keys

    def check_keys(self, keys: Keys) -> None:
        """Raise KeyFileError unless ``keys`` are those of the card, or ConfigError as it does."""
        card = self.card()
        keyfile.compare_card(self.card_path, keys, sign=card.sign, seal=card.seal)

    def computer(self) -> str:
        """A random id of this copy of the folder. A copy on another computer has its own.

        The number of the folder on its disk tells a copy from the original.
        """
        path = self.path / "computer.json"
        with files.locked(self.path), files.faults(path):
            number = self.path.stat().st_ino
            known = _read_if_there(path, _Computer)
            if known is None or known.folder != number:
                known = _Computer(id=secrets.token_hex(8), folder=number)
                files.replace(path, msgspec.json.encode(known), mode=files.PRIVATE_MODE)
        return known.id

    # Devices

    def devices(self) -> dict[str, DeviceCard]:
        """The enrolled cameras by name; raises ConfigError for a damaged card."""
        cards: dict[str, DeviceCard] = {}
        for path in sorted((self.path / "devices").glob("*" + _CARD_SUFFIX)):
            card = _device_card(path)
            if path.name != card.name + _CARD_SUFFIX:
                raise ConfigError(f"{path}: the card inside is named {card.name!r}")
            cards[card.name] = card
        return cards

    def enrolled(self) -> dict[str, DeviceCard]:
        """As :meth:`devices`, and ConfigError if there is none."""
        devices = self.devices()
        if not devices:
            raise ConfigError(
                "no camera is enrolled",
                advice="Run `clip-agent setup --pair` on the camera, and here the command that it "
                "shows",
            )
        return devices

    def enrol(self, card_file: Path) -> DeviceCard:
        """Take over a camera's card; raises ConfigError for a twin or another role.

        The card of a camera that was renamed replaces the one under its old name, and the
        owner's decisions go with it.
        """
        return self.take_over(_device_card(card_file), str(card_file))

    def take_over(self, card: DeviceCard, origin: str) -> DeviceCard:
        """The same for a checked card; ``origin`` names it in errors."""
        known = self.devices()
        twin = known.pop(card.name, None)
        renamed = [name for name, one in known.items() if one.fingerprint == card.fingerprint]
        if twin is not None and (twin.fingerprint != card.fingerprint or not renamed):
            raise ConfigError(
                f"{origin}: a camera named {card.name!r} is enrolled already",
                advice="If its keys are new, compare the fingerprint at the camera, and remove the "
                f"old card first: `clip-agent owner card --remove {card.name}`",
            )
        if twin is None:
            target = self.path / "devices" / (card.name + _CARD_SUFFIX)
            keyfile.write_new(target, format_card(card).encode(), mode=0o600)
        for name in renamed:
            for folder in _OWN:
                old, new = self.path / folder / name, self.path / folder / card.name
                with files.faults(old):
                    if old.is_dir() and not new.exists():
                        old.rename(new)
            self.remove(name)
        return card

    def remove(self, name: str) -> None:
        """Forget a camera and what it wrote; ConfigError if none has this name."""
        if name not in self.devices():
            raise ConfigError(f"no camera named {name!r} is enrolled")
        for folder in _WRITTEN:
            shutil.rmtree(self.path / folder / name, ignore_errors=True)
        files.remove(self.path / "devices" / (name + _CARD_SUFFIX))

    # What the cameras wrote

    def keep(self, folder: str, device: str, name: str, letter: Struct) -> None:
        """Write or replace one letter; a crash leaves the old one or the new one.

        Two may write it at once, as pages of the console and a command do: one is last.
        """
        target = self._letter_path(folder, device, name)
        draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}.new")
        with files.faults(target):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = msgspec.json.encode(letter)
        files.replace(target, data, mode=files.PRIVATE_MODE, draft=draft)

    def drop(self, folder: str, device: str, name: str) -> None:
        """Forget one letter."""
        target = self._letter_path(folder, device, name)
        files.remove(target)

    def letter(self, folder: str, device: str, name: str) -> StoredStatement | None:
        """One letter, if there is one."""
        path = self._letter_path(folder, device, name)
        return _read_if_there(path, StoredStatement)

    def names(self, folder: str, device: str) -> list[str]:
        """The names of the letters of one device, in their order."""
        return [path.stem for path in sorted((self.path / folder / device).glob("*.json"))]

    @overload
    def kept(self, folder: str, device: str) -> Iterator[tuple[str, StoredStatement]]: ...
    @overload
    def kept(self, folder: str, device: str, kind: type[S]) -> Iterator[tuple[str, S]]: ...
    def kept(
        self, folder: str, device: str, kind: type[Struct] = StoredStatement
    ) -> Iterator[tuple[str, Struct]]:
        """Name and content of the letters of one device, in the order of their names."""
        for name in self.names(folder, device):
            letter = _read_if_there(self._letter_path(folder, device, name), kind)
            if letter is not None:  # another command has not dropped it meanwhile
                yield name, letter

    def _letter_path(self, folder: str, device: str, name: str) -> Path:
        return self.path / folder / device / f"{name}.json"


def _read_if_there(path: Path, kind: type[S]) -> S | None:
    with files.faults(path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise StorageFault(
            f"{path}: is damaged", advice="Delete it and run `clip-agent owner inbox`"
        ) from error


def _device_card(path: Path) -> DeviceCard:
    return parse_device_card(config.read_text(path), str(path))


def parse_device_card(text: str, origin: str) -> DeviceCard:
    """A camera's card whose name is safe in topics and file names; ConfigError names ``origin``."""
    card = parse_card(text, DeviceCard, origin)
    if not _DEVICE_NAME.fullmatch(card.name):
        raise ConfigError(f"{origin}: name: must be lower-case letters, digits and hyphens")
    return card
