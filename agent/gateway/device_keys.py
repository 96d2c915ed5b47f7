"""The device's own keys: one signs its reports, one opens letters to it.

Neither opens a clip. They are made at the gateway's first start, in ``keys/``
which only the gateway's user can enter. The public half is written beside the
index as ``device.card.yaml`` for the owner to enrol.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyrage

from agent.consent import letters as mail
from agent.consent.cards import DeviceCard, format_card
from agent.consent.signing import SigningKey
from agent.consent.statements import Part
from agent.errors import ClipDamaged, KeyFileError, StorageFault
from agent.vault.clips import paths as files

CARD_NAME = "device.card.yaml"
_KEY_NAME = "device.key.json"


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
        """The device's fingerprint: the ``aud`` of everything that owners decide."""
        return self.signing.public.fingerprint

    def card(self, name: str) -> DeviceCard:
        """The public half, under the device's name."""
        recipient = str(mail.parse_identity(self.identity).to_public())
        return DeviceCard(role="device", name=name, sign=self.signing.public.text, seal=recipient)


def load_or_create(state_dir: Path, *, name: str) -> DeviceKeys:
    """The device's keys, made at the first start; leaves the card in ``state_dir``.

    Raises :class:`KeyFileError` when the file is damaged and
    :class:`StorageFault` when it cannot be read or written. Damaged keys are
    never replaced: the owner's enrolment hangs on them.
    """
    path = state_dir / "keys" / _KEY_NAME
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = _load(path) if path.exists() else _create(path)
        _write(state_dir / CARD_NAME, format_card(keys.card(name)).encode(), mode=0o644)
    except OSError as error:
        raise StorageFault(
            f"{error.filename or path}: {error.strerror}",
            advice="The gateway's user must own the folder keys/ and write to its parent",
        ) from error
    return keys


def _load(path: Path) -> DeviceKeys:
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_KeyFile)
        mail.parse_identity(stored.identity)
        return DeviceKeys(SigningKey.from_text(stored.sign), stored.identity)
    except (msgspec.DecodeError, KeyFileError) as error:
        raise KeyFileError(
            f"{path}: the device's keys are damaged",
            advice="Restore the file from a backup, or remove it and enrol the device anew",
        ) from error


def _create(path: Path) -> DeviceKeys:
    keys = DeviceKeys(SigningKey.generate(), str(pyrage.x25519.Identity.generate()))
    stored = _KeyFile(sign=keys.signing.to_text(), identity=keys.identity)
    _write(path, msgspec.json.encode(stored), mode=0o600)
    return keys


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Write or replace ``path`` so that a crash leaves the old file or the new one."""
    if _holds(path, data):
        return
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _holds(path: Path, data: bytes) -> bool:
    """Whether ``path`` is a file with ``data``; the camera's process may have put a pipe there."""
    try:
        with files.open_regular(path) as file:
            return file.read(len(data) + 1) == data
    except ClipDamaged:
        return False
