"""Where a decision and its consequences are written down, by one thread.

State, ledger line and the owners' letter belong into one transaction: what is here is
called inside it. A :class:`UnitOfWork` bundles the rows, the ledger and the letters of one
connection to the index, so that no part that decides can forget one of them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from agent.clock import Clock
from agent.consent import signing
from agent.consent.statements import Approval, Command, Decline, Share
from agent.gateway.letters.outbox import Letters
from agent.gateway.letters.writer import LetterWriter
from agent.mqtt import topics
from agent.vault.database.index import Index
from agent.vault.records.ledger import Json, Ledger
from agent.vault.records.requests import Cases, ReleaseCase

log = logging.getLogger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_RELEASE_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class UnitOfWork:
    """The record of one thread; ``index`` is that thread's own connection."""

    index: Index
    cases: Cases
    ledger: Ledger
    letters: Letters
    reports: LetterWriter
    clock: Clock
    device_name: str

    @contextmanager
    def acting_on(
        self, decision: Approval | Share | Decline | Command, jws: str
    ) -> Iterator[float]:
        """The transaction in which ``decision`` takes effect, once; gives the time."""
        now = self.clock.now()
        with self.index.transaction():
            self.cases.mark_seen(decision.jti, signing.digest(jws), at=now)
            yield now

    # Inside a transaction

    def note(self, event: str, subject: str, detail: Mapping[str, Json]) -> None:
        """A line in the ledger."""
        self.ledger.append(event, subject, detail, at=self.clock.now())

    def tell(
        self,
        subject: str,
        event: str,
        detail: str = "",
        *,
        request: str | None = None,
        decision: str = "",
    ) -> None:
        """A letter to the owners, retained until the next about the same ``subject``."""
        letter = self.report(subject, event, detail, request=request, decision=decision)
        self.letters.put(topics.release(self.device_name, subject), letter, at=self.clock.now())

    def report(
        self,
        subject: str,
        event: str,
        detail: str = "",
        *,
        request: str | None = None,
        decision: str = "",
    ) -> bytes:
        """The sealed letter that says what became of ``subject``."""
        return self.reports.outcome(
            subject=subject,
            request=request if request and _DIGEST.fullmatch(request) else None,
            event=event,
            detail=detail,
            decision=decision,
            head=self.ledger.head(),
            at=self.clock.now(),
        )

    def advance(
        self,
        case: ReleaseCase,
        event: str,
        line: Mapping[str, Json],
        *,
        detail: str = "",
    ) -> None:
        """Move a release along its table, with the line and the letter that belong to it."""
        state = self.cases.advance_release(case.id, event, detail=detail)
        self.note(f"release.{state.lower()}", case.id, line)
        self.tell(case.id, state, detail, request=case.request)
        log.info("release %s: %s %s", case.id, state, detail)


def is_release_id(text: str) -> bool:
    """Whether an approval can have this name: the camera's process, too, can write a row."""
    return _RELEASE_ID.fullmatch(text) is not None
