"""The device's own keys: one signs its statements, one opens letters to it.

Neither opens a clip. The gateway makes them at its first start, in ``gateway/keys/``,
which only its user can enter. The public half, ``wishes/device.card.yaml``, is for the owner to
enrol, and for the camera to know its own name.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyrage

from agent import files
from agent.consent import letters
from agent.consent.cards import DeviceCard, format_card
from agent.consent.signing import SigningKey
from agent.consent.statements import Part
from agent.errors import KeyFileError, StorageFault

_CARD_NAME = "device.card.yaml"
_KEY_NAME = "device.key.json"
_CLIENT_ID_NAME = "mqtt-client-id"
_CLIENT_ID = re.compile(r"clip-[0-9a-f]{18}")  # 23 characters, which any broker takes


class _KeyFile(Part, frozen=True):
    sign: str
    identity: str


@dataclass(frozen=True)
class DeviceKeys:
    """The device's private keys. ``identity`` is an age identity as text."""

    signing: SigningKey = field(repr=False)
    identity: str = field(repr=False)

    @property
    def id(self) -> str:
        """The device's fingerprint: the ``aud`` of all decisions of owners."""
        return self.signing.public.fingerprint

    @property
    def recipient(self) -> str:
        """The age recipient of letters to the device."""
        return str(letters.parse_identity(self.identity).to_public())

    def card(self, name: str) -> DeviceCard:
        """The public half, under the device's name."""
        sign = self.signing.public.text
        return DeviceCard(role="device", name=name, sign=sign, seal=self.recipient)


def path_of(state_dir: Path) -> Path:
    """The file of the private keys."""
    return state_dir / "gateway" / "keys" / _KEY_NAME


def client_id_path_of(state_dir: Path) -> Path:
    """The file of the client id, which the gateway makes once it has its database."""
    return path_of(state_dir).with_name(_CLIENT_ID_NAME)


def card_of(state_dir: Path) -> Path:
    """The device's public card."""
    return state_dir / "wishes" / _CARD_NAME


def load_or_create(state_dir: Path, *, name: str) -> DeviceKeys:
    """Load the device's keys, or make them at the first start; write the card if it differs.

    Raises :class:`KeyFileError` for a damaged file and :class:`StorageFault` for one that
    cannot be read or written. Keys that are damaged or gone are never replaced in silence: owners
    enrolled them.
    """
    path, card = path_of(state_dir), card_of(state_dir)
    try:
        _make_folder(path.parent)
        files.make_directory(card.parent)
        with files.faults(path):
            if not path.exists() and card.exists():
                raise KeyFileError(
                    f"{path}: the device's keys are gone, and its owners know it by them",
                    advice=f"Restore the file from a backup. Without one remove {card}, and pair"
                    " anew: the owners then know another device",
                )
            keys = _load(path) if path.exists() else _create(path)
        text = format_card(keys.card(name)).encode()
        with files.faults(card):
            is_there = _holds(card, text)
        if not is_there:
            files.replace(card, text, mode=0o644)
    except StorageFault as error:
        raise StorageFault(
            error.message,
            advice="The gateway's user must own the folders gateway/ and wishes/",
        ) from error
    return keys


def load(state_dir: Path) -> DeviceKeys:
    """The device's keys, which are there. KeyFileError for a damaged file."""
    path = path_of(state_dir)
    with files.faults(path):
        return _load(path)


def client_id(state_dir: Path) -> str:
    """The gateway's client id at the owner's broker, random and kept for good.

    Whoever knows it, and may connect to the broker, can end the session and with it the letters
    that wait there. A damaged file is replaced: that is a new session, see
    :mod:`agent.gateway.release.last_word`.
    """
    path = client_id_path_of(state_dir)
    _make_folder(path.parent)
    with files.faults(path):
        known = path.read_text("ascii", "replace") if path.exists() else ""
    if not _CLIENT_ID.fullmatch(known):
        known = f"clip-{secrets.token_hex(9)}"
        files.replace(path, known.encode(), mode=files.PRIVATE_MODE)
    return known


def _make_folder(path: Path) -> None:
    for folder in (path.parent, path):
        files.make_directory(folder, mode=files.PRIVATE_DIRECTORY_MODE)


def _load(path: Path) -> DeviceKeys:
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_KeyFile)
        letters.parse_identity(stored.identity)
        return DeviceKeys(SigningKey.from_text(stored.sign), stored.identity)
    except (msgspec.DecodeError, KeyFileError) as error:
        raise KeyFileError(
            f"{path}: the device's keys are damaged",
            advice="Restore the file from a backup, or remove it and wishes/device.card.yaml, and"
            " pair anew",
        ) from error


def _create(path: Path) -> DeviceKeys:
    keys = DeviceKeys(SigningKey.generate(), str(pyrage.x25519.Identity.generate()))
    stored = _KeyFile(sign=keys.signing.to_text(), identity=keys.identity)
    files.replace(path, msgspec.json.encode(stored), mode=files.PRIVATE_MODE)
    return keys


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        return False
