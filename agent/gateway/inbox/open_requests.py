"""The owner's inbox: open requests, the clips that match them, and the letters about them.

A request comes in here once :mod:`.posts` has admitted it. From then on

- every clip inside its window joins its match set, also one that is recorded later;
- with the first match the owner gets a letter, retained until the request is closed, and
  renewed whenever what stands in it changes: clips that come or go or get another time, an
  edited text, a proposal, a public log that turns out to lie;
- it is closed by a decline, a withdrawal, or its end, and its letter emptied.

While the owners have paused requests, all this goes on but for the letters: none lies at
the broker. What an owner decides is for :mod:`.decisions`; the methods that it calls run
inside its transaction, so that letter, ledger line and change are one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from agent.consent import lifecycle, signing
from agent.consent.cards import PublicKey, RequesterCard
from agent.consent.statements import Approval, LogPlace, Proposal, Repost
from agent.errors import InternalFault, MalformedStatement, Refused
from agent.gateway.feed.log_check import LOG_FORKED
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.letters.writer import MAX_OFFERED_CLIPS, Asked
from agent.gateway.unit_of_work import UnitOfWork
from agent.mqtt import topics
from agent.vault.database.index import Clip, ClipDigest
from agent.vault.records.ledger import Json
from agent.vault.records.requester_history import requester_record
from agent.vault.records.requests import RequestCase

log = logging.getLogger(__name__)

_MAX_REPOSTS, _MAX_PROPOSALS = 3, 8  # of one letter, as the statement has room for
_MAX_NAMED_CLIPS = 100  # by one ledger line


class OpenRequests:
    """Keeps match sets and the owner's letters up to date."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        notices: NoticeBoard,
        owners: Mapping[str, PublicKey],
        approvals_needed: int,
        requesters: Mapping[str, RequesterCard],
    ) -> None:
        self._work = work
        self._notices = notices
        self._owners = owners
        self._approvals_needed = approvals_needed
        self._requesters = requesters
        self._told: dict[str, int] = {}  # what the letters of this run offer, as a hash

    # What the camera and time bring

    def clips_changed(self) -> None:
        """Let new clips join the match sets of open requests, and tell the owner; also of those
        that are gone. The clock must be synced: of two letters, the one written later counts.
        """
        if self._work.cases.any_gone():
            with self._work.index.transaction():
                for digest in self._work.cases.note_gone():
                    self.renew(digest)
        for case in self._work.cases.open_requests():
            if case.requester not in self._requesters:
                continue  # its card was taken away since; nothing can be approved for it
            if self._new_clips(case):
                with self._work.index.transaction():
                    self.match(case.digest)
            elif self._is_overtaken(case):
                with self._work.index.transaction():
                    self.renew(case.digest)

    def _is_overtaken(self, case: RequestCase) -> bool:
        """Whether a clip in its letter has got another time since: the clock was set."""
        told = self._told.get(case.digest)
        if told is None or self._work.cases.paused_at() is not None:
            return False
        return told != _hash(*self._offered(case, self._proposals(case.digest)))

    def expire(self) -> None:
        """Close the requests whose time is over; the clock must be synced."""
        now = self._work.clock.now()
        for case in self._work.cases.open_requests():
            if case.expires_at <= now:
                with self._work.index.transaction():
                    self.close(case.digest, "expire", {}, at=now)

    # Inside a transaction of the caller

    def match(self, digest: str) -> None:
        """Let new clips join the match set of an open request; if any do, renew its letter."""
        case = self._require(digest)
        fresh = self._new_clips(case)
        if not fresh:
            return
        self._work.cases.add_matches(digest, fresh)
        ids = [clip.id for clip in fresh]
        named = ids[-_MAX_NAMED_CLIPS:]
        detail: dict[str, Json] = {"clips": named, "more": len(ids) - len(named)}
        self._work.note("request.matched", digest, detail)
        self.renew(digest)

    def renew(self, digest: str) -> None:
        """Say anew what there is to say of a request; nothing if it does not concern the owner.

        For whatever changed beside the clips: a proposal, another text under its id.
        """
        case = self._require(digest)
        paused = self._work.cases.paused_at() is not None
        if paused or not case.is_open or not self._work.cases.is_matched(digest):
            return
        if case.requester not in self._requesters:
            return
        now = self._work.clock.now()
        try:
            letter = self._letter(case, now)
        except (MalformedStatement, OverflowError) as error:  # our own: a row that was forged
            log.warning("no letter about request %s can be written: %s", digest[:16], error)
            return
        self._work.letters.put(self._topic(digest), letter, at=now)
        self._work.cases.note_told(digest, at=now)

    def _letter(self, case: RequestCase, now: float) -> bytes:
        """What there is to say of a request, sealed to the owners."""
        digest = case.digest
        proposals = self._proposals(digest)
        clips, more = self._offered(case, proposals)
        self._told[digest] = _hash(clips, more)
        return self._work.reports.request_matches(
            asked=Asked(
                request=case.jws,
                record=requester_record(
                    self._work.index,
                    case.requester,
                    name=self._requesters[case.requester].name,
                    now=now,
                ),
                reposts=tuple(
                    Repost(received_at=max(0, int(repost.received_at)), request=repost.jws)
                    for repost in self._work.cases.reposts(case, at_most=_MAX_REPOSTS)
                ),
                proposals=proposals,
                approvals_needed=self._approvals_needed,
                log=self._place(case),
            ),
            clips=clips,
            more_clips=more,
            head=self._work.ledger.head(),
            at=now,
        )

    def close(self, digest: str, event: str, detail: Mapping[str, str], *, at: float) -> None:
        """End an open request by ``event`` and empty its letter."""
        self._told.pop(digest, None)
        self._work.cases.advance_request(digest, event)
        state = lifecycle.advance(lifecycle.REQUEST, "OPEN", event)
        self._work.ledger.append(f"request.{state.lower()}", digest, detail, at=at)
        self._work.letters.clear(self._topic(digest))

    def decline(self, digest: str, detail: Mapping[str, str], *, at: float) -> None:
        """End an open request by an owner's no, and stop what was approved of it before."""
        self.close(digest, "decline", detail, at=at)
        self._work.cases.ask_to_stop("an owner declined the request", request=digest)

    def log_forked(self, origin: str) -> None:
        """Say of what is open and stood in the log ``origin`` that this proves nothing any more."""
        for case in self._work.cases.open_requests():
            if case.log_origin == origin:
                self.renew(case.digest)

    def pause(self, owner: str, *, at: float) -> None:
        """``owner`` (a fingerprint) wants to see no requests: no letter lies there any more."""
        self._work.cases.pause(owner, at=at)
        self._work.ledger.append("requests.paused", "", {"owner": owner}, at=at)
        for case in self._work.cases.open_requests():
            self._work.letters.clear(self._topic(case.digest))

    def resume(self, owner: str, *, at: float) -> None:
        """``owner`` wants to see requests again: those that are open, first."""
        self._work.cases.resume()
        self._work.ledger.append("requests.resumed", "", {"owner": owner}, at=at)
        for case in self._work.cases.open_requests():
            self.renew(case.digest)
        self._notices.renew()  # with what came in between

    def told(self, case: RequestCase) -> bool:
        """Whether the owner ever had a letter about this request."""
        return case.told_at is not None

    # What stands in a letter

    def _new_clips(self, case: RequestCase) -> list[ClipDigest]:
        return self._work.index.unmatched_clips(
            case.digest, start=case.window_start, end=case.window_end
        )

    def _offered(
        self, case: RequestCase, proposals: tuple[Proposal, ...]
    ) -> tuple[list[Clip], int]:
        """The clips to offer, the most wanted last, and how many more there are.

        What another owner has approved stands there whatever is newer: who is to agree
        needs its key.
        """
        newest, more = self._work.index.newest_clips(
            start=case.window_start, end=case.window_end, at_most=MAX_OFFERED_CLIPS
        )
        proposed = {clip.id for proposal in proposals for clip in proposal.clips}
        older = proposed - {clip.id for clip in newest}
        found = [clip for clip in map(self._work.index.clip, sorted(older)) if clip is not None]
        first = sorted([*found, *newest], key=lambda clip: (clip.id in proposed, clip.started_at))
        return first, more - len(found)

    def _proposals(self, digest: str) -> tuple[Proposal, ...]:
        """What owners have approved of a request so far; a second one is wanted for each."""
        proposals = []
        for case in self._work.cases.proposals(digest)[-_MAX_PROPOSALS:]:
            try:
                approval = signing.verify(case.approval, Approval, self._owners)
            except Refused as error:  # its owner's card was taken away since
                log.warning("proposal %s is not shown: %s", case.id, error)
                continue
            proposals.append(
                Proposal(
                    release=case.id,
                    owner=approval.iss,
                    clips=approval.clips,
                    disclose=approval.disclose,
                )
            )
        return tuple(proposals)

    def _require(self, digest: str) -> RequestCase:
        case = self._work.cases.request(digest)
        if case is None:
            raise InternalFault(f"no request {digest[:16]} in the inbox")
        return case

    def _topic(self, digest: str) -> str:
        return topics.inbox(self._work.device_name, digest[:16])

    def _place(self, case: RequestCase) -> LogPlace | None:
        """Where the request was shown to stand in the public log, if it was."""
        if case.log_index is None or case.log_size is None:
            return None
        return LogPlace(
            origin=case.log_origin,
            index=case.log_index,
            size=case.log_size,
            forked=self._work.ledger.tells(case.log_origin, LOG_FORKED),
        )


def _hash(clips: Sequence[Clip], more: int) -> int:
    """Of what a letter offers; of the same process, so that it need not last."""
    return hash((*clips, more))
