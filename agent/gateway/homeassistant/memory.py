"""Memory of what Home Assistant was told: the file ``gateway/homeassistant.json``.

It names the retained topics, so that they can be emptied when the owner wants them no more, and the
stages that were told, so that a restart tells none twice.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from agent import files
from agent.consent import decoding
from agent.consent.statements import Part, ReleaseId
from agent.errors import ClipDamaged, MalformedStatement
from agent.mqtt.link import Link

_MAX_BYTES: Final = 2**20
_Topic = Annotated[str, Meta(max_length=1_000)]

log = logging.getLogger(__name__)


class Told(Part, frozen=True):
    """Retained topics, and the last stage of each id; ``stages`` None: nothing yet."""

    retained: tuple[_Topic, ...] = ()
    stages: dict[ReleaseId, str] | None = None


class Memory:
    """The file below ``state_dir``; a damaged one counts as none."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "gateway" / "homeassistant.json"
        self.told = self._read()

    def keep(self, **changes: object) -> None:
        """Write ``changes``, if there are any; :class:`StorageFault` when that fails."""
        told = msgspec.structs.replace(self.told, **changes)
        if told != self.told:
            files.replace(self._path, decoding.encode(told), mode=files.PRIVATE_MODE)
            self.told = told

    def forget(self) -> None:
        """Delete the file."""
        files.remove(self._path)
        self.told = Told()

    def _read(self) -> Told:
        if not files.exists(self._path):
            return Told()
        try:
            with files.open_regular(self._path) as file:
                return decoding.decode(file.read(_MAX_BYTES + 1), Told, _MAX_BYTES)
        except (ClipDamaged, MalformedStatement) as error:
            log.warning("%s cannot be read (%s): Home Assistant is new here", self._path, error)
            return Told()


class Withdrawal:
    """Empties retained topics, and knows when the broker has confirmed it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._unconfirmed: set[int] = set()

    def begin(self, topics: tuple[str, ...]) -> None:
        """Empty ``topics``; raises NetworkFault while disconnected."""
        self._unconfirmed = {self._link.publish(one, b"", retained=True) for one in topics}

    def published(self, token: int) -> bool:
        """True if ``token`` confirmed the last of them."""
        if token not in self._unconfirmed:
            return False
        self._unconfirmed.discard(token)
        return not self._unconfirmed
