"""Receipts: the requester's signed word that a bundle arrived and could be read.

A receiver's last offset says only that it claims every byte. So after a release was sent, the
gateway asks for ``<upload url>.receipt`` (``docs/requester.md``), with growing pauses:

- accepted: the release is DELIVERED. The receipt must name the digest of the ``release.jws``
  in the bundle, which only somebody who opened it knows;
- rejected, with the rule: the release is REJECTED, and its owners read why. It is not sent again;
- none within :data:`OVERDUE_SECONDS`: the owners are told once, and the questions go on until
  :data:`GIVE_UP_SECONDS` are over. The release stays SENT.

Anything else at that URL (a page of a proxy, a receipt for another bundle or of another signer)
counts as none. Only sender and receiver know the upload's URL, so a receipt tells nobody else that
this house answered. The questions tell the receiver that the house is online, and from which
address, so they are few and end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Final

from agent.backoff import pause_seconds
from agent.consent import signing
from agent.consent.statements import Receipt
from agent.errors import EnvironmentFault, Refused
from agent.gateway.release.authorization import Authorizer
from agent.gateway.release.receiver_url import same_origin
from agent.gateway.release.upload import Receiver
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.events import Event
from agent.vault.records.receipts import ReceiptRow
from agent.vault.records.releases import ReleaseRow

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 6 * 3_600.0
OVERDUE_SECONDS: Final = 3_600.0
GIVE_UP_SECONDS: Final = 14 * 86_400.0  # receivers keep what they know of an upload about as long
OVERDUE: Final = "no receipt: it is not known if the recipient can read it"


@dataclass(frozen=True, eq=False)
class Receipts:
    """Asks for the receipts of sent releases, on the thread of the release worker."""

    _: KW_ONLY
    work: UnitOfWork
    authorizer: Authorizer
    receiver: Receiver
    random: Callable[[int], bytes]

    def step(self) -> bool:
        """Ask for one receipt that is due; True if there was one. The clock must be synced."""
        now = self.work.clock.now()
        row = self.work.receipts.due(now, longest_pause=_LONGEST_PAUSE_SECONDS)
        if row is None:
            return False
        release = self.work.releases.get(row.release)
        if release is None or release.state != "SENT" or now > row.sent_at + GIVE_UP_SECONDS:
            with self.work.transaction() as change:
                change.receipts.drop(row.release)
            return True
        found = self._ask(row, release)
        if found is None:
            self._ask_later(row, release, now)
        else:
            self._finish(release, *found)
        return True

    def _ask(self, row: ReceiptRow, release: ReleaseRow) -> tuple[str, Receipt] | None:
        """The receipt for this bundle by its recipient, with its text; None if there is none."""
        url = release.upload_url or ""
        try:
            authorization = self.authorizer.of(release)
            if not same_origin(url, authorization.upload_url):
                return None  # the stored upload is not where it was to go
            data = self.receiver.receipt(url, at_most=signing.longest(Receipt))
            if data is None:
                return None
            jws = data.removesuffix(b"\n").decode("ascii", "replace")
            reader = {authorization.reader.fingerprint: authorization.reader}
            receipt = signing.verify(jws, Receipt, reader)
        except (EnvironmentFault, Refused) as fault:
            subjects = {"release": release.id, "request": release.request}
            log.info("release %s: no receipt yet (%s)", release.id, fault, extra=subjects)
            return None
        opened = receipt.release in (None, row.statement)
        if receipt.bundle != release.bundle_sha256 or not opened:
            log.warning("release %s: the receipt is for something else", release.id)
            return None
        return jws, receipt

    def _ask_later(self, row: ReceiptRow, release: ReleaseRow, now: float) -> None:
        share = int.from_bytes(self.random(2)) / 0xFFFF
        pause = pause_seconds(
            row.asked + 1,
            first=2 * FIRST_PAUSE_SECONDS,
            longest=_LONGEST_PAUSE_SECONDS,
            share=share,
        )
        # The owners are told when the time has come, not at the next question after it.
        overdue_at = row.sent_at + OVERDUE_SECONDS
        not_before = min(now + pause, overdue_at) if now < overdue_at else now + pause
        with self.work.transaction() as change:
            change.receipts.ask_later(row.release, not_before=not_before)
            if now >= overdue_at and not row.overdue:
                change.receipts.note_overdue(row.release)
                change.note(Event.RELEASE_UNCONFIRMED, release.id, {"url": release.upload_url})
                change.tell(release.id, release.state, OVERDUE, request=release.request)

    def _finish(self, release: ReleaseRow, jws: str, receipt: Receipt) -> None:
        line = {"receipt": jws}
        event, detail = "deliver", ""
        if receipt.verdict == "rejected":
            line |= {"rule": receipt.rule, "why": receipt.detail}
            event, detail = "reject", f"{receipt.rule}: {receipt.detail}"[:200]
        with self.work.transaction() as change:
            change.receipts.drop(release.id)
            change.advance(release, event, line, detail=detail)
