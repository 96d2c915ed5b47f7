"""Holds: releases wait when what their owner said may have been lost.

That is so when the broker forgot the letters that it kept (:mod:`.last_word`), or when the
state of the gateway was restored from an older copy: then the device's own status letter at
the broker names a ledger head that this ledger does not have. A held release goes on only
when each owner who approved it names that approval as standing, in a ``sync`` that was signed
after the hold (:mod:`agent.gateway.decisions.sync`).

After a restored copy, approvals that were signed before and come only now are held too: they
may have been revoked in the time that the copy does not know.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from agent.consent import letters, signing
from agent.consent.decisions.approval import Consent
from agent.consent.statements import Status
from agent.errors import Refused
from agent.gateway.device_keys import DeviceKeys
from agent.gateway.release.authorization import Authorizer, Signed
from agent.gateway.unit_of_work import Change, UnitOfWork
from agent.mqtt import topics
from agent.vault.records.events import Event
from agent.vault.records.releases import ReleaseRow

log = logging.getLogger(__name__)

FORGOTTEN = "the broker lost the letters that it kept for this camera"
UNANCHORED = "the memory of its ledger's head was deleted"
RESTORED = "this camera was set back to an older copy of its state"


@dataclass(frozen=True, eq=False)
class Holds:
    """Holds releases; on the thread of the loop."""

    work: UnitOfWork
    authorizer: Authorizer
    keys: DeviceKeys

    def is_ahead(self, status: bytes) -> bool:
        """True for a status letter of this device with a ledger head that is not in its ledger."""
        try:
            letter = letters.open_letter(status, self.keys.identity)
            said = signing.verify(letter.jws, Status, {self.keys.id: self.keys.signing.public})
        except Refused:
            return False  # of nobody, or of the device that had other keys
        return not self.work.ledger.holds(said.ledger)

    def hold_all(self, why: str) -> None:
        """Hold every release that is not over."""
        with self.work.transaction() as change:
            if why == RESTORED:
                change.holds.doubt(at=change.now)
                change.note(Event.STATE_RESTORED, "", {})
            for row in change.releases.all("PROPOSED", "APPROVED", "SEALED"):
                try:
                    signed = self.authorizer.signed(row)
                except Refused as error:
                    log.warning("release %s is not sent: %s", row.id, error)
                    continue  # as it stands it cannot be sent
                self._hold(change, row, signed, why)

    def admit(self, change: Change, row: ReleaseRow, consent: Consent, decision: str) -> None:
        """Hold a release that begins or goes on by ``consent`` if that may have been revoked."""
        until = change.holds.doubted_until()
        if until is not None and consent.iat <= until:
            change.holds.hold(row.id, decision, consent.iss, RESTORED, at=until)
            change.note(Event.RELEASE_HELD, row.id, {"why": RESTORED})
            now = change.releases.get(row.id)
            if now is not None and now.state != "PROPOSED":
                change.tell_release(now, now.state)

    def _hold(self, change: Change, row: ReleaseRow, signed: tuple[Signed, ...], why: str) -> None:
        for one in signed:
            decision = signing.digest(one.jws)[:16]
            change.holds.hold(row.id, decision, one.consent.iss, why, at=change.now)
        change.note(Event.RELEASE_HELD, row.id, {"why": why})
        if why == RESTORED:  # the letter at the broker is newer, and may say that it was sent
            change.letters.forget(topics.release(self.work.parties.device_name, row.id))
        elif row.state != "PROPOSED":  # the other owner must still find what to agree with
            change.tell_release(row, row.state)
        subjects = {"release": row.id, "request": row.request}
        log.warning("release %s is held: %s", row.id, why, extra=subjects)
