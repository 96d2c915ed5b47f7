"""The folder ``wishes/``: what the gateway passes to the camera, in one small file.

The gateway writes it, the camera reads it and believes little of it: it spares the clips in
``held`` only up to its own share of the space, obeys a command only by its owner's signature, and
a switch only where its own configuration allows one. A file that is missing or malformed asks for
nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from agent import files
from agent.consent import decoding
from agent.consent.statements import MAX_STATEMENT_BYTES, ClipId, Moment, Part
from agent.errors import ClipDamaged, MalformedStatement

MAX_BYTES: Final = 2**20
MAX_COMMANDS: Final = 20
MAX_HELD: Final = 20_000
_JWS_CHARACTERS = MAX_STATEMENT_BYTES * 4 // 3 + 1_024


class Switch(Part, frozen=True):
    """The last word of Home Assistant's switch, taken ``at`` by the gateway's clock."""

    armed: bool
    at: Moment


class Wishes(Part, frozen=True):
    """Clips to spare, the oldest first, and owner-signed commands (compact JWS), oldest first.

    The camera heeds ``switch`` only if its own configuration allows one.
    """

    held: Annotated[tuple[ClipId, ...], Meta(max_length=MAX_HELD)] = ()
    commands: Annotated[
        tuple[Annotated[str, Meta(max_length=_JWS_CHARACTERS)], ...], Meta(max_length=MAX_COMMANDS)
    ] = ()
    switch: Switch | None = None


NO_WISHES: Final = Wishes()


def path_of(state_dir: Path) -> Path:
    """The file of wishes below ``state_dir``."""
    return state_dir / "wishes" / "wishes.json"


def decode(data: bytes) -> Wishes:
    """Wishes from bytes; raises :class:`MalformedStatement` by the name of the rule."""
    return decoding.decode(data, Wishes, MAX_BYTES)


def read(state_dir: Path) -> Wishes:
    """The wishes of the gateway; none from a file that is missing or malformed."""
    try:
        with files.open_regular(path_of(state_dir), folders=1) as file:
            return decode(file.read(MAX_BYTES + 1))
    except (ClipDamaged, MalformedStatement, OSError):
        return NO_WISHES


def stamp(state_dir: Path) -> tuple[int, int] | None:
    """A value that changes with each new file of wishes; None without one."""
    try:
        found = path_of(state_dir).lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


class WishFile:
    """The wishes that this gateway writes, whenever they change."""

    def __init__(self, state_dir: Path) -> None:
        self._path = path_of(state_dir)
        self.written = read(state_dir)
        files.make_directory(self._path.parent)

    def write(self, wishes: Wishes) -> None:
        """Replace the file if ``wishes`` differ; :class:`StorageFault` when that fails."""
        if wishes != self.written:
            files.replace(self._path, decoding.encode(wishes))
            self.written = wishes
