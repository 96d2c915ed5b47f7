"""The files of an owner's passkeys: list, read, replace, remove."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent import files
from agent.errors import KeyFileError, Refused, StorageFault
from agent.owner.home.folder import OwnerFolder
from agent.owner.passkeys import record
from agent.owner.passkeys.record import Passkey, WrappedKeys

MOST_PASSKEYS = 20
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Enrolled:
    """The passkeys of an owner, the oldest first, and the ids of damaged files."""

    passkeys: tuple[Passkey, ...]
    damaged: tuple[str, ...] = ()

    def at(self, rp_id: str) -> list[Passkey]:
        """Those that a browser offers at one address of the console."""
        return [one for one in self.passkeys if one.rp_id == rp_id]


class PasskeyStore:
    """The folder ``passkeys`` within the owner's ``folder``."""

    def __init__(self, folder: OwnerFolder) -> None:
        self.path = folder.path / "passkeys"

    def enrolled(self) -> Enrolled:
        """All passkeys; a damaged file costs only itself."""
        found: list[Passkey] = []
        damaged: list[str] = []
        with files.faults(self.path):
            paths = sorted(self.path.glob("*.json"))
        for path in paths:
            try:
                found.append(self._read(path).passkey)
            except (KeyFileError, StorageFault):
                if files.exists(path):  # else it was removed just now
                    damaged.append(path.stem)
        found.sort(key=lambda one: (one.made_at, one.id))
        return Enrolled(tuple(found), tuple(damaged))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, which is made if it is missing: no other process changes a file."""
        files.make_directory(self.path, mode=files.PRIVATE_DIRECTORY_MODE)
        with files.locked(self.path):
            yield

    def find(self, credential: str) -> WrappedKeys:
        """The file of a credential; Refused ``unknown-passkey`` without one, KeyFileError."""
        path = self._path(record.file_id(credential))
        if not files.exists(path):
            raise Refused(
                "unknown-passkey",
                "this passkey is not enrolled, or was removed",
                advice="Unlock with the passphrase; the settings list your passkeys",
            )
        return self._read(path)

    def write(self, wrapped: WrappedKeys) -> None:
        """Write or replace a file: after a power cut the old one or the new one is there."""
        path = self._path(wrapped.passkey.id)
        files.replace(path, msgspec.json.encode(wrapped), mode=files.PRIVATE_MODE)

    def remove(self, passkey_id: str) -> None:
        """Delete a file, also a damaged one and what a power cut left of it.

        Raises Refused ``no-such-passkey``.
        """
        if not _ID.fullmatch(passkey_id) or not files.exists(self._path(passkey_id)):
            raise Refused("no-such-passkey", f"there is no passkey {passkey_id!r}")
        with self.locked():
            for path in self.path.glob(f"{passkey_id}.json*"):
                files.remove(path)
            files.sync_directory(self.path)

    def _read(self, path: Path) -> WrappedKeys:
        with files.faults(path), path.open("rb") as file:
            data = file.read(record.MAX_FILE_BYTES + 1)
        found = record.parse(data, str(path))
        if found.passkey.id != path.stem:
            raise KeyFileError(f"{path}: holds another passkey than its name says")
        return found

    def _path(self, passkey_id: str) -> Path:
        return self.path / f"{passkey_id}.json"
