"""One thread's records, and the transactions that change them.

State, ledger line and letter commit together: they are written through a :class:`Change`,
which exists only while a transaction is open.

>>> with work.transaction() as change:
...     change.advance(release, "seal", {"bytes": 1000})
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from agent.clock import Clock
from agent.consent import signing
from agent.consent.statements import Approval, Command, Decline, LedgerHead, Share
from agent.errors import Refused
from agent.gateway.device_keys import DeviceKeys
from agent.gateway.letters.outbox import LetterTable
from agent.gateway.letters.writer import LetterWriter
from agent.mqtt import topics
from agent.parties import Parties
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.anchored import AnchoredTable, AnchoredWriter
from agent.vault.records.camera_commands import CameraCommandTable, CameraCommandWriter
from agent.vault.records.decisions import DecisionTable, DecisionWriter
from agent.vault.records.events import Event, entered
from agent.vault.records.floods import FloodTable, FloodWriter, LogTable, LogWriter
from agent.vault.records.holds import HoldTable, HoldWriter
from agent.vault.records.ledger import Json, Ledger, LedgerWriter
from agent.vault.records.notices import NoticeTable, NoticeWriter
from agent.vault.records.receipts import ReceiptTable, ReceiptWriter
from agent.vault.records.releases import ReleaseRow, ReleaseTable, ReleaseWriter
from agent.vault.records.requests import RequestTable, RequestWriter

log = logging.getLogger(__name__)


class UnitOfWork:
    """Reads the records; ``database`` is this thread's own connection; ``keys`` sign letters.

    ``letters_written`` is called after each transaction that wrote a letter.
    """

    def __init__(
        self,
        database: GatewayDatabase,
        *,
        parties: Parties,
        keys: DeviceKeys,
        clock: Clock,
        random: Callable[[int], bytes],
        letters_written: Callable[[], object] = lambda: None,
    ) -> None:
        self.database = database
        self.parties = parties
        self.clock = clock
        self._letters_written = letters_written
        self.requests = RequestTable(database)
        self.releases = ReleaseTable(database)
        self.receipts = ReceiptTable(database)
        self.holds = HoldTable(database)
        self.decisions = DecisionTable(database)
        self.notices = NoticeTable(database)
        self.floods = FloodTable(database)
        self.logs = LogTable(database)
        self.camera_commands = CameraCommandTable(database)
        self.ledger = Ledger(database)
        self.anchored = AnchoredTable(database)
        self.write = LetterWriter(
            parties=parties, keys=keys, ledger=self.ledger, clock=clock, random=random
        )

    @contextmanager
    def transaction(self) -> Iterator[Change]:
        """All of the changes, durable once the block ends, or none."""
        with self.database.transaction():
            change = Change(self)
            yield change
        if change.wrote_letters:
            self._letters_written()

    @contextmanager
    def acting_on(
        self, decision: Approval | Share | Decline | Command, jws: str
    ) -> Iterator[Change]:
        """The transaction in which ``decision`` takes effect, once."""
        with self.transaction() as change:
            change.decisions.mark_seen(decision.jti, signing.digest(jws), at=change.now)
            yield change


class Change:
    """An open transaction, begun at ``now``: each table for writing, the ledger, the letters."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self.now = work.clock.now()
        self.wrote_letters = False
        self.requests = RequestWriter(work.database)
        self.releases = ReleaseWriter(work.database)
        self.receipts = ReceiptWriter(work.database)
        self.holds = HoldWriter(work.database)
        self.decisions = DecisionWriter(work.database)
        self.notices = NoticeWriter(work.database)
        self.floods = FloodWriter(work.database)
        self.logs = LogWriter(work.database)
        self.camera_commands = CameraCommandWriter(work.database)
        self.letters = LetterTable(work.database)
        self.anchored = AnchoredWriter(work.database)
        self._ledger = LedgerWriter(work.database)

    def note(self, event: Event, subject: str, detail: Mapping[str, Json]) -> None:
        """Add a line to the ledger."""
        self._ledger.append(str(event), subject, detail, at=self.now)

    def acknowledge(self, owner: str, heads: Iterable[LedgerHead], *, at: float) -> None:
        """Let the letters prove from now on that the ledger grew from ``heads``."""
        self._ledger.acknowledge(owner, heads, at=at)

    def tell(
        self,
        subject: str,
        event: str,
        detail: str = "",
        *,
        request: str | None = None,
        decision: str = "",
        what: str = "",
    ) -> None:
        """Write a letter to the owners, retained until the next about the same ``subject``."""
        letter = self._work.write.outcome(
            subject,
            event,
            detail,
            request=request,
            decision=decision,
            what=what,
            files=self.releases.files(subject),
        )
        self.put_letter(topics.release(self._work.parties.device_name, subject), letter)

    def put_letter(self, topic: str, letter: bytes) -> None:
        """Replace what ``topic`` holds."""
        self.letters.put(topic, letter, at=self.now)
        self.wrote_letters = True

    def advance(
        self, release: ReleaseRow, event: str, line: Mapping[str, Json], *, detail: str = ""
    ) -> None:
        """Move a release along its table, with its ledger line and its letter."""
        state = self.releases.advance(release.id, event, detail=detail)
        self.note(entered("release", state), release.id, line)
        self.tell_release(release, state, detail)
        subjects = {"release": release.id, "request": release.request}
        log.info("release %s: %s %s", release.id, state, detail, extra=subjects)

    def tell_release(self, release: ReleaseRow, state: str, detail: str = "") -> None:
        """Write the letter about a release that is now in ``state``, and perhaps held."""
        why = self.holds.why(release.id) if state in ("APPROVED", "SEALED") else ""
        self.tell(release.id, "HELD" if why else state, why or detail, request=release.request)


def reason(error: Refused) -> dict[str, Json]:
    """The rule that refused something and why, as a ledger line names them."""
    return {"rule": error.rule, "why": error.message[:200]}
