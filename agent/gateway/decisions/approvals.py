"""Approvals and shares: alone, or until another owner says the same.

Each accepted approval, and each share, is a release. It begins PROPOSED; where one
owner is enough it goes on to APPROVED in the same transaction. Where two are needed it
waits, its letter acknowledged and its keys dropped, until *another* owner's letter says
exactly the same: that letter completes it and brings the keys. A letter that says
anything else is a proposal of its own, and the same owner never counts twice.

An accepted letter only *starts* a release: the keys it carries go to
:class:`agent.gateway.release.worker.Releases` in memory, and the message is acknowledged to
the broker when the bundle is sealed, so that a crash in between brings the letter, and
with it the keys, once more. What waits is in the index, which the camera's process can
write to: a proposal counts only with its owner's signature, verified when it is used.

A proposal ends when its approval does, when its request is closed, or when an owner
revokes it; one whose revocation the broker brought first never begins. All of that
happens here, on the gateway's own thread.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from agent.consent import signing
from agent.consent.cards import PublicKey, RequesterCard
from agent.consent.decisions import approval as rules
from agent.consent.decisions.approval import Consent, HeldRequest
from agent.consent.letters import Letter
from agent.consent.statements import Approval, Request, Share
from agent.errors import ApprovalRefused, ClipDamaged, Refused, StorageFault
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.release.authorization import Authorizer
from agent.gateway.release.worker import SealJob
from agent.gateway.unit_of_work import UnitOfWork, is_release_id
from agent.vault.clips import unseal
from agent.vault.clips.store import ClipStore
from agent.vault.records.ledger import Json
from agent.vault.records.requests import ReleaseCase

log = logging.getLogger(__name__)

# Rules by which an approval that was accepted can be refused when it comes again after a
# crash, for good: its request, its clips or its requester's card have gone meanwhile.
_GONE = (5, 6, 8)
REVOKED_EARLY: Final = "release.revoked-early"  # the event: revoked before its approval came
_CLOSED = {
    "DECLINED": "an owner declined the request",
    "EXPIRED": "the request expired",
    "WITHDRAWN": "the request was withdrawn",
}
# Letters stay unacknowledged until their bundle is sealed, and a broker hands out so many (20,
# mosquitto) before it waits: a revocation must not have to queue behind a disk that is full.
MAX_UNSEALED: Final = 12
_MAX_PROPOSALS = 8  # of one request, or of shares: as many as an owner can be shown


class Approvals:
    """Accepts what lets clips leave, and brings owners who say the same together."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        inbox: OpenRequests,
        papers: Authorizer,
        store: ClipStore,
        device_id: str,
        owners: Mapping[str, PublicKey],
        approvals_needed: int,
        requesters: Mapping[str, RequesterCard],
        start_release: Callable[[SealJob], None],
        allow_loopback_http: bool,
        still_alive: Callable[[], object],
    ) -> None:
        self._work = work
        self._inbox = inbox
        self._papers = papers
        self._store = store
        self._device_id = device_id
        self._owners = owners
        self._approvals_needed = approvals_needed
        self._requesters = requesters
        self._start_release = start_release
        self._allow_loopback_http = allow_loopback_http
        self._still_alive = still_alive

    def approve(self, letter: Letter, retained: bool, done: Callable[[], None]) -> None:
        """Act on an approval, or raise :class:`Refused`; ``done`` when its keys were used."""
        waiting = self._work.cases.waiting_for_keys(letter.jws)
        try:
            approval = rules.check_approval(
                letter,
                retained=retained,
                owners=self._owners,
                device_id=self._device_id,
                now=self._work.clock.now(),
                seen=_never if waiting else self._work.cases.seen,
                since=self._work.cases.begun_at() or 0.0,
                held=self._held_when_approved if waiting else self._held,
                digest_on_disk=self._digest_on_disk,
                key_opens=self._key_opens,
                allow_loopback_http=self._allow_loopback_http,
            )
        except ApprovalRefused as error:
            self._give_up(waiting, error)
            raise
        self._go_on(letter, approval, waiting, done)

    def share(self, letter: Letter, retained: bool, done: Callable[[], None]) -> None:
        """Act on a share, or raise :class:`Refused`; ``done`` when its keys were used."""
        waiting = self._work.cases.waiting_for_keys(letter.jws)
        try:
            share = rules.check_share(
                letter,
                retained=retained,
                owners=self._owners,
                device_id=self._device_id,
                now=self._work.clock.now(),
                seen=_never if waiting else self._work.cases.seen,
                since=self._work.cases.begun_at() or 0.0,
                digest_on_disk=self._digest_on_disk,
                key_opens=self._key_opens,
                allow_loopback_http=self._allow_loopback_http,
            )
        except ApprovalRefused as error:
            self._give_up(waiting, error)
            raise
        self._go_on(letter, share, waiting, done)

    def settle(self) -> None:
        """End the proposals that nobody can or may agree with any more."""
        for case in self._work.cases.releases("PROPOSED"):
            if not is_release_id(case.id):
                continue  # no approval has such a name
            if case.stop:
                self._end(case, "revoke", case.stop)
            elif closed := self._closed(case):
                self._end(case, "revoke", closed)
            elif self._work.clock.synced() and self._work.clock.now() >= case.expires_at:
                self._end(case, "fail", "the approval ended before another owner agreed")

    def _closed(self, case: ReleaseCase) -> str:
        """Why the request of ``case`` cannot be answered any more; empty while it can."""
        if case.request is None:
            return ""
        request = self._work.cases.request(case.request)
        if request is not None and request.is_open:
            return ""
        return _CLOSED.get(request.state if request else "", "the request is gone")

    # From one letter to a release

    def _go_on(
        self,
        letter: Letter,
        consent: Consent,
        waiting: ReleaseCase | None,
        done: Callable[[], None],
    ) -> None:
        """The rules hold: what ``letter`` starts, completes or proposes."""
        if waiting is not None:  # after a crash: it was accepted then, and brings the lost keys
            self._start_release(SealJob(waiting.id, letter.keys, done))
            return
        if self._work.ledger.tells(signing.digest(letter.jws)[:16], REVOKED_EARLY):
            raise Refused("revoked-before", "an owner revoked it before it came")
        if (unsealed := len(self._work.cases.releases("APPROVED"))) >= MAX_UNSEALED:
            why = f"{unsealed} releases still wait for their bundles; approve again later"
            raise Refused("too-many-waiting", why)
        with self._work.acting_on(consent, letter.jws):
            first = self._to_agree_with(consent)
            if first is not None:
                self._agree(first, letter, consent)
            release = first or self._add(letter, consent)
        if first is None and self._approvals_needed > 1:
            done()  # whoever agrees brings the keys
        else:
            self._start_release(SealJob(release.id, letter.keys, done))

    def _add(self, letter: Letter, consent: Consent) -> ReleaseCase:
        """Inside a transaction: a release of its own, approved if one owner is enough."""
        case = ReleaseCase(
            id=signing.digest(letter.jws)[:16],
            request=consent.request if isinstance(consent, Approval) else None,
            approval=letter.jws,
            state="PROPOSED",
            detail="",
            approved_at=self._work.clock.now(),
            expires_at=consent.exp,
        )
        self._work.cases.add_release(case, [clip.id for clip in consent.clips])
        if self._approvals_needed == 1:
            self._work.advance(case, "agree", _line(consent))
            return case
        why = "another owner must approve the same"
        self._work.note("release.proposed", case.id, _line(consent))
        self._work.tell(case.id, "PROPOSED", why, request=case.request, decision=letter.jws)
        self._renew(case.request)
        log.info("release %s proposed: %d clip(s)", case.id, len(consent.clips))
        return case

    def _agree(self, first: ReleaseCase, letter: Letter, consent: Consent) -> None:
        """Inside a transaction: ``letter`` completes ``first``."""
        ends = min(self._papers.first(first).consent.exp, consent.exp)
        self._work.cases.set_second(first.id, letter.jws, expires_at=ends)
        self._work.advance(first, "agree", _line(consent))
        self._work.tell(signing.digest(letter.jws)[:16], "AGREED", first.id, request=first.request)
        self._renew(first.request)

    def _to_agree_with(self, consent: Consent) -> ReleaseCase | None:
        """The proposal that ``consent`` completes; Refused when it may not stand beside them."""
        if self._approvals_needed == 1:
            return None
        request = consent.request if isinstance(consent, Approval) else None
        proposals = self._work.cases.proposals(request)
        for case in proposals:
            try:
                first = self._papers.first(case).consent
            except Refused as error:  # forged, or its owner's card was taken away since
                log.warning("proposal %s does not count: %s", case.id, error)
                continue
            if first.exp <= self._work.clock.now() or not rules.same_content(first, consent):
                continue
            if first.iss == consent.iss:
                raise Refused(
                    "already-proposed", f"you approved just this before: release {case.id}"
                )
            return case
        if len(proposals) >= _MAX_PROPOSALS:
            raise Refused("too-many-proposals", f"{len(proposals)} wait for another owner already")
        return None

    def _end(self, case: ReleaseCase, event: str, why: str) -> None:
        with self._work.index.transaction():
            self._work.advance(case, event, {"why": why}, detail=why)
            self._renew(case.request)

    def _renew(self, request: str | None) -> None:
        if request is not None:
            self._inbox.renew(request)

    def _give_up(self, waiting: ReleaseCase | None, error: ApprovalRefused) -> None:
        """A release without keys that will get none: it need not wait for its approval's end.

        One that was sealed while the repeated letter was looked at has had them.
        """
        if waiting is None or error.number not in _GONE:
            return
        with self._work.index.transaction():
            now = self._work.cases.release(waiting.id)
            if now is None or now.state != "APPROVED":
                return
            self._work.cases.ask_to_stop(f"{error.rule}: {error.message}", release=waiting.id)

    # What the device holds

    def _held(self, digest: str) -> HeldRequest | None:
        case = self._work.cases.request(digest)
        card = self._requesters.get(case.requester) if case else None
        if case is None or card is None:
            return None
        posted = signing.verify(case.jws, Request, {card.fingerprint: card.key})
        if signing.digest(case.jws) != digest:
            return None  # somebody exchanged it on the disk: the owner read another text
        return HeldRequest(
            digest=digest,
            is_open=case.is_open,
            expires_at=case.expires_at,
            requester=card,
            upload_url=posted.upload.url,
            matches=self._work.cases.matches(digest),
        )

    def _held_when_approved(self, digest: str) -> HeldRequest | None:
        """The request of an accepted approval: it was open then, whatever came since."""
        held = self._held(digest)
        return held and replace(held, is_open=True, expires_at=math.inf)

    def _digest_on_disk(self, clip_id: str) -> str | None:
        """The digest of a clip; a long one takes seconds, and an approval may name fifty."""
        self._still_alive()
        if self._work.index.clip(clip_id) is None:
            return None  # being deleted, or never there
        try:
            return self._store.sha256_on_disk(clip_id, meanwhile=self._still_alive)
        except StorageFault as error:
            log.warning("%s", error)
            why = f"the clip {clip_id} cannot be read"
            raise ApprovalRefused(6, "clip-unreadable", why) from error

    def _key_opens(self, clip_id: str, identity: str) -> bool:
        """Whether ``identity`` opens the clip on disk: its header and first chunk decide."""
        try:
            with self._store.open_sealed(clip_id) as sealed:
                return unseal.opens(sealed, identity)
        except ClipDamaged:
            return False


def _line(consent: Consent) -> dict[str, Json]:
    """What the ledger says of an approval or share: whose, of what, to whom, disclosing what."""
    line: dict[str, Json] = {"owner": consent.iss, "clips": [clip.id for clip in consent.clips]}
    if isinstance(consent, Share):
        recipient = consent.recipient
        line |= {"recipient": recipient.name, "key": recipient.key, "url": consent.upload.url}
    else:
        line["request"] = consent.request
    told = [name for name in ("name", "address", "email") if getattr(consent.disclose, name)]
    return line | ({"disclosed": told} if told else {})


def _never(_jti: str) -> bool:
    return False
