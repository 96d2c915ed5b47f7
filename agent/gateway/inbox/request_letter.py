"""The letter about an open request: the request, its clips, its author's history, proposals."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

from agent.consent import signing
from agent.consent.statements import Approval, LogPlace, Proposal, Repost, Request
from agent.errors import Refused
from agent.gateway.letters.writer import MAX_OFFERED_CLIPS
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.database.rows import Clip
from agent.vault.records.events import Event
from agent.vault.records.requester_history import requester_record
from agent.vault.records.requests import RequestRow

log = logging.getLogger(__name__)

_MAX_REPOSTS, _MAX_PROPOSALS = 3, 8  # of one letter, as the statement has room for


class Offer(NamedTuple):
    """The clips that a letter offers, the most wanted last, and how many more there are."""

    clips: tuple[Clip, ...]
    more: int
    proposals: tuple[Proposal, ...]


@dataclass(frozen=True, eq=False)
class RequestLetter:
    """Composes letters about requests."""

    work: UnitOfWork

    def compose(self, request: RequestRow, offer: Offer) -> bytes:
        """The letter about ``request``, sealed to the owners.

        Raises :class:`Refused` for a stored text that its author never signed: somebody changed
        the file, and the owner relies on the device for this.
        """
        work = self.work
        author = work.parties.requesters[request.requester]
        self._verify(request)
        now, reposts = work.clock.now(), work.requests.reposts(request, at_most=_MAX_REPOSTS)
        return work.write.request_matches(
            request.jws,
            requester_record(work.database, author.fingerprint, name=author.name, now=now),
            offer.clips,
            offer.more,
            reposts=tuple(
                Repost(received_at=max(0, int(repost.received_at)), request=repost.jws)
                for repost in reposts
                if self._is_signed(repost)
            ),
            proposals=offer.proposals,
            log=self._log_place(request),
        )

    def _verify(self, row: RequestRow) -> None:
        card = self.work.parties.requesters[row.requester]
        signing.verify(row.jws, Request, {card.fingerprint: card.key})
        if signing.digest(row.jws) != row.digest:
            raise Refused("other-request", "the stored text is not the one that was posted")

    def _is_signed(self, row: RequestRow) -> bool:
        try:
            self._verify(row)
        except Refused as error:
            log.warning("a text of request %s is not shown: %s", row.digest[:16], error)
            return False
        return True

    def offer(self, request: RequestRow) -> Offer:
        """The clips to offer for ``request``.

        Clips that another owner has approved come first of all: who is to agree needs their keys.
        """
        proposals = self._proposals(request.digest)
        database = self.work.database
        window = {"start": request.window_start, "end": request.window_end}
        newest, more = database.newest_clips(**window, at_most=MAX_OFFERED_CLIPS)
        proposed = {clip.id for proposal in proposals for clip in proposal.clips}
        older = proposed - {clip.id for clip in newest}
        found = [clip for clip in map(database.clip, sorted(older)) if clip is not None]
        # A clip whose time was corrected since may lie outside the window, and is none of these.
        counted = sum(database.overlaps(clip.id, **window) for clip in found)
        clips = sorted([*found, *newest], key=lambda clip: (clip.id in proposed, clip.started_at))
        return Offer(tuple(clips), more - counted, proposals)

    def _proposals(self, digest: str) -> tuple[Proposal, ...]:
        """The approvals of a request that wait for another owner's."""
        proposals = []
        for release in self.work.releases.proposals(digest)[-_MAX_PROPOSALS:]:
            try:
                approval = signing.verify(release.approval, Approval, self.work.parties.owner_keys)
            except Refused as error:  # its owner's card was taken away since
                log.warning("proposal %s is not shown: %s", release.id, error)
                continue
            proposals.append(
                Proposal(
                    release=release.id,
                    owner=approval.iss,
                    clips=approval.clips,
                    disclose=approval.disclose,
                )
            )
        return tuple(proposals)

    def _log_place(self, request: RequestRow) -> LogPlace | None:
        """The place in the public log at which the request was shown to stand, if it was."""
        if request.log_index is None or request.log_size is None:
            return None
        return LogPlace(
            origin=request.log_origin,
            index=request.log_index,
            size=request.log_size,
            forked=self.work.ledger.tells(request.log_origin, Event.LOG_FORKED),
        )
