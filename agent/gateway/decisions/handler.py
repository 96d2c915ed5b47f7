"""From an owner's letter to whoever acts on what it says.

A letter is opened with the device's key; the statement inside is checked by
:mod:`agent.consent`, and acted on once: approvals and shares by :mod:`.proposals`,
commands by :mod:`.commands`, declines here.

A refused letter changes nothing and is told to the owner, unless it was acted on
before: brokers deliver twice, and what was said of it then still holds. What an owner was
told is refused stays refused, whoever brings it again, and when. It is a ledger line, one
for each rule it broke, however often it comes; what strangers send has a daily measure
(:mod:`.flood`).

Whatever a letter or a clip holds, it must not end the process: the letter would come
again and end the next one. A disk that does not take a commit does end it, and then
the letter shall come again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import PublicKey
from agent.consent.decisions import common as rules
from agent.consent.decisions.common import RETAINED
from agent.consent.letters import Letter
from agent.consent.statements import Approval, Command, Decline, Share
from agent.errors import MalformedStatement, Refused
from agent.gateway.decisions.approvals import Approvals
from agent.gateway.decisions.commands import Commands
from agent.gateway.device_keys import DeviceKeys
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.rate_limit import ANYBODY, RateLimiter
from agent.gateway.unit_of_work import UnitOfWork

log = logging.getLogger(__name__)

_Decision = Approval | Share | Decline | Command
_KINDS: Mapping[str, type[_Decision]] = {
    kind.TYP: kind for kind in (Approval, Share, Decline, Command)
}


class DecisionHandler:
    """Acts on letters from the owners."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        inbox: OpenRequests,
        floods: RateLimiter,
        proposals: Approvals,
        commands: Commands,
        keys: DeviceKeys,
        owners: Mapping[str, PublicKey],
    ) -> None:
        self._work = work
        self._inbox = inbox
        self._floods = floods
        self._proposals = proposals
        self._commands = commands
        self._keys = keys
        self._owners = owners

    def receive(self, payload: bytes, *, retained: bool, done: Callable[[], None]) -> None:
        """Act on one letter; ``done`` is called when it need not come again."""
        try:
            letter = mail.open_letter(payload, self._keys.identity)
            kind = signing.claimed_typ(letter.jws)
        except Refused as error:
            self._refuse_unread(payload, error)
            done()
            return
        handlers = {
            Approval.TYP: self._proposals.approve,
            Share.TYP: self._proposals.share,
            Decline.TYP: self._decline,
            Command.TYP: self._command,
        }
        try:
            handler = handlers.get(kind)
            if handler is None:
                raise MalformedStatement("wrong-typ", "is not a decision of an owner")
            handler(letter, retained, done)
        except Refused as error:
            self._refuse(letter, error)
            done()

    def begin(self) -> None:
        """Note, with a synced clock and before any letter, since when there is a record."""
        if self._work.cases.begun_at() is None:
            with self._work.index.transaction():
                self._work.cases.begin(at=self._work.clock.now())

    def settle(self) -> None:
        """End what waits for another owner in vain: whenever something happened, and at times."""
        self._proposals.settle()

    def _decline(self, letter: Letter, retained: bool, done: Callable[[], None]) -> None:
        """Any owner may, whatever the others think of it."""
        decline = self._check(letter, Decline, retained)
        case = self._work.cases.request(decline.request)
        if case is None or not case.is_open:
            raise Refused("request-closed", "no open request has this digest")
        with self._work.acting_on(decline, letter.jws) as now:
            self._inbox.decline(decline.request, {"owner": decline.iss}, at=now)
            if decline.mute:
                self._commands.silence(case.requester, owner=decline.iss, at=now)
        self._commands.answer_done(letter.jws)
        done()

    def _command(self, letter: Letter, retained: bool, done: Callable[[], None]) -> None:
        self._commands.obey(self._check(letter, Command, retained), letter.jws)
        done()

    def _check(self, letter: Letter, kind: type[rules.D], retained: bool) -> rules.D:
        return rules.check_decision(
            letter.jws,
            kind,
            retained=retained,
            owners=self._owners,
            device_id=self._keys.id,
            now=self._work.clock.now(),
            seen=self._work.cases.seen,
            since=self._work.cases.begun_at() or 0.0,
        )

    # Refusals

    def _refuse_unread(self, payload: bytes, error: Refused) -> None:
        """A letter that could not even be opened: a line, once, and nobody is told."""
        subject = hashlib.sha256(payload).hexdigest()
        heard = self._work.ledger.tells(subject, "letter.refused")
        if not heard and self._floods.take(ANYBODY):
            detail = {"rule": error.rule, "why": error.message[:200]}
            with self._work.index.transaction():
                self._work.note("letter.refused", subject, detail)
        log.warning("letter refused: %s (%s)", error.rule, error.message)

    def _refuse(self, letter: Letter, error: Refused) -> None:
        subject = signing.digest(letter.jws)
        before = self._work.ledger.says("decision.refused", subject)
        rules_before = {line.get("rule") for line in before}
        if error.rule in rules_before or rules_before - {RETAINED}:
            return
        if not self._is_an_owners(letter.jws) and not self._floods.take(ANYBODY):
            return
        with self._work.index.transaction():
            detail = {"rule": error.rule, "why": error.message[:200]}
            self._work.note("decision.refused", subject, detail)
            if not self._work.cases.acted_on(subject):
                self._work.tell(subject[:16], "REFUSED", f"{error.rule}: {error.message}")
                self._burn(letter.jws, error)
        log.warning("decision %s refused: %s (%s)", subject[:16], error.rule, error.message)

    def _burn(self, jws: str, error: Refused) -> None:
        """Inside a transaction: what was refused now is not accepted later, by a later clock,
        say. A retained copy burns nothing: anybody may have kept one of a letter yet to come.
        """
        decision = self._addressed_to_us(jws)
        if decision is None or error.rule == RETAINED or self._work.cases.seen(decision.jti):
            return
        self._work.cases.mark_seen(decision.jti, signing.digest(jws), at=self._work.clock.now())

    def _addressed_to_us(self, jws: str) -> _Decision | None:
        """The decision in ``jws``, if an owner signed it for this device."""
        kind = _KINDS.get(signing.claimed_typ(jws))
        try:
            decision = None if kind is None else signing.verify(jws, kind, self._owners)
        except Refused:
            return None
        return decision if decision is not None and decision.aud == self._keys.id else None

    def _is_an_owners(self, jws: str) -> bool:
        """Whether an owner signed this, whatever it says: strangers' letters are measured."""
        return any(_is_signed(jws, key) for key in self._owners.values())


def _is_signed(jws: str, key: PublicKey) -> bool:
    try:
        signing.verify_signature(jws, key)
    except Refused:
        return False
    return True
