"""Open requests: the clips that match them, and the owners' letters about them.

From its admission on

- every clip inside a request's window joins its match set, also one that is recorded later;
- with the first match the owners get a letter, retained until the request is closed, and
  renewed whenever its contents change: clips that come, go or get another time, an edited
  text, a proposal, a public log that turns out to lie;
- it is closed by a decline, a withdrawal, or its end, and its letter emptied.

While the owners have paused requests, all this goes on but for the letters: none lies at
the broker.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from agent.consent.statements import LEGAL_ORDER
from agent.errors import InternalFault, Refused
from agent.gateway.inbox.notices import NoticeBoard
from agent.gateway.inbox.request_letter import RequestLetter
from agent.gateway.unit_of_work import Change, UnitOfWork
from agent.mqtt import topics
from agent.vault.database.rows import ClipDigest
from agent.vault.records.events import Event, entered
from agent.vault.records.ledger import Json
from agent.vault.records.requests import RequestRow

log = logging.getLogger(__name__)

_MAX_NAMED_CLIPS = 100  # by one ledger line
_SEALING_BYTES = 2_000  # for some sixteen readers


@dataclass(eq=False)
class OpenRequests:
    """Keeps match sets and the owners' letters up to date."""

    work: UnitOfWork
    notices: NoticeBoard

    def __post_init__(self) -> None:
        """No letter was written in this run."""
        self._letter = RequestLetter(self.work)
        self._told: dict[str, int] = {}  # the hash of what each letter of this run offers

    def clips_changed(self) -> None:
        """Match new clips, and renew letters about clips that are gone or got another time.

        The clock must be synced: of two letters, the one written later counts.
        """
        if self.work.requests.any_gone():
            with self.work.transaction() as change:
                for digest in change.requests.note_gone():
                    self.renew(change, digest)
        for request in self.work.requests.open():
            if request.requester not in self.work.parties.requesters:
                continue  # its card was taken away since; nothing can be approved for it
            if self._new_clips(request):
                with self.work.transaction() as change:
                    self.match(change, request.digest)
            elif self._is_overtaken(request):
                with self.work.transaction() as change:
                    self.renew(change, request.digest)

    def expire(self) -> None:
        """Close the requests whose time is over; the clock must be synced."""
        for request in self.work.requests.open():
            if request.expires_at <= self.work.clock.now():
                with self.work.transaction() as change:
                    self.close(change, request.digest, "expire", {})

    def match(self, change: Change, digest: str) -> None:
        """Add new clips to the match set of an open request; if there are any, renew its letter."""
        fresh = self._new_clips(self._require(digest))
        if not fresh:
            return
        change.requests.add_matches(digest, fresh)
        named: list[Json] = [clip.id for clip in fresh[-_MAX_NAMED_CLIPS:]]
        detail: dict[str, Json] = {"clips": named, "more": len(fresh) - len(named)}
        change.note(Event.REQUEST_MATCHED, digest, detail)
        self.renew(change, digest)

    def renew(self, change: Change, digest: str) -> None:
        """Write the letter about a request anew, if it is open and matched and none are paused."""
        request = self._require(digest)
        paused = self.work.decisions.paused_at() is not None
        if paused or not request.is_open or not self.work.requests.is_matched(digest):
            return
        if request.requester not in self.work.parties.requesters:
            return
        try:
            offer = self._letter.offer(request)
            self._told[digest] = hash(offer[:2])
            letter = self._letter.compose(request, offer)
        except (Refused, OverflowError) as error:  # the file was changed
            log.warning("no letter about request %s can be written: %s", digest[:16], error)
            return
        change.put_letter(self._topic(digest), letter)
        change.requests.note_told(digest, at=change.now)

    def close(self, change: Change, digest: str, event: str, detail: Mapping[str, Json]) -> None:
        """End an open request by ``event`` and empty its letter."""
        self._told.pop(digest, None)
        state = change.requests.advance(digest, event)
        change.note(entered("request", state), digest, detail)
        change.letters.clear(self._topic(digest))

    def decline(self, change: Change, digest: str, detail: Mapping[str, Json]) -> None:
        """End an open request by an owner's no, and stop its releases that were not sent."""
        self.close(change, digest, "decline", detail)
        change.releases.ask_to_stop("an owner declined the request", request=digest)

    def mute(self, change: Change, requester: str, *, owner: str) -> None:
        """Show nothing more of ``requester``, and decline its open requests.

        Legal orders stay open: they are not declined unread.
        """
        change.decisions.mute(requester, at=change.now)
        change.note(Event.REQUESTER_MUTED, requester, {"owner": owner})
        for request in change.requests.open():
            if request.requester == requester and request.kind != LEGAL_ORDER:
                why = {"owner": owner, "why": "the requester was muted"}
                self.decline(change, request.digest, why)

    def log_forked(self, change: Change, origin: str) -> None:
        """Renew the letters about requests that stood in the log ``origin``: it proves nothing."""
        for request in change.requests.open():
            if request.log_origin == origin:
                self.renew(change, request.digest)

    def pause(self, change: Change, owner: str) -> None:
        """Pause requests for ``owner`` (a fingerprint): empty all letters about them."""
        change.decisions.pause(owner, at=change.now)
        change.note(Event.REQUESTS_PAUSED, "", {"owner": owner})
        for request in change.requests.open():
            change.letters.clear(self._topic(request.digest))

    def resume(self, change: Change, owner: str) -> None:
        """Resume requests for ``owner``: write the letters about the open ones, and the notices."""
        change.decisions.resume()
        change.note(Event.REQUESTS_RESUMED, "", {"owner": owner})
        for request in change.requests.open():
            self.renew(change, request.digest)
        self.notices.renew(change)

    def shrink(self, topic: str, size: int) -> None:
        """Have letters of at most ``size`` bytes, and write the one on ``topic`` anew."""
        if not self.work.clock.synced():
            return  # it would be taken for an old one; the outbox asks again
        # Base64 in the letter takes a quarter; the signature and age's header come on top.
        self.work.write.max_bytes = max(size - _SEALING_BYTES, 0) * 3 // 4
        with self.work.transaction() as change:
            if topic == topics.notices(self.work.parties.device_name):
                self.notices.renew(change)
            for request in self.work.requests.open():
                if self._topic(request.digest) == topic:
                    self.renew(change, request.digest)

    def _is_overtaken(self, request: RequestRow) -> bool:
        """True if a clip in its letter has got another time since: the clock was set."""
        told = self._told.get(request.digest)
        if told is None or self.work.decisions.paused_at() is not None:
            return False
        return told != hash(self._letter.offer(request)[:2])

    def _new_clips(self, request: RequestRow) -> list[ClipDigest]:
        return self.work.database.unmatched_clips(
            request.digest, start=request.window_start, end=request.window_end
        )

    def _require(self, digest: str) -> RequestRow:
        request = self.work.requests.get(digest)
        if request is None:
            raise InternalFault(f"no request {digest[:16]} in the inbox")
        return request

    def _topic(self, digest: str) -> str:
        return topics.inbox(self.work.parties.device_name, digest[:16])
