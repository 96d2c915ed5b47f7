"""The gateway's own memory of its ledger's head, signed, beside its keys.

A database that was changed at rest, or set back without the keys, is not gone on from: at the
start all lines are hashed again and compared with the tree and with this head. The ledger may
have grown since, by what a power cut kept from being remembered here.

Whoever deletes this file to go on from another ledger is told of: the database holds a mark that
there was one. The gateway goes on, for that is the way to repair it, but the ledger and the
status letters say so, and releases that wait are held.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

from agent import files
from agent.clock import Clock
from agent.consent import signing
from agent.consent.statements import MAX_STATEMENT_BYTES, LedgerHead, Statement
from agent.errors import Refused, StorageFault
from agent.gateway import device_keys
from agent.gateway.device_keys import DeviceKeys
from agent.gateway.release.holds import UNANCHORED
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.events import Event

_TOLD_SECONDS: Final = 30 * 86_400.0

log = logging.getLogger(__name__)


def path_of(state_dir: Path) -> Path:
    """The file of the head below ``state_dir``."""
    return device_keys.path_of(state_dir).with_name("ledger-head")


class _KeptHead(Statement, frozen=True):
    """A device remembers the head of its ledger."""

    TYP: ClassVar[str] = "clip-ledger-head+jwt"

    ledger: LedgerHead


@dataclass(eq=False)
class LedgerAnchor:
    """The head that is kept at ``path``."""

    path: Path
    keys: DeviceKeys
    work: UnitOfWork
    clock: Clock
    random: Callable[[int], bytes]
    _lines: int = -1  # of the head that was kept last

    def check(self, *, is_copy: bool = False) -> bool:
        """True if a head was kept once, and is gone. ``is_copy``: by the word of others.

        Raises StorageFault if the ledger does not begin with the lines of the kept head.
        """
        kept, anchored = self._read(), self.work.anchored
        try:
            self.work.ledger.verify(kept)
        except StorageFault as error:
            raise StorageFault(
                f"the ledger is not the one that this gateway wrote: {error.message}",
                advice="Restore the gateway's folder as a whole from a newer copy. To go on from"
                f" this ledger all the same, delete {self.path}: the owners' computers will warn",
            ) from error
        is_lost = kept is None and (is_copy or anchored.is_anchored())
        if is_lost:
            log.error("%s is missing: lines may have been removed from the ledger", self.path)
            with self.work.transaction() as change:
                change.anchored.lose(at=change.now)
                change.note(Event.LEDGER_UNANCHORED, "", {})
        self.keep()
        if not anchored.is_anchored():
            with self.work.transaction() as change:
                change.anchored.mark()
        return is_lost

    def warnings(self) -> Iterator[str]:
        """A sentence for the owners in the month after the head was found missing."""
        lost_at = self.work.anchored.lost_at()
        if lost_at is not None and self.work.clock.now() - lost_at < _TOLD_SECONDS:
            at = datetime.fromtimestamp(lost_at, tz=UTC)
            yield (
                f"{UNANCHORED} before {at:%d %b %Y, %H:%M} UTC: somebody may have removed lines of"
                " its ledger"
            )

    def keep(self) -> None:
        """Remember the head, if the ledger has grown."""
        if len(self.work.ledger) == self._lines:
            return
        head = self.work.ledger.head()
        statement = _KeptHead(
            iss=self.keys.id,
            jti=signing.new_jti(self.random(16)),
            iat=int(self.clock.now()),
            ledger=head,
        )
        jws = self.keys.signing.sign(statement)
        files.replace(self.path, jws.encode(), mode=files.PRIVATE_MODE)
        self._lines = head.size

    def _read(self) -> LedgerHead | None:
        with files.faults(self.path):
            if not self.path.exists():
                return None  # the first start, or the first of this version
            with files.open_regular(self.path) as file:
                text = file.read(MAX_STATEMENT_BYTES).decode("ascii", "replace")
        try:
            return signing.verify(text, _KeptHead, {self.keys.id: self.keys.signing.public}).ledger
        except Refused as error:
            raise StorageFault(f"{self.path} is damaged ({error})") from error
