"""The owner's ``sync``: their folder as it stands, which repeats what may have been lost.

It stops releases that the owner revoked, lets held ones go on that the owner names, and
brings back mutes and the pause. What it does not name is left alone, since an owner may use
several computers; what this device was told later, by any owner, stays.

A held release goes on when the owner names it and all of the owners' computers were heard since
the hold. Each may have sent a revocation that was lost with the rest, and repeats it when it is
heard. What the ledger has seen revoked never stands again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.consent import lifecycle
from agent.consent.statements import Command, HeldMute, HeldPause, Sync
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.unit_of_work import Change, UnitOfWork
from agent.vault.records.events import Event
from agent.vault.records.ledger import Json

_REVOKED = (Event.RELEASE_REVOKE_ASKED, Event.RELEASE_REVOKED, Event.RELEASE_REVOKED_EARLY)


def revoke(change: Change, work: UnitOfWork, name: str, owner: str) -> str:
    """Stop a release, or one whose approval comes later; its state if it is over, else empty.

    Either of two owners who agreed may name it by their own approval, the one they know.
    Looked at inside the transaction: the release worker may just have sent it.
    """
    detail: dict[str, Json] = {"owner": owner}
    release = change.releases.get(name) or change.releases.completed_by(name)
    if release is None:
        if not work.ledger.tells(name, Event.RELEASE_REVOKED_EARLY):
            change.note(Event.RELEASE_REVOKED_EARLY, name, detail)
    elif release.state in lifecycle.OVER:
        return release.state
    elif change.releases.ask_to_stop("revoked by the owner", release=release.id):
        change.note(Event.RELEASE_REVOKE_ASKED, release.id, detail)
    return ""


def _waits_for_computer(last_heard: float) -> str:
    at = datetime.fromtimestamp(last_heard, tz=UTC)
    return (
        f"another computer of an owner, last heard {at:%d %b, %H:%M} UTC, may have revoked it:"
        " use it once, then this one again"
    )


@dataclass(frozen=True, eq=False)
class Syncs:
    """Obeys a sync."""

    work: UnitOfWork
    inbox: OpenRequests
    muted_for_good: Collection[str]

    def obey(self, change: Change, statement: Command, sync: Sync) -> None:
        """Do what ``sync``, in ``statement``, says."""
        change.acknowledge(statement.iss, sync.heads, at=statement.iat)
        if sync.computer is not None:
            change.holds.note_computer(statement.iss, sync.computer, at=statement.iat)
        for mute in sync.mutes:
            self._mute(change, mute, statement.iss)
        if sync.pause is not None:
            self._pause(change, sync.pause, statement.iss)
        for named in sync.decisions:
            if named.standing:
                self._confirm(change, named.decision, statement, sync.computer)
            else:
                revoke(change, self.work, named.decision, statement.iss)

    def _confirm(
        self, change: Change, decision: str, statement: Command, computer: str | None
    ) -> None:
        unheard = change.holds.unheard(
            decision,
            owner=statement.iss,
            computer=computer,
            household=self.work.parties.owner_keys,
        )
        held = change.holds.release_of(decision)
        if held is None or self._was_revoked(held, decision):
            return
        if unheard is not None:
            change.holds.explain(decision, _waits_for_computer(unheard))
            if (row := change.releases.get(held)) is not None and row.state != "PROPOSED":
                change.tell_release(row, row.state)
            return
        release = change.holds.confirm(decision, owner=statement.iss, signed_at=statement.iat)
        row = None if release is None else change.releases.get(release)
        if row is None or row.state not in ("PROPOSED", "APPROVED", "SEALED"):
            return
        change.note(Event.RELEASE_CONFIRMED, row.id, {"owner": statement.iss})
        if row.state != "PROPOSED":
            change.tell_release(row, row.state)

    def _was_revoked(self, release: str, decision: str) -> bool:
        return any(self.work.ledger.tells(one, *_REVOKED) for one in (release, decision))

    def _mute(self, change: Change, said: HeldMute, owner: str) -> None:
        known = said.requester in self.work.parties.requesters
        is_muted = said.requester in self.work.decisions.muted()
        events = (Event.REQUESTER_MUTED, Event.REQUESTER_UNMUTED)
        if (
            not known
            or said.muted == is_muted
            or self._told_since(said.at, said.requester, *events)
        ):
            return
        if said.muted:
            self.inbox.mute(change, said.requester, owner=owner)
        elif said.requester not in self.muted_for_good:
            change.decisions.unmute(said.requester)
            change.note(Event.REQUESTER_UNMUTED, said.requester, {"owner": owner})

    def _pause(self, change: Change, said: HeldPause, owner: str) -> None:
        is_paused = self.work.decisions.paused_at() is not None
        events = (Event.REQUESTS_PAUSED, Event.REQUESTS_RESUMED)
        if said.paused == is_paused or self._told_since(said.at, "", *events):
            return
        if said.paused:
            self.inbox.pause(change, owner)
        else:
            self.inbox.resume(change, owner)

    def _told_since(self, at: int, subject: str, *events: Event) -> bool:
        """True if the ledger has a later word on ``subject``, or this one."""
        last = self.work.ledger.last_at(subject, *events)
        return last is not None and last >= at
