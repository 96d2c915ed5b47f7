"""Fetch the ledger of a camera, a page at a time, into the owner's copy."""

from __future__ import annotations

from collections.abc import Callable

from agent.clock import Clock
from agent.consent.statements import LedgerPage, ReadLedger
from agent.errors import MalformedStatement, NetworkFault
from agent.keyfile import Keys
from agent.owner.decisions import sign
from agent.owner.decisions.plans import Plans
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox.inbox import Inbox
from agent.owner.ledger.copy import LedgerCopy
from agent.owner.visit import broker
from agent.owner.visit.visits import Visits

_MOST_PAGES = 200  # of one fetch: 50 MB, or some 100,000 lines


class Ledgers:
    """The ledgers of the owner whose ``folder`` this is."""

    def __init__(
        self, folder: OwnerFolder, plans: Plans, inbox: Inbox, visits: Visits, clock: Clock
    ) -> None:
        self._folder = folder
        self._plans = plans
        self._inbox = inbox
        self._visits = visits
        self._clock = clock

    def read(self, device: str) -> LedgerCopy:
        """The copy on this computer, which may be empty."""
        card = self._plans.camera(device)
        return LedgerCopy(self._folder, card, self._inbox.ledger_heads(device))

    def fetch(
        self,
        device: str,
        keys: Keys,
        *,
        anew: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> LedgerCopy:
        """Ask the camera for the lines that are not here, or with ``anew`` for all of them.

        ``progress`` gets the number of lines here and in all. Raises NetworkFault for a camera
        that does not answer, Refused if it refuses.
        """
        card, copy = self._plans.camera(device), self.read(device)
        after = 0 if anew else copy.next_after
        with self._visits.begin(keys, [device]) as visit:
            visit.require(device)
            visit.repeat()
            if anew:
                copy.forget()
            for _ in range(_MOST_PAGES):
                now = self._clock.now()
                what = sign.command(ReadLedger(after=after), card, now=now)
                command = sign.sign(what, keys, now=now)
                broker.send(visit.session, command)
                page = broker.ledger_page(visit.session, command, self._inbox, keys, now=now)
                if page is None:
                    raise NetworkFault(
                        f"{device} does not send its ledger", advice="Try again later"
                    )
                count = _count(page, after)
                after += count
                if progress is not None:
                    progress(after, page.ledger.size)
                if not count or after >= page.ledger.size:
                    break
        return self.read(device)


def _count(page: LedgerPage, after: int) -> int:
    """The number of lines in the page that was asked for."""
    try:
        texts = page.texts()
    except ValueError as error:
        raise MalformedStatement("not-a-ledger", f"its lines are none: {error}") from error
    if page.after != after:
        raise MalformedStatement("wrong-page", f"the lines are not those after number {after}")
    return len(texts)
