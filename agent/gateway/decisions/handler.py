"""From an owner's letter to the part that acts on it.

A letter is opened with the device's key; the statement inside is checked by
:mod:`agent.consent`, and acted on once: approvals and shares by :mod:`.approvals`,
commands by :mod:`.commands`, declines here.

A refused letter changes nothing and is told to the owner, unless it was acted on before: brokers
deliver twice, and the first answer still holds. A decision that was refused stays refused, whoever
brings it again, and when. Each rule that a letter broke is one ledger line, however often it
comes; letters from strangers have a daily measure (:mod:`agent.gateway.rate_limit`).

No letter or clip may crash the process: the broker would redeliver it. A disk that does not take
a commit does end the process, and then the letter shall come again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.consent import letters, signing
from agent.consent.cards import PublicKey
from agent.consent.decisions.common import RETAINED, DecisionContext, check_decision
from agent.consent.letters import Letter
from agent.consent.statements import Approval, Command, Decline, Share
from agent.errors import MalformedStatement, Refused
from agent.gateway.decisions.approvals import Approvals
from agent.gateway.decisions.commands import Commands
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.rate_limit import ANYBODY, RateLimiter
from agent.gateway.unit_of_work import Change, UnitOfWork, reason
from agent.vault.records.events import Event

log = logging.getLogger(__name__)

_Decision = Approval | Share | Decline | Command
_KINDS: Mapping[str, type[_Decision]] = {
    kind.TYP: kind for kind in (Approval, Share, Decline, Command)
}


@dataclass(frozen=True, eq=False)
class DecisionHandler:
    """Acts on letters from the owners; ``identity`` is the device's, and opens them."""

    work: UnitOfWork
    inbox: OpenRequests
    rate_limiter: RateLimiter
    approvals: Approvals
    commands: Commands
    identity: str

    def receive(self, payload: bytes, *, retained: bool, done: Callable[[], None]) -> None:
        """Act on one letter; ``done`` is called when it need not come again."""
        try:
            letter = letters.open_letter(payload, self.identity)
            kind = signing.claimed_typ(letter.jws)
        except Refused as error:
            self._refuse_unread(payload, error)
            done()
            return
        context = DecisionContext(
            owners=self.work.parties.owner_keys,
            device_id=self.work.parties.device_id,
            now=self.work.clock.now(),
            since=self.work.decisions.begun_at() or 0.0,
            seen=self.work.decisions.seen,
            retained=retained,
        )
        try:
            self._act(letter, kind, context, done)
        except Refused as error:
            self._refuse(letter, error)
            done()

    def resume(self, payload: bytes, *, done: Callable[[], None]) -> None:
        """Take the keys of a deferred letter, if its release still waits for them."""
        try:
            letter = letters.open_letter(payload, self.identity)
        except Refused:
            done()
            return
        if self.work.releases.waiting_for_keys(letter.jws) is None:
            done()
        else:
            self.receive(payload, retained=False, done=done)

    def begin(self) -> None:
        """Note, with a synced clock and before any letter, since when the ledger is kept."""
        if self.work.decisions.begun_at() is None:
            with self.work.transaction() as change:
                change.decisions.begin(at=change.now)

    def settle(self) -> None:
        """End proposals that wait in vain, and pass on the camera's answers; call it often."""
        self.approvals.settle()
        self.commands.camera.settle()

    def _act(
        self, letter: Letter, typ: str, context: DecisionContext, done: Callable[[], None]
    ) -> None:
        kind = _KINDS.get(typ)
        if kind is Approval or kind is Share:
            self.approvals.receive(letter, kind, context, done)
            return
        if kind is Decline:
            self._decline(check_decision(letter.jws, Decline, context), letter.jws)
        elif kind is Command:
            self.commands.obey(check_decision(letter.jws, Command, context), letter.jws)
        else:
            raise MalformedStatement("wrong-typ", "is not a decision of an owner")
        done()

    def _decline(self, decline: Decline, jws: str) -> None:
        """Any owner may decline, whatever the others decided."""
        request = self.work.requests.get(decline.request)
        if request is None or not request.is_open:
            raise Refused("request-closed", "no open request has this digest")
        with self.work.acting_on(decline, jws) as change:
            self.inbox.decline(change, request.digest, {"owner": decline.iss})
            if decline.mute:
                self.inbox.mute(change, request.requester, owner=decline.iss)
        self.commands.reply_done(jws)

    # Refusals

    def _refuse_unread(self, payload: bytes, error: Refused) -> None:
        """A letter that could not even be opened: a line, once, and nobody is told."""
        subject = hashlib.sha256(payload).hexdigest()
        heard = self.work.ledger.tells(subject, Event.LETTER_REFUSED)
        if not heard and self.rate_limiter.take(ANYBODY):
            with self.work.transaction() as change:
                change.note(Event.LETTER_REFUSED, subject, reason(error))
        log.warning("letter refused: %s (%s)", error.rule, error.message)

    def _refuse(self, letter: Letter, error: Refused) -> None:
        subject = signing.digest(letter.jws)
        before = self.work.ledger.says(Event.DECISION_REFUSED, subject)
        rules_before = {line.get("rule") for line in before}
        if error.rule in rules_before or rules_before - {RETAINED}:
            return
        # The letters of strangers have a measure, the owners' have none.
        if not self._is_an_owners(letter.jws) and not self.rate_limiter.take(ANYBODY):
            return
        with self.work.transaction() as change:
            change.note(Event.DECISION_REFUSED, subject, reason(error))
            if not self.work.decisions.acted_on(subject):
                why, what = f"{error.rule}: {error.message}", self._what(letter.jws)
                change.tell(subject[:16], "REFUSED", why, what=what)
                self._burn(change, letter.jws, error)
        log.warning("decision %s refused: %s (%s)", subject[:16], error.rule, error.message)

    def _burn(self, change: Change, jws: str, error: Refused) -> None:
        """Keep a refused decision from being accepted later, by a later clock, say.

        A retained copy burns nothing: anybody may have kept one of a letter yet to come.
        """
        decision = self._addressed_to_us(jws)
        if decision is None or error.rule == RETAINED or change.decisions.seen(decision.jti):
            return
        change.decisions.mark_seen(decision.jti, signing.digest(jws), at=change.now)

    def _what(self, jws: str) -> str:
        """The name that an owner would give to a command."""
        match self._addressed_to_us(jws):
            case Command() as command:
                return command.what
            case None:
                return ""
            case decision:
                return type(decision).__name__.lower()

    def _addressed_to_us(self, jws: str) -> _Decision | None:
        """The decision in ``jws``, if an owner signed it for this device."""
        parties = self.work.parties
        kind = _KINDS.get(signing.claimed_typ(jws))
        try:
            decision = None if kind is None else signing.verify(jws, kind, parties.owner_keys)
        except Refused:
            return None
        return decision if decision is not None and decision.aud == parties.device_id else None

    def _is_an_owners(self, jws: str) -> bool:
        """True if an owner signed this, whatever it says."""
        return any(_is_signed(jws, key) for key in self.work.parties.owner_keys.values())


def _is_signed(jws: str, key: PublicKey) -> bool:
    try:
        signing.verify_signature(jws, key)
    except Refused:
        return False
    return True
