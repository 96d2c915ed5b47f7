"""Approvals and shares: alone, or until another owner says the same.

Each accepted approval, and each share, is a release. It begins PROPOSED; where one
owner is enough it goes on to APPROVED in the same transaction. Where two are needed it
waits, without keys, until *another* owner's letter says exactly the same: that letter
completes it and brings the keys. If the two crossed, it brings none; then the release is
APPROVED, and either owner's tool sends its letter again, with the keys. A letter that says
anything else is a proposal of its own, and the same owner never counts twice. Keys that come
too early are dropped.

An accepted letter only *starts* a release: the keys it carries go to
:class:`agent.gateway.release.worker.ReleaseWorker` in memory, and the broker keeps the letter
until the bundle is sealed (:mod:`.delivery`), so that after a crash in between it comes again, and
with it the keys. A proposal counts only with its owner's signature, verified when it is used.

A proposal ends when its approval does, when its request is closed, or when an owner
revokes it; one whose revocation the broker brought first never begins.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.consent import lifecycle, signing
from agent.consent.decisions import approval as rules
from agent.consent.decisions.approval import Consent
from agent.consent.decisions.common import DecisionContext
from agent.consent.letters import Letter
from agent.consent.statements import Approval, Share
from agent.errors import ApprovalRefused, Refused
from agent.gateway.decisions.holdings import DeviceHoldings
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.release.authorization import Authorizer
from agent.gateway.release.holds import Holds
from agent.gateway.release.worker import SealJob
from agent.gateway.unit_of_work import Change, UnitOfWork
from agent.vault.records.events import Event
from agent.vault.records.ledger import Json
from agent.vault.records.releases import ReleaseRow

log = logging.getLogger(__name__)

# Rules by which an approval that was accepted can be refused when it comes again after a
# crash, for good: its request, its clips or its requester's card have gone meanwhile.
_GONE = (5, 6, 8)
_CLOSED = {
    "DECLINED": "an owner declined the request",
    "EXPIRED": "the request expired",
    "WITHDRAWN": "the request was withdrawn",
}
_MAX_PROPOSALS = 8  # of one request, or of shares: as many as an owner can be shown


@dataclass(frozen=True, eq=False)
class Approvals:
    """Accepts approvals and shares, and brings owners who say the same together."""

    work: UnitOfWork
    inbox: OpenRequests
    authorizer: Authorizer
    holdings: DeviceHoldings
    holds: Holds
    start_release: Callable[[SealJob], None]
    allow_loopback_http: bool

    def receive(
        self,
        letter: Letter,
        kind: type[Approval | Share],
        context: DecisionContext,
        done: Callable[[], None],
    ) -> None:
        """Act on a letter, or raise :class:`Refused`; ``done`` when its keys were used."""
        check = rules.check_approval if kind is Approval else rules.check_share
        waiting = self.work.releases.waiting_for_keys(letter.jws) if letter.keys else None
        holdings = self.holdings
        if waiting is not None:  # it was accepted before, and brings the keys, perhaps again
            context = replace(context, seen=lambda _: False)
            holdings = replace(holdings, accepted=True)
        try:
            consent: Consent = check(
                letter,
                context,
                holdings,
                may_lack_keys=self.work.parties.approvals_needed > 1,
                allow_loopback_http=self.allow_loopback_http,
            )
        except ApprovalRefused as error:
            if waiting is not None and error.number in _GONE:
                self._give_up(waiting.id, error)
            raise
        if waiting is not None:
            self.start_release(SealJob(waiting.id, letter.keys, done))
        else:
            self._accept(letter, consent, done)

    def settle(self) -> None:
        """End the proposals that nobody can or may agree with any more."""
        for release in self.work.releases.all("PROPOSED"):
            if why := release.stop or self._closed(release):
                self._end(release, "revoke", why)
            elif self.work.clock.synced() and self.work.clock.now() >= release.expires_at:
                self._end(release, "fail", "the approval ended before another owner agreed")

    def _closed(self, release: ReleaseRow) -> str:
        """The reason why the request of ``release`` cannot be answered; empty while it can."""
        if release.request is None:
            return ""
        request = self.work.requests.get(release.request)
        if request is not None and request.is_open:
            return ""
        return _CLOSED.get(request.state if request else "", "the request is gone")

    def _accept(self, letter: Letter, consent: Consent, done: Callable[[], None]) -> None:
        """Start, complete or propose a release: the rules hold."""
        name = signing.digest(letter.jws)[:16]
        if self.work.ledger.tells(name, Event.RELEASE_REVOKED_EARLY):
            raise Refused("revoked-before", "an owner revoked it before it came")
        with self.work.acting_on(consent, letter.jws) as change:
            first = self._to_agree_with(consent)
            if first is not None:
                self._agree(change, first, letter, consent)
            release = first or self._add(change, letter, consent)
            self.holds.admit(change, release, consent, name)
        if not letter.keys or (first is None and self.work.parties.approvals_needed > 1):
            done()  # whoever agrees brings the keys, or either owner afterwards
        else:
            self.start_release(SealJob(release.id, letter.keys, done))

    def _add(self, change: Change, letter: Letter, consent: Consent) -> ReleaseRow:
        """Add a release, approved if one owner is enough."""
        release = ReleaseRow(
            id=signing.digest(letter.jws)[:16],
            request=_request_of(consent),
            approval=letter.jws,
            state="PROPOSED",
            detail="",
            approved_at=change.now,
            expires_at=consent.exp,
        )
        change.releases.add(release, [clip.id for clip in consent.clips])
        if self.work.parties.approvals_needed == 1:
            change.advance(release, "agree", _line(consent))
            return release
        change.note(Event.RELEASE_PROPOSED, release.id, _line(consent))
        why = "another owner must approve the same"
        change.tell(release.id, "PROPOSED", why, request=release.request, decision=letter.jws)
        self._renew(change, release)
        subjects = {"release": release.id, "request": release.request}
        log.info("release %s proposed: %d clip(s)", release.id, len(consent.clips), extra=subjects)
        return release

    def _agree(self, change: Change, first: ReleaseRow, letter: Letter, consent: Consent) -> None:
        """Complete ``first`` with ``letter``."""
        ends = min(self.authorizer.first(first).consent.exp, consent.exp)
        change.releases.set(first.id, second=letter.jws, expires_at=ends)
        why = "" if letter.keys else lifecycle.KEYS_AWAITED
        change.advance(first, "agree", _line(consent), detail=why)
        change.tell(signing.digest(letter.jws)[:16], "AGREED", first.id, request=first.request)
        self._renew(change, first)

    def _to_agree_with(self, consent: Consent) -> ReleaseRow | None:
        """The proposal that ``consent`` completes; Refused when it may not stand beside them."""
        if self.work.parties.approvals_needed == 1:
            return None
        proposals = self.work.releases.proposals(_request_of(consent))
        for proposal in proposals:
            try:
                first = self.authorizer.first(proposal).consent
            except Refused as error:  # forged, or its owner's card was taken away since
                log.warning("proposal %s does not count: %s", proposal.id, error)
                continue
            if first.exp <= self.work.clock.now() or not rules.same_content(first, consent):
                continue
            if first.iss == consent.iss:
                why = f"you approved just this before: release {proposal.id}"
                raise Refused("already-proposed", why)
            return proposal
        if len(proposals) >= _MAX_PROPOSALS:
            raise Refused("too-many-proposals", f"{len(proposals)} wait for another owner already")
        return None

    def _end(self, release: ReleaseRow, event: str, why: str) -> None:
        with self.work.transaction() as change:
            change.advance(release, event, {"why": why}, detail=why)
            self._renew(change, release)

    def _renew(self, change: Change, release: ReleaseRow) -> None:
        if release.request is not None:
            self.inbox.renew(change, release.request)

    def _give_up(self, release_id: str, error: ApprovalRefused) -> None:
        """Stop a release that will get no keys, unless it was sealed just now."""
        with self.work.transaction() as change:
            now = change.releases.get(release_id)
            if now is not None and now.state == "APPROVED":
                change.releases.ask_to_stop(f"{error.rule}: {error.message}", release=release_id)


def _request_of(consent: Consent) -> str | None:
    return consent.request if isinstance(consent, Approval) else None


def _line(consent: Consent) -> dict[str, Json]:
    """The ledger's detail of an approval or share: owner, clips, recipient, disclosures."""
    line: dict[str, Json] = {"owner": consent.iss, "clips": [clip.id for clip in consent.clips]}
    if isinstance(consent, Share):
        recipient = consent.recipient
        line |= {"recipient": recipient.name, "key": recipient.key, "url": consent.upload.url}
    else:
        line["request"] = consent.request
    told = [name for name in ("name", "address", "email") if getattr(consent.disclose, name)]
    return line | ({"disclosed": told} if told else {})
