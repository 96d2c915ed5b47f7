"""Records of bundles that were taken in, one JSON file each, named after the bundle's SHA-256."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from agent import files
from agent.errors import StorageFault


class Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bundle that was taken in, and its receipt (a compact JWS).

    ``place`` is its path below the folder, without ``.age``; ``at`` the time of the intake (Unix
    seconds). ``title`` names its case. ``known_keys``: its keys had signed other bundles before.
    """

    verdict: Literal["accepted", "rejected"]
    place: str
    at: int
    receipt: str
    title: str = ""
    rule: str = ""
    detail: str = ""
    known_keys: bool = False

    @property
    def case(self) -> str:
        """The folder of its case."""
        return self.place.rsplit("/", 2)[0]


def read(folder: Path, sha256: str) -> Record | None:
    """The record of the bundle with this digest; raises :class:`StorageFault`."""
    path = _path(folder, sha256)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StorageFault(f"{path}: cannot be read ({error})") from error


def write(folder: Path, sha256: str, record: Record) -> None:
    """Keep a record, synced; raises :class:`StorageFault`."""
    path = _path(folder, sha256)
    with files.faults(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.replace(path, msgspec.json.encode(record), mode=files.PRIVATE_MODE)


def newest_first(folder: Path) -> list[Record]:
    """All records."""
    found = (read(folder, path.stem) for path in (folder / ".receipts").glob("*.json"))
    return sorted(filter(None, found), key=lambda one: (-one.at, one.place))


def receipt_of(folder: Path, sha256: str) -> str | None:
    """The receipt for the bundle with this digest, once it was taken in."""
    record = read(folder, sha256) if sha256 else None
    return record.receipt if record else None


def _path(folder: Path, sha256: str) -> Path:
    return folder / ".receipts" / f"{sha256}.json"
