"""Removal of uploads that were stopped: the receiver is asked to delete what it has of them.

The recipient can open a part of a bundle, so none should stay after a revocation, a withdrawal or
the end of an approval. A release that ended without delivery keeps its ``upload_url`` until the
receiver has deleted the upload (DELETE, tus termination) or is no longer asked: after some
refusals, as many servers know no termination, or after about a day without an answer. A last answer
that there is no such upload is believed, though a proxy may have given it. Ledger and owners learn
the result.

DELETE carries nothing of a clip, so it waits for neither clock nor broker. It goes to a place
that the statements of the release still allow, and to no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from agent.backoff import pause_seconds
from agent.errors import NetworkFault, ReceiverFault, Refused
from agent.gateway.release.authorization import Authorizer
from agent.gateway.release.receiver_url import same_origin
from agent.gateway.release.tus_client import GONE
from agent.gateway.release.upload import Receiver
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.events import Event
from agent.vault.records.releases import ReleaseRow

STOPPED: Final = ("REVOKED", "FAILED")
_FIRST_PAUSE_SECONDS = 4.0
_TRIES_ANSWERED = 8  # an hour with the shipped pauses
_TRIES = 100  # a day


@dataclass(eq=False)
class Removals:
    """Has receivers delete stopped uploads, on the thread of the release worker."""

    _: KW_ONLY
    work: UnitOfWork
    authorizer: Authorizer
    receiver: Receiver
    random: Callable[[int], bytes]
    max_backoff_seconds: float
    _is_due: bool = field(default=True, init=False)  # something may be left to remove

    def expect(self) -> None:
        """A release has just stopped."""
        self._is_due = True

    def step(self, *, idle: bool) -> bool:
        """Ask for one removal whose time has come; True if there was one.

        The first try goes ahead of everything. A receiver that is gone may take a minute to say
        nothing, and there may be many: other tries come only when the worker is ``idle``.
        """
        if not self._is_due:
            return False
        rows = self.work.releases.unremoved(*STOPPED)
        self._is_due = bool(rows)
        now = self.work.clock.now()
        for row in rows:
            is_due = not 0 < row.not_before - now <= self.max_backoff_seconds
            if is_due and (idle or row.attempts == 0):
                self._remove(row)
                return True
        return False

    def _remove(self, row: ReleaseRow) -> None:
        url = row.upload_url or ""
        try:
            approved = self.authorizer.of(row).upload_url
            if same_origin(url, approved):
                self.receiver.remove(url)
                problem = ""
            else:
                problem = "other-origin: the upload is not where it was approved to go"
        except Refused as error:
            problem = f"{error.rule}: {error.message}"
        except NetworkFault as error:
            tries = _TRIES_ANSWERED if isinstance(error, ReceiverFault) else _TRIES
            if row.attempts + 1 < tries:
                return self._try_later(row)
            gone = isinstance(error, ReceiverFault) and error.status in GONE
            problem = "" if gone else error.message
        return self._close(row, problem)

    def _try_later(self, row: ReleaseRow) -> None:
        pause = pause_seconds(
            row.attempts + 1,
            first=_FIRST_PAUSE_SECONDS,
            longest=self.max_backoff_seconds,
            share=int.from_bytes(self.random(2)) / 0xFFFF,
        )
        due = self.work.clock.now() + pause
        with self.work.transaction() as change:
            change.releases.set(row.id, attempts=row.attempts + 1, not_before=due)

    def _close(self, row: ReleaseRow, problem: str) -> None:
        """Record that the receiver deleted the upload, or with a ``problem`` that it did not."""
        if problem:
            event, end = Event.UPLOAD_LEFT, "the receiver may still have a part of it"
        else:
            event, end = Event.UPLOAD_REMOVED, "the receiver deleted what it had of it"
        detail = f"{row.detail}; {end}" if row.detail else end
        with self.work.transaction() as change:
            change.releases.set(row.id, upload_url=None, detail=detail)
            change.note(event, row.id, {"why": problem} if problem else {})
            change.tell_release(row, row.state, detail)
