"""Book of the keys seen in bundles, and since when.

A bundle proves that the holders of its keys agreed to it, not who they are: anybody can make keys,
and a bundle with them. A requester can only know if the same keys signed other bundles before. So
each verified bundle is noted here, and a key counts as known once another bundle had it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from agent import files
from agent.consent.cards import PublicKey
from agent.errors import StorageFault
from agent.requester.bundle.verify import OpenedBundle

Role = Literal["device", "owner", "second owner"]
_Book = dict[str, dict[str, int]]  # by fingerprint: digests of releases, and when each was seen


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A key of a bundle; ``since`` is when another bundle first had it (Unix seconds), or None."""

    role: Role
    fingerprint: str
    since: int | None
    bundles: int

    @property
    def is_known(self) -> bool:
        """True if another bundle had it before."""
        return self.since is not None


@dataclass(frozen=True)
class KeysSeen:
    """The book in the file ``path``."""

    path: Path

    def note(self, opened: OpenedBundle, *, at: float) -> tuple[SeenKey, ...]:
        """Note a verified bundle; returns its keys as they were known before it.

        Opening the same bundle again makes no key known. Raises :class:`StorageFault`.
        """
        # The receiver and commands run side by side.
        with files.locked(self.path.with_suffix(".lock")), files.faults(self.path):
            book = self._read()
            seen = tuple(
                _seen(role, key, book.get(key, {}), opened.release_digest)
                for role, key in keys_of(opened)
            )
            for one in seen:
                book.setdefault(one.fingerprint, {}).setdefault(opened.release_digest, int(at))
            files.replace(self.path, msgspec.json.encode(book), mode=files.PRIVATE_MODE)
        return seen

    def _read(self) -> _Book:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Book)
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            raise StorageFault(
                f"{self.path}: is damaged", advice="Move it away: all keys will be new then"
            ) from error


def keys_of(opened: OpenedBundle) -> Iterator[tuple[Role, str]]:
    """The fingerprints of the keys that signed a bundle on the owner's side."""
    keys = opened.release.keys
    yield "device", PublicKey.from_text(keys.device).fingerprint
    yield "owner", PublicKey.from_text(keys.owner).fingerprint
    if keys.second_owner is not None:
        yield "second owner", PublicKey.from_text(keys.second_owner).fingerprint


def _seen(role: Role, fingerprint: str, bundles: dict[str, int], this: str) -> SeenKey:
    others = [at for digest, at in bundles.items() if digest != this]
    return SeenKey(role, fingerprint, min(others, default=None), len(others))
