"""The gateway's own memory of its ledger's head, signed, beside its keys.

A database that was changed at rest, or set back without the keys, is not gone on from: at the
start all lines are hashed again and compared with the tree and with this head. The ledger may
have grown since, by what a power cut kept from being remembered here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from agent import files
from agent.clock import Clock
from agent.consent import signing
from agent.consent.statements import MAX_STATEMENT_BYTES, LedgerHead, Statement
from agent.errors import Refused, StorageFault
from agent.gateway.device_keys import DeviceKeys
from agent.vault.records.ledger import Ledger


class _KeptHead(Statement, frozen=True):
    """A device remembers the head of its ledger."""

    TYP: ClassVar[str] = "clip-ledger-head+jwt"

    ledger: LedgerHead


@dataclass(eq=False)
class LedgerAnchor:
    """The head that is kept at ``path``."""

    path: Path
    keys: DeviceKeys
    ledger: Ledger
    clock: Clock
    random: Callable[[int], bytes]
    _lines: int = -1  # of the head that was kept last

    def check(self) -> None:
        """Raise StorageFault if the ledger does not begin with the lines of the kept head."""
        try:
            self.ledger.verify(self._read())
        except StorageFault as error:
            raise StorageFault(
                f"the ledger is not the one that this gateway wrote: {error.message}",
                advice="Restore the gateway's folder as a whole from a newer copy. To go on from"
                f" this ledger all the same, delete {self.path}: the owners' computers will warn",
            ) from error
        self.keep()

    def keep(self) -> None:
        """Remember the head, if the ledger has grown."""
        if len(self.ledger) == self._lines:
            return
        head = self.ledger.head()
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
