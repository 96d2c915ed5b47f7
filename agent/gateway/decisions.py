"""From an owner's letter to what it sets in motion.

A letter is opened with the device's key; the statement inside is checked by
:mod:`agent.consent.approval` and acted on once. What it changes, the ledger line
and the letter that answers it commit together. An approval only *starts* a
release: the keys it carries go to :class:`agent.gateway.release.Releases` in
memory, and the message is acknowledged to the broker when the bundle is sealed,
so that a crash in between brings the letter, and with it the keys, once more.

A refused letter changes nothing and is told to the owner, unless it was acted on
before: brokers deliver twice, and what was said of it then still holds. It is a
ledger line, one for each rule it broke, however often it comes.

Whatever a letter or a clip holds, it must not end the process: the letter would come
again and end the next one. A disk that does not take a commit does end it, and then
the letter shall come again.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from agent import topics
from agent.clock import Clock
from agent.consent import approval as rules
from agent.consent import mail, signing
from agent.consent.approval import HeldRequest
from agent.consent.mail import Letter
from agent.consent.signing import PublicKey, RequesterCard
from agent.consent.statements import Approval, Command, Decline, Preview, Request, Revoke
from agent.errors import (
    ApprovalRefused,
    ClipDamaged,
    MalformedStatement,
    Refused,
    StorageFault,
)
from agent.gateway.inbox import Inbox
from agent.gateway.keys import DeviceKeys
from agent.gateway.outbox import Letters
from agent.gateway.release import SealJob
from agent.gateway.reports import Reports
from agent.vault import unseal
from agent.vault.cases import Cases, ReleaseCase
from agent.vault.clips import ClipStore
from agent.vault.index import Index
from agent.vault.ledger import Ledger

log = logging.getLogger(__name__)

# Rules by which an approval that was accepted can be refused when it comes again after a
# crash, for good: its request, its clips or its requester's card have gone meanwhile.
_GONE = (5, 6, 8)


class Decisions:
    """Acts on letters from the owners."""

    def __init__(
        self,
        *,
        index: Index,
        cases: Cases,
        ledger: Ledger,
        letters: Letters,
        reports: Reports,
        inbox: Inbox,
        store: ClipStore,
        clock: Clock,
        device_name: str,
        keys: DeviceKeys,
        owners: Mapping[str, PublicKey],
        requesters: Mapping[str, RequesterCard],
        start_release: Callable[[SealJob], None],
        start_preview: Callable[[str], None],
        allow_loopback_http: bool,
        still_alive: Callable[[], object],
    ) -> None:
        self._index = index
        self._cases = cases
        self._ledger = ledger
        self._letters = letters
        self._reports = reports
        self._inbox = inbox
        self._store = store
        self._clock = clock
        self._device_name = device_name
        self._keys = keys
        self._owners = owners
        self._requesters = requesters
        self._start_release = start_release
        self._start_preview = start_preview
        self._allow_loopback_http = allow_loopback_http
        self._still_alive = still_alive

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
            Approval.TYP: self._approve,
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

    # Approvals

    def _approve(self, letter: Letter, retained: bool, done: Callable[[], None]) -> None:
        digest = signing.digest(letter.jws)
        release_id = digest[:16]
        job = SealJob(release_id=release_id, keys=letter.keys, done=done)
        known = self._cases.release(release_id)
        again = known is not None and known.state == "APPROVED" and known.approval == letter.jws
        now = self._clock.now()
        try:
            approval = rules.check_approval(
                letter,
                retained=retained,
                owners=self._owners,
                device_id=self._keys.id,
                now=now,
                seen=_never if again else self._cases.seen,
                held=self._held_when_approved if again else self._held,
                digest_on_disk=self._digest_on_disk,
                key_opens=self._key_opens,
                allow_loopback_http=self._allow_loopback_http,
            )
        except ApprovalRefused as error:
            if again and error.number in _GONE:
                self._give_up(release_id, error)
            raise
        if again:  # after a crash: it was accepted then, and brings the keys that were lost
            self._start_release(job)
            return
        case = ReleaseCase(
            id=release_id,
            request=approval.request,
            approval=letter.jws,
            state="APPROVED",
            detail="",
            approved_at=now,
            expires_at=approval.exp,
        )
        clips = [clip.id for clip in approval.clips]
        with self._index.transaction():
            self._cases.mark_seen(approval.jti, digest, at=now)
            self._cases.add_release(case)
            self._ledger.append(
                "release.approved",
                release_id,
                {"request": approval.request, "owner": approval.iss, "clips": clips},
                at=now,
            )
            self._tell(release_id, approval.request, "APPROVED", "", at=now)
        log.info("release %s approved: %d clip(s)", release_id, len(clips))
        self._start_release(job)

    def _held(self, digest: str) -> HeldRequest | None:
        case = self._cases.request(digest)
        card = self._requesters.get(case.requester) if case else None
        if case is None or card is None:
            return None
        posted = signing.verify(case.jws, Request, {card.id: card.key})
        if signing.digest(case.jws) != digest:
            return None  # somebody exchanged it on the disk: the owner read another text
        return HeldRequest(
            digest=digest,
            is_open=case.is_open,
            expires_at=case.expires_at,
            requester=card,
            upload_url=posted.upload.url,
            matches=self._cases.matches(digest),
        )

    def _held_when_approved(self, digest: str) -> HeldRequest | None:
        """The request of an accepted approval: it was open then, whatever came since."""
        held = self._held(digest)
        return held and replace(held, is_open=True, expires_at=math.inf)

    def _give_up(self, release_id: str, error: ApprovalRefused) -> None:
        """A release without keys that will get none: it need not wait for its approval's end."""
        with self._index.transaction():
            self._cases.ask_to_stop(f"{error.rule}: {error.message}", release=release_id)

    def _digest_on_disk(self, clip_id: str) -> str | None:
        """The digest of a clip; a long one takes seconds, and an approval may name fifty."""
        self._still_alive()
        try:
            return self._store.sha256_on_disk(clip_id)
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

    # Declines and commands

    def _decline(self, letter: Letter, retained: bool, done: Callable[[], None]) -> None:
        decline = self._check(letter, Decline, retained)
        case = self._cases.request(decline.request)
        if case is None or not case.is_open:
            raise Refused("request-closed", "no open request has this digest")
        now = self._clock.now()
        with self._index.transaction():
            self._cases.mark_seen(decline.jti, signing.digest(letter.jws), at=now)
            self._inbox.close(decline.request, "decline", {"owner": decline.iss}, at=now)
            if decline.mute:
                self._cases.mute(case.requester, at=now)
                self._ledger.append("requester.muted", case.requester, {}, at=now)
        done()

    def _command(self, letter: Letter, retained: bool, done: Callable[[], None]) -> None:
        statement = self._check(letter, Command, retained)
        now = self._clock.now()
        match statement.command:
            case Preview(clip=clip):
                if self._index.clip(clip) is None:
                    raise Refused("no-such-clip", "the device holds no such clip")
                event, subject = "clip.previewed", clip
            case Revoke(release=release):
                if self._cases.release(release) is None:
                    raise Refused("no-such-release", "the device knows no such release")
                event, subject = "release.revoke-asked", release
            case _:
                raise Refused("not-supported", "this release of clip-agent has no such command")
        with self._index.transaction():
            self._cases.mark_seen(statement.jti, signing.digest(letter.jws), at=now)
            self._ledger.append(event, subject, {"owner": statement.iss}, at=now)
            if isinstance(statement.command, Revoke):
                self._cases.ask_to_stop("revoked by the owner", release=subject)
        if isinstance(statement.command, Preview):
            self._start_preview(subject)
        done()

    def _check(self, letter: Letter, kind: type[rules.D], retained: bool) -> rules.D:
        return rules.check_decision(
            letter.jws,
            kind,
            retained=retained,
            owners=self._owners,
            device_id=self._keys.id,
            now=self._clock.now(),
            seen=self._cases.seen,
        )

    # Refusals

    def _refuse_unread(self, payload: bytes, error: Refused) -> None:
        """A letter that could not even be opened: a line, once, and nobody is told."""
        subject = hashlib.sha256(payload).hexdigest()
        if not self._ledger.mentions(subject):
            detail = {"rule": error.rule, "why": error.message[:200]}
            with self._index.transaction():
                self._ledger.append("letter.refused", subject, detail, at=self._clock.now())
        log.warning("letter refused: %s (%s)", error.rule, error.message)

    def _refuse(self, letter: Letter, error: Refused) -> None:
        subject = signing.digest(letter.jws)
        release_id = subject[:16]
        if error.rule in self._ledger.refusals(subject):
            return
        now = self._clock.now()
        detail = {"rule": error.rule, "why": error.message[:200]}
        with self._index.transaction():
            self._ledger.append("decision.refused", subject, detail, at=now)
            if not self._cases.acted_on(subject):
                self._tell(release_id, None, "REFUSED", f"{error.rule}: {error.message}", at=now)
        log.warning("decision %s refused: %s (%s)", release_id, error.rule, error.message)

    def _tell(
        self, release_id: str, request: str | None, event: str, detail: str, *, at: float
    ) -> None:
        letter = self._reports.outcome(
            subject=release_id,
            request=request,
            event=event,
            detail=detail,
            head=self._ledger.head(),
            at=at,
        )
        self._letters.put(topics.release(self._device_name, release_id), letter)


def _never(_jti: str) -> bool:
    return False
