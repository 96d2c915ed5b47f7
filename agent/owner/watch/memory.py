"""Memory of the messages that each channel has told, so that none is told twice.

The file ``watch.json`` in the owner's folder holds opaque ids. An item is remembered after a
channel has taken it, so a crash in between repeats a message and loses none.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import msgspec

from agent import files
from agent.errors import StorageFault

_MOST_ITEMS: Final = 500  # remembered of a camera by each channel; a letter holds 100

_log = logging.getLogger(__name__)


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """Items and faults of one camera that a channel has told, the items' oldest first."""

    items: list[str] = []
    faults: list[str] = []


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    channels: dict[str, dict[str, Told]] = {}
    written: dict[str, int] = {}  # when the newest letter of each camera was


class Memory:
    """The file at ``path``. Messages of the channel ``passing`` are forgotten at the next start."""

    def __init__(self, path: Path, *, passing: str = "") -> None:
        self._path = path
        self._content = _Content()
        if path.exists():
            try:
                self._content = msgspec.json.decode(path.read_bytes(), type=_Content)
            except (OSError, msgspec.DecodeError) as error:
                _log.warning("%s cannot be read (%s): all is told once more", path, error)
        self._content.channels.pop(passing, None)

    def of(self, channel: str, device: str) -> Told:
        """The things that ``channel`` has told of ``device``."""
        return self._content.channels.setdefault(channel, {}).setdefault(device, Told())

    @property
    def written(self) -> dict[str, int]:
        """The time of the newest letter of each camera, by its name, in Unix seconds."""
        return self._content.written

    def save(self) -> None:
        """Write the file. A full disk is logged, so that messages are told all the same."""
        for devices in self._content.channels.values():
            for told in devices.values():
                del told.items[:-_MOST_ITEMS]
        try:
            files.replace(self._path, msgspec.json.encode(self._content), mode=files.PRIVATE_MODE)
        except StorageFault as fault:
            _log.warning("messages may be told again after a restart: %s", fault)
